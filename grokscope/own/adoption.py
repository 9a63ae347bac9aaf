"""Whose model this is: the backend that recognizes it adopts it."""

from typing import Any

from grokscope import registry
from grokscope.contract.own_models import Adoption, CannotProbe, ModelMode, OwnLoss, OwnModel, OwnOptimizer


def adopted_model(model: Any, loss: OwnLoss, *, mode: ModelMode, upcast: bool) -> OwnModel:
    """A model of any installed backend's framework with its loss. Raises `CannotProbe`."""
    if not callable(loss):
        raise CannotProbe(f"loss= is a function, loss(model, batch), and no {type(loss).__name__}")
    if mode not in ("as-is", "train", "eval"):
        raise CannotProbe(f"mode= is 'as-is', 'train' or 'eval', not {mode!r}")
    return _adoption(model, "model").model(model, loss, mode=mode, upcast=upcast)


def adopted_optimizer(optimizer: Any) -> OwnOptimizer:
    """An optimizer of any installed backend's framework. Raises `CannotProbe`."""
    return _adoption(optimizer, "optimizer").optimizer(optimizer)


def _adoption(thing: Any, what: str) -> Adoption:
    for spec in registry.sound("backends"):
        if spec.adoption is not None and spec.adoption.recognizes(thing):
            return spec.adoption
    able = [spec.name for spec in registry.sound("backends") if spec.adoption is not None]
    raise CannotProbe(f"a {type(thing).__name__} is no {what} of {' or '.join(able)}")
