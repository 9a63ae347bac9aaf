"""Levers of the literature as conditions of an experiment, each beside its matched control.

A control differs from its lever in nothing but the tested idea: a displacement as long in a random direction, a
learning rate as large, a gradient as long. An option of a run, such as another optimizer, holds from the first step on.
A run with an option differs from the baseline in this option alone, and so the baseline is its control. Where a lever
changes the learning rate, weight decay changes too, so that lr · wd, which decides when runs grok, stays as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grokscope.settings.config import RunConfig

_ArmSettings = Callable[[RunConfig, float], Mapping[str, Any]]
"""The settings of a dose, by the configuration that is treated"""


@dataclass(frozen=True)
class Condition:
    """A way to treat a run, at any dose."""

    name: str
    summary: str
    kind: str | None
    """The intervention; None for a condition that changes settings"""
    parameter: str
    """The parameter of the intervention that is the dose, or the changed setting"""
    usual: float
    """The published dose"""
    grid: tuple[float, ...]
    """Doses of a full experiment"""
    basis: str | None = None
    """`random`, `none`; None: the execution subspace of the same seed's baseline"""
    control_of: str | None = None
    """The condition that this condition is a control of; they are compared dose by dose"""
    fixed: bool = False
    """Whether the dose cannot be chosen"""
    past: bool = False
    """Whether the subspace is made from the baseline's trajectory up to the start of the treatment"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Parameters beside dose and basis"""
    on_subspace: bool = True
    """Whether the intervention takes a basis"""
    settings: _ArmSettings | None = None
    """Of a condition that changes settings"""
    parts: tuple[str, ...] = ()
    """The two conditions that are combined, each at its usual dose"""


def _as_large(config: RunConfig, factor: float) -> dict[str, Any]:
    """A learning rate that is `factor` times as large, and lr · wd as it was."""
    return {"optimizer.lr": factor * config.optimizer.lr, "optimizer.wd": config.optimizer.wd / factor}


def _lever(name: str, summary: str, kind: str, parameter: str, *doses: float, **more: Any) -> Condition:
    """The first dose is the usual one."""
    fixed = not parameter
    return Condition(name, summary, kind, parameter, *_usual(doses), on_subspace=False, fixed=fixed, **more)


def _option(name: str, summary: str, settings: _ArmSettings, *doses: float, **more: Any) -> Condition:
    return Condition(name, summary, None, name, *_usual(doses), fixed=not doses, settings=settings, **more)


def _usual(doses: tuple[float, ...]) -> tuple[float, tuple[float, ...]]:
    return (doses[0], tuple(sorted(doses))) if doses else (1.0, (1.0,))


LEVERS: tuple[Condition, ...] = (
    _lever("grokfast", "slow part of the gradient amplified", "grokfast", "lamb", 2.0, 1.0, 5.0),
    _option("grokfast-lr", "a learning rate 1 + λ times as large", lambda config, dose: _as_large(config, 1 + dose),
            2.0, 1.0, 5.0, control_of="grokfast"),
    _lever("orthograd", "gradient, less its part along the parameters", "orthograd", ""),
    _lever("orthograd-random", "as long a part removed in a random direction", "orthograd", "",
           options={"direction": "random"}, control_of="orthograd"),
    _lever("clamp", "norm of the parameters held, in units of that at the start", "clamp", "ratio", 1.0, 0.5, 0.75),
    _lever("clamp-random", "moved as far in a random direction", "clamp", "ratio", 1.0, 0.5, 0.75,
           options={"direction": "random"}, control_of="clamp"),
    _lever("temperature", "logits divided by T in the loss", "temperature", "value", 2.0, 0.5, 4.0),
    _lever("temperature-length", "gradient as long, in its own direction", "temperature", "value", 2.0, 0.5, 4.0,
           options={"length_only": True}, control_of="temperature"),
    _lever("embedding-lr", "a learning rate of the embedding's own", "embedding-lr", "ratio", 10.0, 3.0),
    _lever("embedding-lr-random", "the same for as many other parameters", "embedding-lr", "ratio", 10.0, 3.0,
           options={"where": "random"}, control_of="embedding-lr"),
    _lever("embedding-lr-adaptive", "one that follows singular values", "embedding-lr", "ratio", 1.0,
           options={"adaptive": True}),
    _lever("embedding-lr-adaptive-random", "the same for as many other parameters", "embedding-lr", "ratio", 1.0,
           options={"adaptive": True, "where": "random"}, control_of="embedding-lr-adaptive"),
    _option("spherical", "unit vectors all through, and logits of at most the dose",
            lambda config, dose: {"model.residual": "spherical", "model.cosine_scale": dose}, 10.0, 5.0, 20.0, 30.0),
    _option("uniform", "attention is the mean of what is seen", lambda config, dose: {"model.attention": "uniform"}),
    _option("stablemax", "StableMax in the place of softmax", lambda config, dose: {"model.loss": "stablemax"}),
    _option("sgd", "SGD with momentum, its learning rate as many times as large",
            lambda config, dose: {"optimizer.name": "sgd", **_as_large(config, dose)}, 30.0, 10.0, 100.0),
    _option("muon", "hidden matrices by Muon, at a learning rate as many times as large",
            lambda config, dose: {"optimizer.name": "muon", **_as_large(config, dose)}, 1.0, 3.0),
    _option("decay-matrices", "biases and norms do not decay", lambda config, dose: {"optimizer.decay": "matrices"}),
    _option("warmup", "as many steps of warm-up", lambda config, dose: {"optimizer.warmup": int(dose)}, 100.0),
    _option("cosine", "the learning rate falls to 0", lambda config, dose: {"optimizer.schedule": "cosine"}),
)  # fmt: skip
"""In the order of runs and tables"""
