"""The lead-time law as tables and sentences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grokscope.warning.fits import PowerLaw, Resampled
from grokscope.warning.law import Case, Counts, LeadTimeLaw, PublishedForm
from grokscope.warning.published import Stated
from grokscope.words.numbers import (
    count,
    counted,
    estimate,
    fixed,
    interval_form,
    listed,
    number,
    p_value,
    percent,
    whole_percent,
)
from grokscope.words.table import Column, Table, TableCell

MOST_NAMED = 4
"""Runs that are named before the others are counted"""
UNEXPECTED = ("late", "missed", "false alarm", "unfinished")
"""Outcomes whose runs are named"""

_EXPONENT = fixed(3)


@dataclass(frozen=True)
class Exponent:
    """One estimate of the exponent, or what a null gives for it."""

    words: str
    look: str
    """Its name in `report.style`"""
    value: float | None
    low: float | None
    high: float | None
    about: str = ""


def exponents(law: LeadTimeLaw) -> list[Exponent]:
    """Every estimate of the published form's exponent, then every null of it; none without a fit."""
    form = law.published
    return [] if form is None else [*_estimates(form), *_nulls(form, len(law.points))]


def exponents_table(law: LeadTimeLaw) -> Table:
    """The exponents of the published form with their nulls, and of the form that predicts."""
    rows = [(each.words, each.value, _interval(each.low, each.high), each.about) for each in exponents(law)]
    return Table(
        "law-exponents",
        "Exponents",
        (
            Column("estimate"),
            Column("exponent", _EXPONENT),
            Column("95 %", interval_form(_EXPONENT), parts=("95 % low", "95 % high")),
            Column("about"),
        ),
        (*rows, *_prediction_rows(law)),
    )


def laws_table(laws: Sequence[LeadTimeLaw]) -> Table:
    """A row a rule: which runs fired when, the fit, its nulls, and the form that predicts."""
    names = {law.rule: law.words for law in laws}
    triple = ("95 % low", "95 % high")
    return Table(
        "law",
        "Lead-time law of each rule",
        (
            Column("rule", lambda rule: names.get(rule) or rule),
            *(Column(name, count) for name in ("runs", *OUTCOME_COUNTS)),
            Column("exponent", estimate(_EXPONENT), parts=("exponent", *triple)),
            Column("R²", _EXPONENT),
            Column("onsets permuted", estimate(_EXPONENT), parts=("permuted mean", "permuted low", "permuted high")),
            Column("P(permuted ≥ fitted)", p_value),
            Column("one onset for all", _EXPONENT),
            Column("rho", fixed(2)),
            Column("p of rho", p_value),
            Column("held-out error", percent),
            Column("naive error", percent),
        ),
        tuple(map(_law_row, laws)),
        (
            "unfinished: not grokked, and not seen to the end of the budget.",
            "not recorded: runs without the rule's signal; they are in no other column.",
            "one onset for all: the exponent where every run has the median onset.",
            "rho: rank correlation of onset and grok step.",
            "held-out error: median of |predicted / true − 1| of the grok step predicted from onset, each configuration"
            " from the others. naive error: the same for the geometric mean of their grok steps.",
        ),
    )  # fmt: skip


OUTCOME_COUNTS = ("led", "late", "missed", "false alarms", "quiet", "unfinished", "not recorded")


def counts_in_words(counts: Counts) -> str:
    """How many runs came to what."""
    unrecorded = f"; {counts.not_recorded} more did not record its signal" if counts.not_recorded else ""
    return (
        f"{counted(counts.runs, 'run')}: {counts.led} led, {counts.late} late, {counts.missed} missed, "
        f"{counts.false_alarms} false alarms, {counts.quiet} quiet, {counts.unfinished} unfinished{unrecorded}"
    )


def unexpected_in_words(cases: Sequence[Case]) -> list[str]:
    """The names of the runs that did not lead, by outcome."""
    named = {outcome: [case.name for case in cases if case.outcome == outcome] for outcome in UNEXPECTED}
    return [f"{outcome}: {listed(names, MOST_NAMED)}" for outcome, names in named.items() if names]


def law_in_words(fit: PowerLaw | Stated) -> str:
    """The formula with its precision."""
    return (
        f"{number(fit.constant, 3)} · grok^{fit.exponent:.3f}: SE {fit.standard_error:.3f}, "
        f"R² {fit.r_squared:.3f}, n {fit.n}"
    )


