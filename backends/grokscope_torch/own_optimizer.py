"""Anybody's optimizer of PyTorch, read and never changed."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from grokscope.contract.own_optimizers import common_decay

_SETTINGS = {"lr": "lr", "wd": "weight_decay", "epsilon": "eps", "momentum": "momentum"}
"""Our names to those of a parameter group"""
_DECOUPLED = (AdamW, getattr(torch.optim, "Muon", AdamW))  # PyTorch has had Muon since 2.9


class TorchOptimizer:
    """See `grokscope.contract.own_models.OwnOptimizer`."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._seen: list[tuple[Any, Any, Any]] = []
        self._plain = False
        """Whether none of what was seen is a tensor"""

    def settings(self) -> Mapping[str, float | str]:
        """Weight decay is that of the groups that have one."""
        found: dict[str, float | str] = {"name": type(self._optimizer).__name__}
        groups = self._optimizer.param_groups
        for ours, theirs in _SETTINGS.items():
            values = {value for group in groups if (value := _number(group.get(theirs))) is not None}
            if ours == "wd" and len(values) > 1:
                values.discard(0.0)
            if len(values) == 1:
                [found[ours]] = values
        betas = {tuple(map(float, group["betas"])) for group in groups if "betas" in group}
        if len(betas) == 1:
            found["beta1"], found["beta2"] = next(iter(betas))[:2]
        return found

    def decay(self) -> float | None:
        groups = self._optimizer.param_groups
        self._seen = [(group.get("lr"), group.get("weight_decay"), group.get("momentum")) for group in groups]
        self._plain = not any(isinstance(value, Tensor) for values in self._seen for value in values)
        return common_decay(_share(self._optimizer, group) for group in groups)

    def changed(self) -> bool:
        """A tensor may have been written into since it was seen."""
        if not self._plain:
            return True
        groups = self._optimizer.param_groups
        return [(group.get("lr"), group.get("weight_decay"), group.get("momentum")) for group in groups] != self._seen

    def after_steps(self, call: Callable[[], None]) -> Callable[[], None]:
        """The hook is never compiled, for a compiled function may take the step."""
        handle = self._optimizer.register_step_post_hook(
            torch.compiler.disable(lambda *_: call())  # type: ignore[no-untyped-call]
        )
        return handle.remove


def _share(optimizer: Optimizer, group: Mapping[str, Any]) -> float | None:
    """lr · wd where a step multiplies the group's parameters by 1 − lr · wd beside whatever else it does."""
    wd, lr = _decay_of(group), _number(group.get("lr"))
    decoupled = isinstance(optimizer, _DECOUPLED) or group.get("decoupled_weight_decay", False)
    plain = isinstance(optimizer, SGD) and not group.get("momentum")
    if lr is None or (wd and not (decoupled or plain)):
        return None if wd else 0.0
    return lr * wd


def _decay_of(group: Mapping[str, Any]) -> float:
    return _number(group.get("weight_decay")) or 0.0


def _number(value: Any) -> float | None:
    """A setting that is one number, as most are: Adafactor has two `eps`, and may choose its `lr` itself."""
    return None if value is None or isinstance(value, tuple | list) else float(value)
