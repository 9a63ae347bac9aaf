"""`fourier_growth`: whether the embedding of the tokens begins to consist of few frequencies.

Tokens that are residues modulo n have two natural orders: that of the numbers, in which addition is a shift, and, for
prime n, that of the powers of a generator, in which multiplication is one. Random vectors have a spectrum too, so it is
the growth that counts, and it starts where the initial embedding has lost two thirds of its power to decay.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray
from grokscope.contract.signals import Number, SignalRule, SignalSpec, Subject, Vantage
from grokscope.signals.trends import joined_series

REFERENCE = 0.6
"""Decay time of the record that growth is counted from: e^(−2 · 0.6) = 0.3 of the initial power is left, memorization
is over at the usual settings, and no run has been seen to build structure so early"""
FEWEST_TOKENS = 5


def token_orders(modulus: int) -> dict[str, NDArray[np.int64]]:
    """Tokens in the order of the numbers, [n], and for prime n in that of the powers of a generator, [n − 1]."""
    orders = {"additive": np.arange(modulus)}
    for generator in range(2, modulus):
        powers = [pow(generator, exponent, modulus) for exponent in range(modulus - 1)]
        if len(set(powers)) == modulus - 1 and 0 not in powers:
            orders["multiplicative"] = np.array(powers)
            break
    return orders


def fourier_power(table: FloatArray) -> NDArray[np.float64]:
    """The power at each frequency but 0 of vectors in a cyclic order, summed over their width.

    [tokens, width] -> [tokens // 2]; it sums to the squared deviation of the vectors from their mean, times tokens.
    """
    tokens = len(table)
    power = (np.abs(np.fft.rfft(np.asarray(table, dtype=np.float64), axis=0)[1:]) ** 2).sum(axis=1)
    power[: (tokens - 1) // 2] *= 2  # frequency k stands for n − k too; n / 2 is its own mirror
    return np.asarray(power)


def gini(values: NDArray[np.float64]) -> float:
    """The Gini coefficient of values ≥ 0, not all zero: 0 where all are equal, 1 − 1/n where one has everything."""
    ordered = np.sort(values)
    ranks = np.arange(1, len(ordered) + 1)
    return float(2 * (ranks @ ordered) / (len(ordered) * ordered.sum()) - (len(ordered) + 1) / len(ordered))


class FourierGrowth:
    """The larger growth, over both orders, of the Gini coefficient of the embedding's Fourier power."""

    def __init__(self, embedding: str, orders: Mapping[str, NDArray[np.int64]]) -> None:
        self._embedding = embedding
        self._orders = orders

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        table = vantage.tensors()[self._embedding]
        powers = {f"fourier_growth_{name}": fourier_power(table[order]) for name, order in self._orders.items()}
        seen: dict[str, Number] = {name: gini(power) for name, power in powers.items() if power.sum() > 0}
        if not vantage.decay_time or vantage.decay_time < REFERENCE:
            return seen
        growths = [now / self._reference(vantage, name, now) for name, now in seen.items() if now]
        return {"fourier_growth": max(growths, default=None), **seen}

    def _reference(self, vantage: Vantage, name: str, now: float) -> float:
        """What was on record first from the reference on; what is seen now, where that is the first."""
        decay_time, recorded = joined_series(vantage, "decay_time", name)
        late = recorded[decay_time >= REFERENCE]
        return float(late[0]) if len(late) else now


def _open(parameters: object, subject: Subject) -> FourierGrowth:
    found = re.fullmatch(r"Z_(\d+)", str(subject.facts.get("group", "")))
    if found is None:
        raise ValueError("it needs a task whose tokens are residues, fact `group` = Z_n")
    modulus = int(found[1])
    if modulus < FEWEST_TOKENS:
        raise ValueError(f"it needs {FEWEST_TOKENS} tokens, not {modulus}")
    tables = [each.name for each in subject.layout or () if each.block == "embedding" and each.shape[0] == modulus]
    if not tables:
        raise ValueError(f"the model has no embedding of {modulus} tokens")
    return FourierGrowth(tables[0], token_orders(modulus))


SPEC = SignalSpec(
    name="fourier_growth",
    words="Fourier growth",
    summary="Gini coefficient of the Fourier power of the token embedding (power summed over width, one value a "
    "frequency) over its value at decay time 0.6; the larger of two orders of the tokens, additive and by powers of a "
    "generator.",
    source="structure: Nanda et al. 2023, arXiv 2301.05217; the Gini coefficient of it: ibid., appendix on sparsity",
    cost="free",
    open=_open,
    rules=(SignalRule("fourier-growth-1.15", "above", threshold=1.15, consecutive=2),),
    higher=True,
    default=True,
)