def law_verdict(law: LeadTimeLaw) -> list[str]:
    """What the law is worth, a sentence each."""
    form, prediction = law.published, law.prediction
    sentences = []
    if form is not None and form.leave_one_out is not None:
        left = form.leave_one_out
        sentences.append(f"Without {law.points[left.without_low].name} the exponent is {_EXPONENT(left.low)}.")
    if form is not None and form.nulls.permuted is not None:
        chance = whole_percent(form.nulls.permuted.at_least_observed)
        sentences.append(f"Onsets permuted among the runs give an exponent as large or larger in {chance} of draws.")
    if prediction is not None and prediction.correlation is not None and prediction.p is not None:
        rho, runs = prediction.correlation.rho, prediction.correlation.n
        sentences.append(
            f"Onset and grok step correlate by rank with {rho:.2f} (permutation p {p_value(prediction.p)}, "
            f"{counted(runs, 'run')})."
        )
    if prediction is not None and prediction.error is not None:
        naive = prediction.naive_error
        beside = "" if naive is None else f"; without any signal by {whole_percent(naive)}"
        sentences.append(
            "In configurations that were left out, the grok step predicted from onset is off by "
            f"{whole_percent(prediction.error)}{beside}."
        )
    if form is not None:
        sentences.append("The fit and its nulls use only runs whose onset preceded grokking.")
    return sentences


def _estimates(form: PublishedForm) -> Iterator[Exponent]:
    fit = form.fit
    yield Exponent("least squares", "fit", fit.exponent, fit.low, fit.high, "of lead on grok step")
    if form.leave_one_out is not None:
        yield Exponent("leave one out", "fit", None, form.leave_one_out.low, form.leave_one_out.high)
    for words, drawn in (("bootstrap, runs", form.by_run), ("bootstrap, configurations", form.by_configuration)):
        if drawn is not None:
            yield Exponent(words, "fit", drawn.mean, drawn.low, drawn.high)
    if form.theil_sen is not None:
        yield Exponent("Theil–Sen", "theil-sen", form.theil_sen, None, None, "median of pairs")


def _nulls(form: PublishedForm, points: int) -> Iterator[Exponent]:
    nulls = form.nulls
    if nulls.permuted is not None:
        drawn, chance = nulls.permuted.exponents, nulls.permuted.at_least_observed
        about = f"P(≥ {_EXPONENT(form.fit.exponent)}) {p_value(chance)} of {count(drawn.draws)}"
        yield Exponent("null: onsets permuted", "permuted", drawn.mean, drawn.low, drawn.high, about)
    for each in nulls.constant:
        if each.fit is not None:
            words, about = f"null: {each.which} onset", f"{count(each.onset)} in all runs"
            yield Exponent(words, "constant", each.fit.exponent, each.fit.low, each.fit.high, about)
    if nulls.cadence_floor is not None:
        fit, about = nulls.cadence_floor, f"{nulls.at_floor} of {points} onsets stand there"
        yield Exponent("null: onset at 2 × cadence", "cadence", fit.exponent, fit.low, fit.high, about)


def _prediction_rows(law: LeadTimeLaw) -> Iterator[tuple[TableCell, ...]]:
    form = law.prediction
    if form is None:
        return
    about = f"R² {_EXPONENT(form.fit.r_squared)}, n {form.fit.n}"
    yield "grok step from onset", form.fit.exponent, _interval(form.fit.low, form.fit.high), about
    if form.censored is not None and form.censored.censored:
        low, high = (form.censored.exponent + sign * 1.96 * form.censored.standard_error for sign in (-1, 1))
        about = f"{form.censored.censored} of {form.censored.n} censored"
        yield "  maximum likelihood", form.censored.exponent, _interval(low, high), about


def _interval(low: float | None, high: float | None) -> TableCell:
    return None if low is None or high is None else (low, high)


def _triple(drawn: Resampled) -> TableCell:
    return drawn.mean, drawn.low, drawn.high


def _law_row(law: LeadTimeLaw) -> tuple[TableCell, ...]:
    tally, form, ahead = law.counts, law.published, law.prediction
    cells: list[TableCell] = [
        law.rule, tally.runs, tally.led, tally.late, tally.missed, tally.false_alarms, tally.quiet, tally.unfinished,
        tally.not_recorded,
    ]  # fmt: skip
    if form is None:
        cells += [None] * 5
    else:
        drawn = form.nulls.permuted
        constant = next((each.fit for each in form.nulls.constant if each.which == "median"), None)
        cells += [(form.fit.exponent, form.fit.low, form.fit.high), form.fit.r_squared]
        cells += [None, None] if drawn is None else [_triple(drawn.exponents), drawn.at_least_observed]
        cells.append(None if constant is None else constant.exponent)
    if ahead is None:
        return (*cells, None, None, None, None)
    rho = None if ahead.correlation is None else ahead.correlation.rho
    return (*cells, rho, ahead.p, ahead.error, ahead.naive_error)
