"""What a loop tells a probe of itself: numbers by the names that people give them."""

from collections.abc import Mapping
from typing import Any

from grokscope.contract.own_models import CannotProbe
from grokscope.events import Scores
from grokscope.imports.names import SPLITS, usual_signal


def scores_by_split(reported: Mapping[str, Any]) -> dict[str, Scores]:
    """`test_accuracy=0.9, train_loss=0.1` by split; `val_`, `valid_`, `validation_` and `eval_` are the test split.

    Raises `CannotProbe` for what has no split in its name, is no number, or is an accuracy above 1.
    """
    found: dict[str, dict[str, float]] = {}
    for name, value in reported.items():
        split, underscore, score = (usual_signal(name) or name).partition("_")
        if not (split and underscore and score):
            raise CannotProbe(f"{name!r} is no score: call it SPLIT_SCORE, as test_accuracy or train_loss")
        found.setdefault(SPLITS.get(split, split), {})[score] = checked_score(score, value, name)
    return {split: Scores(**scores) for split, scores in found.items()}


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
