"""A small model, and checkpoints of it that differ by their step."""

from dataclasses import replace

from grokscope.contract.backends import TrainingState
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.runs.checkpoints import Checkpoint, Place

MODEL = ModelSpec("encoder", 5, 4, 6, width=8, layers=1, heads=2, feed_forward=8)
LAYOUT = layout(MODEL)
PARAMETERS = initial_parameters(MODEL, 1)


def made(step: int, **changes: object) -> Checkpoint:
    state = TrainingState(step, PARAMETERS + step, PARAMETERS * 2, PARAMETERS**2)
    return replace(Checkpoint(state, LAYOUT, Place(seq=step * 10, began=step * 10 - 3)), **changes)  # type: ignore[arg-type]
