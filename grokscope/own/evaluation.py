"""The splits that a probe scores itself: data by the loss, or whatever a function of the model returns."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.events import Scores
from grokscope.own.batches import batch_source
from grokscope.own.reports import scores_of, splits_named
from grokscope.own.trial import first_line


class Scored(NamedTuple):
    """What a split was scored with, and how long that took."""

    scores: Scores
    seconds: float


class OwnSplit(NamedTuple):
    """How a split is scored. Both are to be asked inside of `OwnModel.looking`."""

    score: Callable[[], Scores]
    trial: Callable[[], Scores] | None = None
    """As much of it as shows that it can be scored: of data, the first batch. None where that is all of it: a function
    of the model is called once, for it may take long"""

    def scored(self) -> Scored:
        return _timed(self.score)


def evaluations(evaluate: Mapping[str, Any], model: OwnModel, metric: str) -> dict[str, OwnSplit]:
    """How each split is scored. Raises `CannotProbe` for what is no split."""
    if not isinstance(evaluate, Mapping):
        raise CannotProbe(f"evaluate= is of type {type(evaluate).__name__}: give splits by name, as {{'test': …}}")
    named = splits_named(evaluate)
    return {named[split]: _evaluation(split, what, model, metric) for split, what in evaluate.items()}


def tried_evaluations(splits: Mapping[str, OwnSplit]) -> dict[str, Scored]:
    """Score of each split as much as shows that it can be scored. To be asked inside of `OwnModel.looking`.

    Raises `CannotProbe`: what cannot be scored then cannot be scored at any record.
    """
    return {split: _tried(split, each) for split, each in splits.items()}


def remarks_on(found: Mapping[str, Scored], metric: str) -> list[str]:
    """What a person should know of the splits before training begins, a sentence each."""
    if "test" not in found or getattr(found["test"].scores, metric, None) is not None:
        return []
    return [
        f"evaluate={{'test': …}} has no {metric}, so that no step can be called grokked: give a function of the model "
        f"that returns it, or tell step(test_{metric}=…)"
    ]


def _timed(score: Callable[[], Scores]) -> Scored:
    began = time.monotonic()
    return Scored(score(), time.monotonic() - began)


def _tried(split: str, what: OwnSplit) -> Scored:
    try:
        return _timed(what.trial or what.score)
    except Exception as problem:  # the user's own code: whatever it raises, training has not begun
        kind = "" if isinstance(problem, CannotProbe) else f"{type(problem).__name__}: "
        raise CannotProbe(
            f"evaluate={{{split!r}: …}} cannot be scored: {kind}{first_line(problem)}: give data that "
            "loss(model, batch) takes, or a function of the model that returns the metric or a mapping of scores"
        ) from problem


def _evaluation(split: str, what: Any, model: OwnModel, metric: str) -> OwnSplit:
    if callable(what):
        return OwnSplit(partial(_returned, what, model, metric, split))
    try:
        source = batch_source(what, model)
    except CannotProbe:
        raise CannotProbe(
            f"evaluate={{{split!r}: …}} takes a DataLoader, a data set, tensors, a list of batches or a "
            "function of the model"
        ) from None
    return OwnSplit(lambda: scored(source.in_order(), model), lambda: scored(islice(source.in_order(), 1), model))


def _returned(function: Callable[[Any], Any], model: OwnModel, metric: str, split: str) -> Scores:
    return scores_of(model.evaluated(function), metric, split)


def scored(batches: Iterable[Any], model: OwnModel) -> Scores:
    """Mean loss over the examples of batches and, where they show what is a label, the accuracy."""
    parts = [model.scores(model.prepare(batch, noise)) for noise, batch in enumerate(batches)]
    rows = sum(part.rows for part in parts)
    accuracies = [part.accuracy * part.rows for part in parts if part.accuracy is not None]
    return Scores(
        loss=sum(part.loss * part.rows for part in parts) / rows,
        accuracy=sum(accuracies) / rows if len(accuracies) == len(parts) else None,
    )
