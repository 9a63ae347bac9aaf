"""Whose model this is: the backend that recognizes it adopts it."""

from typing import Any

from grokscope import registry
from grokscope.contract.own_models import Adoption, CannotProbe, ModelMode, OwnLoss, OwnModel, OwnOptimizer
from grokscope.own.several import SeveralOptimizers

_ADVICE = {
    "model": "give the module that the loop trains",
    "optimizer": "give the one that the loop steps, or a list of them, or leave it out and call step()",
}


def adopted_model(model: Any, loss: OwnLoss, *, mode: ModelMode, upcast: bool) -> OwnModel:
    """A model of any installed backend's framework with its loss. Raises `CannotProbe`."""
    if not callable(loss):
        raise CannotProbe(f"loss= is of type {type(loss).__name__}: give a function, loss(model, batch)")
    if mode not in ("as-is", "train", "eval"):
        raise CannotProbe(f"mode= is 'as-is', 'train' or 'eval', not {mode!r}")
    return _adoption(model, "model").model(model, loss, mode=mode, upcast=upcast)


def adopted_optimizer(optimizer: Any) -> OwnOptimizer:
    """An optimizer of any installed backend's framework, or a list of them. Raises `CannotProbe`."""
    if not isinstance(optimizer, list | tuple):
        return _adoption(optimizer, "optimizer").optimizer(optimizer)
    if not optimizer:
        raise CannotProbe("optimizer= is an empty list: give the loop's optimizers, or leave it out and call step()")
    adopted = [_adoption(each, "optimizer").optimizer(each) for each in optimizer]
    return adopted[0] if len(adopted) == 1 else SeveralOptimizers(adopted)


def _adoption(thing: Any, what: str) -> Adoption:
    for spec in registry.sound("backends"):
        if spec.adoption is not None and spec.adoption.recognizes(thing):
            return spec.adoption
    able = [spec.name for spec in registry.sound("backends") if spec.adoption is not None]
    kind = f"the class {thing.__name__}" if isinstance(thing, type) else f"of type {type(thing).__name__}"
    raise CannotProbe(f"{what}= is {kind}, and no {what} of {' or '.join(able)}: {_ADVICE[what]}")
