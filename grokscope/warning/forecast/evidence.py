"""What the answers are told by: numbers that are read of a run, in the form in which a regression takes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.answers import Law

SMALLEST_ELASTICITY = 0.01
"""Elasticities below it have no logarithm of use"""
SMALLEST_GROWTH = 0.01
"""The same of the logarithm of Fourier growth"""
ELASTICITY_SCALE = 0.05
"""Where asinh(e / scale) turns from a line to a logarithm: 0.15 parts runs that grok from runs that do not"""


def whether_numbers(read: Floats) -> Floats:
    """asinh(e / 0.05) and log training loss, of `READ` [n, 4]. [n, 2]"""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([np.arcsinh(read[:, 0] / ELASTICITY_SCALE), np.log(read[:, 1])])


def structure_numbers(read: Floats) -> Floats:
    """Log Fourier growth, of `READ` [n, 4]. [n, 1]"""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(read[:, 3:4])


@dataclass(frozen=True)
class Evidence:
    """What whether is told by."""

    basis: str
    """In four words"""
    numbers: Callable[[Floats], Floats]
    """Of `READ` [n, 4], [n, m]"""


LOSSES = Evidence(Law.ELASTICITY.basis, whether_numbers)
STRUCTURE = Evidence(Law.STRUCTURE.basis, structure_numbers)
BOTH = Evidence(
    "Fourier structure and losses", lambda read: np.hstack([whether_numbers(read), structure_numbers(read)])
)
"""Whether runs generalize, asked at 0.4 of the usual κ of runs that share neither operation nor training fraction with
them: AUROC 0.99 [0.96, 1.00] for the 59 of 70 that were answered (`grokscope forecast --backtest` on the tables
`modular-fraction` and `modular-operation`, `--leave-out operation+fraction`)"""


def elasticity_dates(read: Floats) -> Floats:
    """log e, log training loss and the slope of log ‖θ‖², of `READ` [n, 4]. [n, 3]"""
    with np.errstate(invalid="ignore", divide="ignore"):
        elasticity = np.log(np.maximum(read[:, 0], SMALLEST_ELASTICITY))
        return np.column_stack([elasticity, np.log(read[:, 1]), read[:, 2]])


def structure_dates(read: Floats) -> Floats:
    """log log Fourier growth, of `READ` [n, 4]: κ is about a power of how far structure has grown. [n, 1]"""
    return np.asarray(np.log(np.maximum(structure_numbers(read), SMALLEST_GROWTH)))


def no_numbers(read: Floats) -> Floats:
    """For what does not look at the run. [n, 0]"""
    return read[:, :0]


WHEN_NUMBERS: Mapping[Law, Callable[[Floats], Floats]] = {
    Law.STRUCTURE: structure_dates,
    Law.ELASTICITY: elasticity_dates,
    Law.CLOCK: no_numbers,
    Law.STEPS: no_numbers,
}
"""What log κ is fitted on, or for `STEPS`, the logarithm of the grok step"""
