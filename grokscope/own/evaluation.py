"""The splits that a probe scores itself: data by the loss, or whatever a function of the model returns."""

from collections.abc import Callable, Mapping
from typing import Any

from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.events import Scores
from grokscope.own.batches import BatchSource, batch_source
from grokscope.own.reports import scores_of

SplitScoring = Callable[[], Scores]


def evaluations(evaluate: Mapping[str, Any], model: OwnModel, metric: str) -> dict[str, SplitScoring]:
    """How each split is scored, to be asked inside of `OwnModel.looking`. Raises `CannotProbe` for what is no split."""
    return {split: _evaluation(split, what, model, metric) for split, what in evaluate.items()}


def _evaluation(split: str, what: Any, model: OwnModel, metric: str) -> SplitScoring:
    if callable(what):
        return lambda: scores_of(model.evaluated(what), metric, split)
    try:
        source = batch_source(what, model)
    except CannotProbe:
        raise CannotProbe(
            f"evaluate={{{split!r}: …}} takes a DataLoader, a data set, tensors, a list of batches or a "
            "function of the model"
        ) from None
    return lambda: scored(source, model)


def scored(split: BatchSource, model: OwnModel) -> Scores:
    """Mean loss over the examples of a split and, where its batches show what is a label, the accuracy."""
    parts = [model.scores(model.prepare(batch, noise)) for noise, batch in enumerate(split.in_order())]
    rows = sum(part.rows for part in parts)
    accuracies = [part.accuracy * part.rows for part in parts if part.accuracy is not None]
    return Scores(
        loss=sum(part.loss * part.rows for part in parts) / rows,
        accuracy=sum(accuracies) / rows if len(accuracies) == len(parts) else None,
    )
