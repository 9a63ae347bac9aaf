"""Short labels that distinguish runs, for titles, legends and rows."""

from collections.abc import Sequence

from grokscope.warning.configuration import is_setting
from grokscope.warning.trajectory import Trajectory
from grokscope.words.numbers import value_text

FIRST = ("task.operation", "optimizer.lr", "optimizer.wd")
"""Settings that come first in a label"""
_BETWEEN = " · "


def varying(trajectories: Sequence[Trajectory]) -> list[str]:
    """Settings in which these runs differ, without seeds and settings of measuring; the usual axes first."""
    keys = sorted({key for each in trajectories for key in each.facts})
    differing = [key for key in keys if is_setting(key) and len({each.facts.get(key) for each in trajectories}) > 1]
    return [key for key in FIRST if key in differing] + [key for key in differing if key not in FIRST]


def label(trajectory: Trajectory, keys: Sequence[str], most: int = 4) -> str:
    """`add · lr 0.001 · wd 1`: the values of those of these settings that the run has; its name where it has none, and
    for too many settings."""
    known = [key for key in keys if trajectory.facts.get(key) is not None]
    if not known or len(keys) > most:
        return trajectory.name
    return _BETWEEN.join(one_label(key, trajectory.facts[key]) for key in known)


def on_lines(text: str, most: int) -> str:
    """A label on as many lines as it takes for lines of `most` characters; no setting is broken."""
    lines = [""]
    for part in text.split(_BETWEEN):
        if lines[-1] and len(lines[-1]) + len(_BETWEEN) + len(part) > most:
            lines.append("")
        lines[-1] += (_BETWEEN if lines[-1] else "") + part
    return "\n".join(lines)


def one_label(key: str, value: float | int | str | None) -> str:
    """One setting and its value."""
    name = key.rpartition(".")[2]
    if isinstance(value, str):
        return value
    return f"{name} {value_text(value)}" if not isinstance(value, float) else f"{name} {value:g}"
