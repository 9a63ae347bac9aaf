"""A bank made into a forecaster of three questions: will the run generalize, will it reach the criterion, and when.

Each question has its own best answer, and each is refused by name where the bank has not earned one. Two free numbers
carry the answers: the elasticity of the test loss and the training loss, compared with other runs at equal decay time.
The growth of Fourier structure in the embedding, where a task has it, speaks before them, then beside them, and alone
where the lr is new.
`examples/bank/README.md` says on which runs these were found, and on which the constants below were chosen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.answers import Chance, Law, Projection, When, nothing
from grokscope.warning.forecast.asked import RunSoFar, settled_before_looking
from grokscope.warning.forecast.comparable import comparable_runs, named_in_words, unfamiliar
from grokscope.warning.forecast.evidence import BOTH, LOSSES, STRUCTURE, WHEN_NUMBERS, Evidence
from grokscope.warning.forecast.familiar import far_outside
from grokscope.warning.forecast.intervals import fewest_configurations, interval, share_until, upper, votes
from grokscope.warning.forecast.peers import FEWEST_GROUPS, Mask, Peers, peers_of
from grokscope.warning.forecast.reading import READ, DecayClock, Reading
from grokscope.warning.forecast.refusals import NoAnswer, Refusal
from grokscope.warning.forecast.regression import Fits, linear_fits, logistic_fits
from grokscope.warning.predictors import LR, WD
from grokscope.warning.trajectory import Trajectory
from grokscope.words.numbers import count, percent

EARLIEST = 0.4
"""Part of the usual κ of its size before which elasticity and training loss say nothing of whether a run groks"""
EARLIEST_STRUCTURE = 0.3
"""The same of Fourier structure: AUROC 0.99 there on 38 runs of two operations"""
EARNED = 0.9
"""A probability is given where its Brier score on configurations left out is at most this part of the base rate's"""
LIKELY = 0.5
"""Below this probability of reaching the criterion no grok step is given"""
FEWEST_OUTCOMES = 5
"""Runs that do, and runs that do not, each, for a probability"""
FEWEST_GROKKED = 3
"""Runs that grok, for the clock"""
FEWEST_A_COEFFICIENT = 5
"""Runs that grok, for a regression. With fewer it was worse than the clock where the training fraction was left out"""
CLOCK_FACTS = frozenset({LR, WD})
"""Outside of what the bank has in these, lr · wd alone still speaks"""
LR_FACTOR = 4.0
"""Outside by no more than this in lr, structure speaks too. Not so in wd: at three times the weight decay of the bank
structure grows, and most runs never memorize"""
FORGOTTEN = 0.9
"""Below this training accuracy a run has lost what it memorized: at lr 1e-2 some do, again and again, and what they
come to is no matter of decay time. In the shipped tables no run of modular arithmetic fell below 0.91. On Dyck one fell
to 0.52, so that hardly any run is refused for it there"""
BEYOND = 0.5
"""A run may lie outside of the bank's range of a number by this part of it"""


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Calibrated. It may be asked about any run at any step; nothing in it changes."""

    peers: Peers
    left_out: int = 0
    """Runs left out because they are of the configuration that is asked about"""

    @property
    def runs(self) -> int:
        """Usable runs of the bank."""
        return len(self.peers)

    @property
    def grokked(self) -> int:
        """How many of them grokked."""
        return int(np.isfinite(self.peers.kappa).sum())

    def forecast(self, trajectory: Trajectory) -> Projection:
        """Of a recorded run, from all its rows; cut it with `until` first to ask about an earlier step."""
        return self.project(RunSoFar.of(trajectory))

    def project(self, asked: RunSoFar) -> Projection:
        """Of a run that has come so far."""
        settled = settled_before_looking(asked)
        if settled is not None:
            return settled
        assert isinstance(asked.clock, DecayClock)
        step, tau = asked.reading.step, asked.clock.tau(asked.reading.step)
        peers = comparable_runs(self.peers, asked.facts)
        if isinstance(peers, NoAnswer):
            return nothing(step, tau, peers)
        strange = unfamiliar(peers, asked.facts)
        if strange.keys() - CLOCK_FACTS:
            return nothing(step, tau, NoAnswer(Refusal.OUTSIDE_BANK, named_in_words(strange.values())))
        if asked.trough < FORGOTTEN and not (peers.trough <= asked.trough).any():
            forgotten = (
                f"training accuracy fell to {percent(asked.trough)} after memorization, lower than in any run there"
            )
            return nothing(step, tau, NoAnswer(Refusal.OUTSIDE_BANK, forgotten))
        far = any(key != LR or far_outside(peers.known, asked.facts, key, LR_FACTOR) for key in strange)
        moment = _Moment(peers, tau, asked, named_in_words(strange.values()), far)
        generalizes, reaches = _consistent(moment.generalizes(), moment.reaches())
        first = None if strange or moment.evidence else moment.first_step
        return Projection(step, tau, generalizes, reaches, moment.when(reaches), first, moment.rivals())


@dataclass(frozen=True, eq=False)
class _Moment:
    """The bank and a run at one decay time."""

    peers: Peers
    tau: float
    asked: RunSoFar
    strange: str
    """A learning rate or weight decay outside of the bank, in words; elasticity and training loss change with them"""
    far: bool
    """Whether it is so far outside that structure says nothing either"""

    @cached_property
    def _read(self) -> Floats:
        """What the bank's runs had come to, [n, 4]."""
        return self.peers.at(self.tau)

    @property
    def _structure_speaks(self) -> bool:
        return self._has_structure and not self.far and not self._before(EARLIEST_STRUCTURE)

    @property
    def _losses_speak(self) -> bool:
        return not self.strange and not self._before(EARLIEST)

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        """What whether can be told by at this moment, the best first; empty where nothing speaks yet."""
        if self._structure_speaks:
            return (BOTH, LOSSES) if self._losses_speak else (STRUCTURE,)
        return (LOSSES,) if self._losses_speak else ()

    @property
    def first_step(self) -> int | None:
        """From which on something can be known of whether; None where no run of the bank grokked.

        Where structure is on record of no run yet, it may still come to be on record of this one.
        """
        usual = self.peers.usual_kappa
        begun = np.isfinite(self._read[:, READ.index("fourier_growth")]).any()
        part = EARLIEST_STRUCTURE if self._has_structure or (self._bank_has_structure and not begun) else EARLIEST
        return None if math.isnan(usual) else self._clock.step(part * usual)

    @property
    def _has_structure(self) -> bool:
        """Whether the run and the bank recorded Fourier structure."""
        return not math.isnan(self.asked.reading.fourier_growth) and self._bank_has_structure

    @property
    def _bank_has_structure(self) -> bool:
        return sum(run.has("fourier_growth") for run in self.peers.runs) >= 2 * FEWEST_OUTCOMES

    def _before(self, part: float) -> bool:
        usual = self.peers.usual_kappa
        return not math.isnan(usual) and self.asked.reading.step < self._clock.step(part * usual)

    # --- whether ---

    def generalizes(self) -> Chance:
        if self.asked.passed:
            return Chance(1.0)
        if len(self.peers) and self.peers.easy.mean() > 0.5:
            return Chance(refused=NoAnswer(Refusal.MEMORIZED_ENOUGH))
        if not len(self.peers) or np.isnan(self.peers.passed).all():
            return Chance(refused=NoAnswer(Refusal.NO_CHANCE))
        return self._chance(self.peers.passed)

    def reaches(self) -> Chance:
        found = self._chance(self.peers.kappa)
        horizon, budget = float(np.median(self.peers.horizon)), self._clock.tau(self.asked.budget)
        if found.probability is None or budget >= horizon:
            return found
        dated = self._dated_by
        return found if dated is None else replace(found, probability=found.probability * dated.share(budget, horizon))

    def _chance(self, outcome: Floats) -> Chance:
        """`outcome` [n]: τ at which it came; infinite where it never did, NaN where nobody knows."""
        waiting = outcome > self.tau
        base = float(np.isfinite(outcome[waiting]).mean()) if waiting.any() else None
        why = self._silent()
        for evidence in self.evidence:
            found = self._told_by(evidence, waiting, outcome)
            if isinstance(found, float):
                return Chance(found, None, base, evidence.basis)
            why = found
        return Chance(None, why, base)

    def _told_by(self, evidence: Evidence, waiting: Mask, outcome: Floats) -> float | NoAnswer:
        """A probability by one kind of evidence, or why there is none."""
        numbers = evidence.numbers(self._read)
        known = waiting & np.isfinite(numbers).all(axis=1)
        came, x, groups = np.isfinite(outcome[known]), numbers[known], self.peers.configuration[known]
        few = min(int(came.sum()), int((~came).sum()))
        if few < FEWEST_OUTCOMES or len(np.unique(groups)) < FEWEST_GROUPS:
            detail = f"{int(came.sum())} of {len(came)} did, and a probability takes {FEWEST_OUTCOMES} of each kind"
            return NoAnswer(Refusal.SMALL_BANK, detail)
        own = evidence.numbers(self.asked.reading.numbers[None])[0]
        if not np.isfinite(own).all():
            return _missing(self.asked.reading)
        if _beyond(own, x):
            return NoAnswer(Refusal.OUTSIDE_BANK, "it behaves unlike every run there")
        fits = logistic_fits(x, came.astype(float), groups)
        if not _earned(fits, x, came, groups):
            return NoAnswer(Refusal.NOT_EARNED)
        least = 1 / (len(np.unique(groups)) + 2)
        return float(np.clip(_expit(fits.at(own)), least, 1 - least))

    def _silent(self) -> NoAnswer:
        """Why nothing speaks."""
        if self.strange:
            return NoAnswer(Refusal.OUTSIDE_BANK, self.strange)
        step = self.first_step or 0
        past = ", which is past the budget" if step >= self.asked.budget else ""
        return NoAnswer(Refusal.NOT_YET, f"not before step {count(step)}{past}")

    # --- when ---

    def when(self, reaches: Chance) -> When:
        if reaches.probability is not None and reaches.probability < LIKELY:
            return When(refused=NoAnswer(Refusal.UNLIKELY))
        dated = self._dated_by
        if dated is None:
            grokked = int(np.isfinite(self.peers.kappa).sum())
            return When(refused=NoAnswer(Refusal.SMALL_BANK, f"{grokked} grokked, and a date takes {FEWEST_GROKKED}"))
        return self._said(dated)

    def rivals(self) -> dict[str, When]:
        """Grok steps by what is free."""
        return {} if self._free is None else {Law.CLOCK.value: self._said(self._free)}

    def _said(self, dated: "_Dated") -> When:
        now = self.asked.reading.step
        grok = max(math.exp(dated.said) / self._clock.rate, now)
        configurations = len(np.unique(dated.groups))
        if self.strange:
            return When(grok, no_interval=f"no run of the bank had {self.strange}", law=dated.law)
        if configurations < fewest_configurations():
            few = f"{configurations} of {fewest_configurations()} configurations that grokked"
            return When(grok, no_interval=f"too few runs in the bank: {few}", law=dated.law)
        low, high = (math.exp(end) / self._clock.rate for end in dated.ends())
        return When(grok, min(max(low, now), grok), max(high, grok), law=dated.law)

    @cached_property
    def _dated_by(self) -> "_Dated | None":
        """The first law that speaks and was nearer than what is free, on configurations left out; else what is free."""
        laws = [Law.STRUCTURE] * self._structure_speaks + [Law.ELASTICITY] * self._losses_speak
        free = self._dated(Law.STEPS) if self.peers.in_steps else self._free
        if free is None:
            return None
        dated = (each for law in laws if (each := self._dated(law)) is not None)
        return next((each for each in dated if each.is_nearer_than(free)), free)

    @cached_property
    def _free(self) -> "_Dated | None":
        return self._dated(Law.CLOCK)

    def _dated(self, law: Law) -> "_Dated | None":
        """A law fitted to the runs that grok and had not by now; None where they are too few or the run lacks it.

        The law of structure is fitted at the latest decay time so far at which they were enough. That of elasticity is
        not: on Dyck-1 it then dated runs worse than lr · wd alone (40 % beside 36 % at 0.8 of the usual κ).
        """
        width = WHEN_NUMBERS[law](self._read).shape[1]
        fewest = FEWEST_A_COEFFICIENT * (1 + width) if width else FEWEST_GROKKED
        tau = self._latest_with(fewest) if law is Law.STRUCTURE else self.tau
        numbers, own = (WHEN_NUMBERS[law](read) for read in self._read_at(tau))
        rows = np.isfinite(self.peers.kappa) & (self.peers.kappa > tau) & np.isfinite(numbers).all(axis=1)
        groups = self.peers.configuration[rows]
        few = rows.sum() < fewest or (width and len(np.unique(groups)) < FEWEST_GROUPS)
        if few or not np.isfinite(own).all() or (width and _beyond(own[0], numbers[rows])):
            return None
        true = np.log(self.peers.kappa[rows])
        if law is Law.STEPS:
            true = true - np.log(self.peers.rates[rows] / self._clock.rate)
        fits = linear_fits(numbers[rows], true, groups)
        signed = true - fits.left_out(numbers[rows])
        dated = _Dated(law, fits.at(own[0]), fits.by_fold(own[0]), signed, groups, np.flatnonzero(rows))
        return dated if tau == self.tau else dated.after(math.log(self.tau))

    def _latest_with(self, fewest: int) -> float:
        """The latest τ so far at which `fewest` of the runs that grok had not yet."""
        ends = np.sort(self.peers.kappa[np.isfinite(self.peers.kappa)])
        return self.tau if len(ends) < fewest else min(self.tau, float(np.nextafter(ends[-fewest], 0)))

    def _read_at(self, tau: float) -> tuple[Floats, Floats]:
        """What the bank's runs had come to at `tau`, and what the run had, [n, 4] and [1, 4]."""
        if tau == self.tau:
            return self._read, self.asked.reading.numbers[None]
        return self.peers.at(tau), self.asked.numbers_at(tau)[None]

    @property
    def _clock(self) -> DecayClock:
        assert isinstance(self.asked.clock, DecayClock)
        return self.asked.clock


