"""What a run was, apart from chance and from how it was watched: the one definition of its configuration.

Everything that holds runs together or apart by their settings asks here: the law's clusters, forecasts, banks,
backtests and the panels of a report.
"""

from collections.abc import Mapping

from grokscope.warning.trajectory import ORIGIN, Fact, Trajectory

_CHANCE = frozenset({"train.replicate"})
"""Facts in which runs of one configuration may differ, beside those that end in `seed`"""
_WATCHING = ("measure.", "evaluate.", "detect.", "forecast.", "preset", "train.stop_after_grok", "data.", ORIGIN)
"""Beginnings of facts that say how a run was watched, when it was to stop, what its data are like, or where its record
comes from"""
_TREATMENT = "interventions."
_AS_EVER: Mapping[str, Fact] = {
    "optimizer.name": "adamw",
    "optimizer.momentum": 0.95,
    "optimizer.decay": "all",
    "optimizer.warmup": 0,
    "optimizer.schedule": "constant",
}
"""Options that earlier runs, and so the shipped banks, do not state, and what was done then. A run that does the same
has the same configuration"""


def is_setting(fact: str) -> bool:
    """Whether a run's course depends on this fact: it is no seed, and not about watching the run."""
    return not (fact in _CHANCE or fact.endswith("seed") or fact.startswith(_WATCHING))


def settings_of(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """The settings that an undisturbed run's course depends on: without seeds, watching and interventions."""
    own = {key: value for key, value in facts.items() if is_setting(key) and not key.startswith(_TREATMENT)}
    return {key: value for key, value in own.items() if not as_ever(key, value)}


def configuration(task: str, facts: Mapping[str, Fact]) -> str:
    """What an undisturbed run of `task` shares with those that differ from it in their seeds alone."""
    settings = sorted(settings_of(facts).items())
    return " ".join([task, *(f"{key}={_written(value)}" for key, value in settings)])


def configuration_of(run: Trajectory) -> str:
    """That of a recorded run; a run that was intervened in shares it with the run that was not."""
    return configuration(run.task, run.facts)


def as_ever(key: str, value: Fact) -> bool:
    """Whether it is an option that does nothing here; other people's loops write `AdamW`."""
    plain = value.lower() if isinstance(value, str) else value
    return key in _AS_EVER and plain == _AS_EVER[key]


def _written(value: Fact) -> str:
    """One spelling for 1 and 1.0: a setting may come from our own configuration or from somebody's table."""
    return value if isinstance(value, str) else f"{float(value)!r}"
