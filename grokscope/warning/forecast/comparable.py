"""Which runs of a bank a run may be compared with: those of its size, if nothing else of it is outside of the bank."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from grokscope.warning.forecast.familiar import fact_in_words, is_complete, outside
from grokscope.warning.forecast.peers import SIZE_FACTS, Peers, comparable_size, log_ratio
from grokscope.warning.forecast.refusals import NoAnswer, Refusal
from grokscope.warning.predictors import WD
from grokscope.warning.trajectory import Fact

DECAY_FACTOR = 2.0
"""Weight decays are comparable up to this factor: at equal lr · wd, runs with 3 hardly ever memorize, and runs with 0.3
grok a fifth sooner than those with 1"""
NAMED = 3
"""Unfamiliar settings that a refusal names; the others are counted"""


def comparable_runs(peers: Peers, facts: Mapping[str, Fact]) -> Peers | NoAnswer:
    """The runs of the bank of about this size, and where lr · wd tells when they grok, of about this weight decay."""
    found = _of_its_size(peers, facts)
    return found if isinstance(found, NoAnswer) or found.in_steps else _of_its_decay(found, facts)


def _of_its_size(peers: Peers, facts: Mapping[str, Fact]) -> Peers | NoAnswer:
    """κ of another size is never guessed."""
    keys = sorted({key for key in (*peers.known, *facts) if key.startswith(SIZE_FACTS)})
    unknown = [key for key in keys if key not in facts and not is_complete(facts)]
    asked = [key for key in keys if key not in unknown]
    near = np.array([all(_near(run.facts, facts, key) for key in asked) for run in peers.runs], dtype=bool)
    if not near.any():
        far = [key for key in asked if not any(_near(run.facts, facts, key) for run in peers.runs)]
        named = [fact_in_words(key, _size(facts, key), peers.known) for key in far]
        return NoAnswer(Refusal.OUTSIDE_BANK, named_in_words(named) or "it has no run of this size")
    found = peers if near.all() else peers.where(near)
    sizes: dict[tuple[Fact | None, ...], list[float]] = {}
    for run, kappa in zip(found.runs, found.kappa, strict=True):
        if np.isfinite(kappa):
            sizes.setdefault(tuple(run.facts.get(key) for key in unknown), []).append(float(kappa))
    usual = [float(np.median(each)) for each in sizes.values()]
    if usual and not comparable_size(max(usual), min(usual)):
        return NoAnswer(Refusal.OUTSIDE_BANK, f"{', '.join(unknown)} is not on record, and the bank has several sizes")
    return found


def unfamiliar(peers: Peers, facts: Mapping[str, Fact]) -> dict[str, str]:
    """Settings outside of what the runs had, in words. Sizes are looked at elsewhere, and a new operation is welcome:
    a backtest by operation tries it."""
    found = outside(peers.known, facts, complete=any(is_complete(run.facts) for run in peers.runs))
    return {
        key: fact_in_words(key, value, peers.known)
        for key, value in found.items()
        if not key.startswith(SIZE_FACTS) and not (key.startswith("task.") and isinstance(value, str))
    }


def _of_its_decay(peers: Peers, facts: Mapping[str, Fact]) -> Peers:
    """Where none is near, those of the nearest above and below; all runs where the run's own is unknown."""
    signed = np.array([log_ratio(run.facts.get(WD), facts.get(WD)) for run in peers.runs])
    near = np.abs(signed) <= math.log(DECAY_FACTOR) * (1 + 1e-9)
    if not near.any():
        near = (signed == signed[signed < 0].max(initial=-math.inf)) | (
            signed == signed[signed > 0].min(initial=math.inf)
        )
    near |= np.isnan(signed)
    return peers if near.all() else peers.where(near)


def _near(one: Mapping[str, Fact], other: Mapping[str, Fact], key: str) -> bool:
    """Whether two runs may be of one size; what a foreign run does not state may be anything."""
    unknown = any(key not in facts and not is_complete(facts) for facts in (one, other))
    return unknown or comparable_size(_size(one, key), _size(other, key))


def _size(facts: Mapping[str, Fact], key: str) -> Fact | None:
    """A size as it was set, or where it is unset, as the task has it."""
    return facts.get(key, facts.get(f"data.{key}"))


def named_in_words(settings: Iterable[str]) -> str:
    """The first few, and how many more."""
    words = list(settings)
    more = [f"{len(words) - NAMED} more"] if len(words) > NAMED else []
    return ", ".join([*words[:NAMED], *more])