@dataclass(frozen=True, eq=False)
class _Dated:
    """A law's answer: log κ, and what the same law said of configurations that it had not seen."""

    law: Law
    said: float
    by_fold: Floats
    """Of the run, by the fit without each row's configuration [n]"""
    signed: Floats
    """log true − log said of each row, by the fit without its configuration [n]"""
    groups: NDArray[np.int64]
    """Configurations [n]"""
    rows: NDArray[np.int64]
    """Which runs of the bank these are [n]"""

    def after(self, now: float) -> "_Dated | None":
        """Knowing that the run has not grokked by `now`, a logarithm of τ; None where every vote is for earlier."""
        votes_for = self.by_fold + self.signed
        left = votes_for > now
        if not left.any():
            return None
        weights = votes(self.groups[left])
        said = upper(votes_for[left], weights / weights.sum(), 0.5)
        return _Dated(self.law, said, self.by_fold[left], self.signed[left], self.groups[left], self.rows[left])

    def is_nearer_than(self, other: "_Dated") -> bool:
        """Whether it was nearer on configurations left out, over the runs that both were asked about."""
        both = np.intersect1d(self.rows, other.rows)
        return len(both) > 0 and self._error_on(both) < other._error_on(both)

    def _error_on(self, rows: NDArray[np.int64]) -> float:
        """Mean |log| over `rows`, every configuration counting the same."""
        kept = np.isin(self.rows, rows)
        return float(np.average(np.abs(self.signed[kept]), weights=votes(self.groups[kept])))

    def ends(self) -> tuple[float, float]:
        """Of the interval, as logarithms of κ."""
        return interval(self.by_fold, np.abs(self.signed), votes(self.groups))

    def share(self, budget: float, horizon: float) -> float:
        """Of the chance to grok by `horizon`, the part that is left by `budget`, both τ."""
        weights = votes(self.groups)
        until = [share_until(math.log(limit), self.by_fold, self.signed, weights) for limit in (budget, horizon)]
        return min(1.0, until[0] / until[1])


