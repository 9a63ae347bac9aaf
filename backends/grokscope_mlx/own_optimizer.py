"""Anybody's optimizer of MLX, read and never changed."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import mlx.optimizers as optimizers
import numpy as np

from grokscope.contract.own_optimizers import common_decay, common_settings

_SETTINGS = {"wd": "weight_decay", "epsilon": "eps", "momentum": "momentum"}
"""Our names to those of an optimizer"""


class MLXOptimizer:
    """See `grokscope.contract.own_models.OwnOptimizer`."""

    def __init__(self, optimizer: optimizers.Optimizer) -> None:
        self._optimizer = optimizer
        self._parts = [MLXOptimizer(part) for part in getattr(optimizer, "optimizers", ())]  # of a `MultiOptimizer`

    def settings(self) -> Mapping[str, float | str]:
        if self._parts:
            return common_settings([part.settings() for part in self._parts])
        found: dict[str, float | str] = {"name": type(self._optimizer).__name__, "lr": self._lr}
        for ours, theirs in _SETTINGS.items():
            value = getattr(self._optimizer, theirs, None)
            if isinstance(value, int | float):
                found[ours] = float(value)
        betas = getattr(self._optimizer, "betas", None)
        if isinstance(betas, list | tuple) and len(betas) == 2:
            found["beta1"], found["beta2"] = map(float, betas)
        return found

    @property
    def _lr(self) -> float:
        """As a person typed it: MLX keeps float32, in which 0.003 is 0.003000000026."""
        return float(str(np.float32(self._optimizer.learning_rate.item())))

    def decay(self) -> float | None:
        """MLX adds the decay of AdamW and Lion to the step, and that of SGD to the gradient."""
        if self._parts:
            return common_decay(part.decay() for part in self._parts)
        wd = float(getattr(self._optimizer, "weight_decay", 0.0))
        plain = isinstance(self._optimizer, optimizers.SGD) and not self._optimizer.momentum
        if wd and not (plain or isinstance(self._optimizer, optimizers.AdamW | optimizers.Lion)):
            return None
        return self._lr * wd

    def changed(self) -> bool:
        """Arrays may have been written into: they are read."""
        return True

    def after_steps(self, call: Callable[[], None]) -> Callable[[], None]:
        """MLX has no hooks: the optimizer's own `update` stands aside for one that calls it and then `call`.

        Where `mx.compile` traces the loop's step, `update` is called once for all steps: nothing is counted then.
        """
        update, compiled = self._optimizer.update, False
        looked = False

        def counted(model: Any, gradients: Any) -> None:
            nonlocal compiled, looked
            update(model, gradients)
            if not looked:
                looked, compiled = True, _tracing(model)
            if not compiled:
                call()

        vars(self._optimizer)["update"] = counted
        return lambda: vars(self._optimizer).pop("update", None)


def _tracing(model: Any) -> bool:
    """Whether the model's arrays stand for others: such cannot be computed."""
    try:
        mx.eval(model.parameters())
    except (ValueError, RuntimeError):
        return True
    return False
