"""What a forecast says: an answer to each of three questions, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grokscope.warning.forecast.refusals import NoAnswer


class Law(StrEnum):
    """What a grok step goes by."""

    STRUCTURE = "structure"
    ELASTICITY = "elasticity"
    CLOCK = "lr·wd"
    STEPS = "steps"

    @property
    def basis(self) -> str:
        """What an answer rests on, in four words."""
        return {
            Law.STRUCTURE: "growth of Fourier structure",
            Law.ELASTICITY: "elasticity and training loss",
            Law.CLOCK: "lr · wd alone",
            Law.STEPS: "number of steps alone",
        }[self]


@dataclass(frozen=True)
class Chance:
    """The answer to whether: a probability, or why there is none."""

    probability: float | None = None
    refused: NoAnswer | None = None
    base_rate: float | None = None
    """Share of the bank's runs that had not come so far by this decay time and did later"""
    basis: str | None = None
    """What a probability between 0 and 1 rests on, in four words"""


@dataclass(frozen=True)
class When:
    """The answer to when, for a run that groks: a grok step, or why there is none."""

    grok_step: float | None = None
    low: float | None = None
    high: float | None = None
    """Ends of the interval at `FORECAST_LEVEL`"""
    no_interval: str | None = None
    law: Law | None = None
    refused: NoAnswer | None = None


@dataclass(frozen=True)
class Projection:
    """What is said of a run at a step."""

    step: int
    decay_time: float | None
    generalizes: Chance
    reaches: Chance
    when: When
    not_before_step: int | None = None
    """Until then nothing can be known of whether; None where that is no question of time"""
    rivals: Mapping[str, When] = field(default_factory=dict)
    """Grok steps by what is free: lr · wd alone"""

    @property
    def basis(self) -> str | None:
        """What the answers rest on; None where there is none."""
        dated = None if self.when.law is None else self.when.law.basis
        return self.reaches.basis or self.generalizes.basis or dated


def nothing(step: int, tau: float | None, refused: NoAnswer) -> Projection:
    """Every question refused for one reason."""
    return Projection(step, tau, Chance(refused=refused), Chance(refused=refused), When(refused=refused))
