"""Numbers of steps said in units of decay time, τ = lr · wd · step, the clock that most runs of a grid share.

A budget of 12 in decay time makes "never" mean the same for every learning rate, which a number of steps does not.
"""

import math
from collections.abc import Mapping

from grokscope.settings.config import ConfigError

COUNTS = (
    "train.steps", "train.stop_after_grok", "evaluate.every", "measure.every", "snapshot.every", "checkpoint.every",
    "log.every",
)  # fmt: skip
"""Settings that are numbers of steps."""


def whole_steps(wanted: Mapping[str, float], lr: float, wd: float) -> dict[str, int]:
    """Settings in decay time as steps: n = value / (lr · wd), at least 1, by their dotted keys.

    The shortest of the intervals (`….every`) is rounded, and the others are multiples of it, so that what is looked at
    less often is looked at together with the rest. Everything else is rounded up. Raises `ConfigError` without decay.
    """
    rate = lr * wd
    if not rate:
        raise ConfigError(f"{', '.join(wanted)} in decay time: without weight decay there is no such time")
    intervals = {key: value for key, value in wanted.items() if key.endswith(".every")}
    shortest = min(intervals.values(), default=1.0)
    unit = max(1, round(shortest / rate))
    return {
        key: unit * max(1, round(value / shortest)) if key in intervals else math.ceil(value / rate - 1e-9)
        for key, value in wanted.items()
    }
