"""What a loop tells a probe of itself: numbers by the names that people give them."""

from collections.abc import Iterable, Mapping
from typing import Any

from grokscope.contract.own_models import CannotProbe
from grokscope.events import Evaluated, Scores
from grokscope.imports.names import SPLITS, usual_signal

_NO_SPLIT = Evaluated.model_fields.keys() - {"train", "test"}
"""What stands beside the splits in an event"""


def scores_by_split(reported: Mapping[str, Any]) -> dict[str, Scores]:
    """`test_accuracy=0.9, train_loss=0.1` by split, which `splits_named` names.

    Raises `CannotProbe` for what has no split in its name, is no number, or is an accuracy above 1.
    """
    parts = {name: _parts(name) for name in reported}
    named = splits_named({split for split, _ in parts.values()})
    found: dict[str, dict[str, float]] = {}
    for name, (split, score) in parts.items():
        found.setdefault(named[split], {})[score] = checked_score(score, reported[name], name)
    return {split: Scores(**scores) for split, scores in found.items()}


def _parts(name: str) -> tuple[str, str]:
    """Split, as it is called, and score. Raises `CannotProbe`."""
    called = name.partition("_")[0]
    split, underscore, score = (usual_signal(name) or name).partition("_")
    if not (split and underscore and score):
        raise CannotProbe(f"{name!r} is no score: call it SPLIT_SCORE, as test_accuracy or train_loss")
    return called if called in SPLITS else split, score


def splits_named(names: Iterable[Any]) -> dict[str, str]:
    """The split that each name means: `val`, `valid`, `validation`, `dev` and `eval` are the test split, unless two of
    the names would be one. Raises `CannotProbe` for what cannot be a split."""
    names = list(names)
    for name in names:
        if not isinstance(name, str) or name in _NO_SPLIT:
            raise CannotProbe(f"{name!r} cannot name a split: call it train, test, or something else")
    meant = {name: SPLITS.get(name, name) for name in names}
    return meant if len(set(meant.values())) == len(meant) else {name: name for name in names}


def scores_of(result: Any, metric: str, split: str) -> Scores:
    """What a function that evaluates a split has returned: the metric, or scores by name. Raises `CannotProbe`."""
    named = result if isinstance(result, Mapping) else {metric: result}
    return Scores(**{str(name): checked_score(str(name), value, f"{split} {name}") for name, value in named.items()})


def checked_score(score: str, value: Any, name: str) -> float:
    """A score as a number. Raises `CannotProbe`."""
    number = as_number(value, name)
    if score.endswith("accuracy") and number > 1 + 1e-6:
        raise CannotProbe(f"{name} is {number:g}: an accuracy is a fraction, from 0 to 1")
    return min(number, 1.0) if score.endswith("accuracy") else number


def as_number(value: Any, name: str) -> float:
    """A number of Python, NumPy or a framework; what is not finite stays so. Raises `CannotProbe` for what is none."""
    detached = value.detach() if hasattr(value, "detach") else value  # PyTorch warns of a tensor that has a graph
    try:
        return float(detached)
    except (TypeError, ValueError, RuntimeError):
        raise CannotProbe(f"{name} is no number but a {type(value).__name__}") from None