def calibrate(trajectories: Sequence[Trajectory]) -> Forecaster:
    """A forecaster from the runs of a bank. Raises `ValueError` where none of them is of use."""
    peers = peers_of(trajectories)
    if not len(peers):
        raise ValueError("no run has weight decay, and has grokked or used up its budget untreated")
    return Forecaster(peers)


def _consistent(generalizes: Chance, reaches: Chance) -> tuple[Chance, Chance]:
    """What reaches the criterion generalizes: the two are fitted apart, and the first is at least as likely."""
    one, other = generalizes.probability, reaches.probability
    if one is None or other is None or one >= other:
        return generalizes, reaches
    return replace(generalizes, probability=other), reaches


def _earned(fits: Fits, x: Floats, came: Mask, groups: NDArray[np.int64]) -> bool:
    """Whether configurations left out are told better than by the base rate of the others."""
    said = _expit(fits.left_out(x))
    base = _expit(logistic_fits(x[:, :0], came.astype(float), groups).left_out(x[:, :0]))
    return bool(((said - came) ** 2).mean() <= EARNED * ((base - came) ** 2).mean())


def _beyond(own: Floats, x: Floats) -> bool:
    low, high = x.min(axis=0), x.max(axis=0)
    room = BEYOND * (high - low)
    return bool(((own < low - room) | (own > high + room)).any())


def _missing(reading: Reading) -> NoAnswer:
    if math.isnan(reading.train_loss):
        return NoAnswer(Refusal.NO_SIGNAL, "the training loss is not on record")
    if math.isnan(reading.elasticity):
        return NoAnswer(Refusal.NO_SIGNAL, "elasticity takes three evaluations during which the weights shrink")
    return NoAnswer(Refusal.NO_SIGNAL, "the training loss is zero")


def _expit(value: Floats | float) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.asarray(value))))
