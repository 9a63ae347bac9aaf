"""Several optimizers of one loop as one: a step of the loop is taken when each of them has taken one."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from grokscope.contract.own_models import OwnOptimizer
from grokscope.contract.own_optimizers import common_decay, common_settings


class SeveralOptimizers:
    """See `grokscope.contract.own_models.OwnOptimizer`. In which order they step does not matter."""

    def __init__(self, optimizers: Sequence[OwnOptimizer]) -> None:
        """`optimizers`: two or more, which have different parameters of the model."""
        self._optimizers = optimizers

    def settings(self) -> Mapping[str, float | str]:
        return common_settings([each.settings() for each in self._optimizers])

    def decay(self) -> float | None:
        return common_decay(each.decay() for each in self._optimizers)

    def changed(self) -> bool:
        return any(each.changed() for each in self._optimizers)

    def after_steps(self, call: Callable[[], None]) -> Callable[[], None]:
        waiting = set(range(len(self._optimizers)))

        def stepped(number: int) -> None:
            waiting.discard(number)
            if not waiting:
                waiting.update(range(len(self._optimizers)))
                call()

        ending = ExitStack()
        for number, each in enumerate(self._optimizers):
            ending.callback(each.after_steps(partial(stepped, number)))
        return ending.close
