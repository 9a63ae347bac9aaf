"""Steps written in decay time: `12tau` is the number of steps after which lr · wd · step = 12.

Runs with different lr and wd grok at similar decay times, not at similar steps. So a budget or a cadence in decay time
is equally long for every cell of a sweep.
"""

import re
from collections.abc import Mapping
from typing import Any

COUNTED = ("train.steps", "evaluate.every", "measure.every", "snapshot.every", "checkpoint.every", "log.every")
"""Settings that are a number of steps, and may be given in decay time"""

_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:tau|τ)", re.ASCII)
_MOST = 1e12


def in_steps(settings: Mapping[str, Any], lr: float, wd: float) -> dict[str, Any]:
    """The settings (dotted keys) with every count in decay time replaced by a whole number of steps, at least 1.

    `lr` and `wd` are the defaults for settings without them. Raises `ValueError` if lr · wd is 0, or if a count is too
    large.
    """
    counted = {key: _TEXT.fullmatch(settings[key]) for key in COUNTED if isinstance(settings.get(key), str)}
    written = {key: float(match[1]) for key, match in counted.items() if match}
    if not written:
        return dict(settings)
    if settings.get("optimizer.schedule", "constant") != "constant" or settings.get("optimizer.warmup"):
        raise ValueError(f"{min(written)} is in decay time, which needs a constant learning rate; give steps")
    rate = _number(settings.get("optimizer.lr", lr)) * _number(settings.get("optimizer.wd", wd))
    if not rate > 0:
        raise ValueError(f"{min(written)} is in decay time, which needs lr and wd above 0")
    steps = {key: decay_time / rate for key, decay_time in written.items()}
    long = [key for key, count in steps.items() if count > _MOST]
    if long:
        raise ValueError(f"{long[0]} would be over {_MOST:.0e} steps at lr · wd = {rate:g}")
    return dict(settings) | {key: max(1, round(count)) for key, count in steps.items()}


def _number(value: Any) -> float:
    """The value as a number; 0 for any other value, which the configuration rejects later."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
