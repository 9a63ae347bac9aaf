"""Where lr · wd is the clock of a run: the one place that says what each option of a run does to decay time.

Runs with AdamW grok at similar decay times τ = Σ lr · wd: decay shrinks what the gradient does not hold, and the size
of a step does not depend on the size of the gradient. Whatever breaks one of the two makes τ another quantity. Then τ
is still recorded, and a forecast is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

_OBJECTIONS: Mapping[str, Callable[[Any], str | None]] = {
    "optimizer.name": lambda name: {
        "adamw": None,
        "muon": "muon moves every matrix by the same length, whatever its gradient, so that decay balances elsewhere",
    }.get(str(name).lower(), f"with {name} the size of a step depends on the size of the gradient"),
    "optimizer.decay": lambda decay: (
        None if decay == "all" else "biases and norms do not decay, and ‖θ‖ has two clocks"
    ),
    "optimizer.schedule": lambda schedule: None if schedule == "constant" else "the learning rate follows a schedule",
    "optimizer.warmup": lambda warmup: "the learning rate warms up" if warmup else None,
    "model.residual": lambda residual: (
        "no logit of a spherical model grows with its weights" if residual == "spherical" else None
    ),
}
"""By setting: why decay time is no clock at a value of it; None where it is one"""


def no_clock(settings: Mapping[str, Any]) -> str | None:
    """Why lr · wd is no clock of a run with these settings (dotted keys), as the end of a sentence; None where it is.

    Settings that are not on record, as in somebody else's run, object to nothing.
    """
    return next((why for key, of in _OBJECTIONS.items() if key in settings and (why := of(settings[key]))), None)
