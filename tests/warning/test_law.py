"""The lead-time law: the published fits from the published tables, and the nulls on data whose answer is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from warning_made import jump, made

from grokscope.warning.law import Case, LeadTimeLaw, grouped, held_out_error, law_of, lead_time_law, split_treated
from grokscope.warning.nulls import permuted, permuted_correlation
from grokscope.warning.published import PublishedTable, published
from grokscope.warning.trajectory import Trajectory


@pytest.fixture(scope="module")
def fits() -> dict[str, tuple[PublishedTable, LeadTimeLaw]]:
    return {table.task: (table, law_of(table.cases, "onset-paper")) for table in published()}


def case(name: str, onset: int | None, grok: int | None, steps: int = 10_000, configuration: str = "") -> Case:
    return Case(name, configuration or name, onset, onset, grok, steps, 10_000, 100)


@pytest.mark.parametrize(
    ("task", "constant", "exponent", "error", "r_squared", "n", "interval"),
    [("scan", 0.149, 1.180, 0.040, 0.990, 11, (1.09, 1.27)), ("dyck", 0.239, 1.132, 0.100, 0.908, 15, (0.92, 1.35))],
)
def test_the_published_fits_come_out_of_the_published_tables(
    fits: dict[str, tuple[PublishedTable, LeadTimeLaw]],
    task: str,
    constant: float,
    exponent: float,
    error: float,
    r_squared: float,
    n: int,
    interval: tuple[float, float],
) -> None:
    table, found = fits[task]
    assert found.published is not None
    fit = found.published.fit
    assert round(fit.constant, 3) == constant == table.stated.constant
    assert round(fit.exponent, 3) == exponent == table.stated.exponent
    assert round(fit.standard_error, 2) == round(error, 2)
    assert round(fit.r_squared, 3) == r_squared == table.stated.r_squared
    assert fit.n == n
    assert (round(fit.low, 2), round(fit.high, 2)) == interval
    assert fit.p < 1e-6


def test_the_paper_counts_one_dyck_run_less_than_it_fits(fits: dict[str, tuple[PublishedTable, LeadTimeLaw]]) -> None:
    table, found = fits["dyck"]
    assert (table.stated.n, len(found.points)) == (14, 15)
    assert "n = 14" in table.remark


def test_one_row_carries_the_dyck_exponent_above_one(fits: dict[str, tuple[PublishedTable, LeadTimeLaw]]) -> None:
    _, found = fits["dyck"]
    assert found.published is not None
    left = found.published.leave_one_out
    assert left is not None
    assert (round(left.low, 3), round(left.high, 3)) == (0.967, 1.173)
    assert found.points[left.without_low].name == "lr 3e-3, seed 2024"


def test_runs_without_onset_or_grokking_are_counted(fits: dict[str, tuple[PublishedTable, LeadTimeLaw]]) -> None:
    scan, dyck = fits["scan"][1].counts, fits["dyck"][1].counts
    assert (scan.runs, scan.led, scan.missed, scan.quiet) == (13, 11, 1, 1)
    assert (dyck.runs, dyck.led, dyck.missed, dyck.quiet) == (16, 15, 0, 1)


@pytest.mark.parametrize(
    ("task", "mean", "low", "high", "chance"),
    [("scan", 1.26, 1.08, 1.52, 0.67), ("dyck", 1.11, 1.01, 1.26, 0.31)],
)
def test_permuted_onsets_give_the_published_exponents(
    fits: dict[str, tuple[PublishedTable, LeadTimeLaw]], task: str, mean: float, low: float, high: float, chance: float
) -> None:
    """Within the error of 10,000 draws; two independent implementations gave these numbers."""
    form = fits[task][1].published
    assert form is not None
    null = form.nulls.permuted
    assert null is not None
    assert null.exponents.draws == 10_000
    assert null.exponents.mean == pytest.approx(mean, abs=0.006)
    assert (null.exponents.low, null.exponents.high) == pytest.approx((low, high), abs=0.02)
    assert null.at_least_observed == pytest.approx(chance, abs=0.02)


def test_no_p_is_smaller_than_its_draws_can_show() -> None:
    """Of 99 draws none reaches the observed value, which counts as one more: p is a hundredth, never 0."""
    grok = np.arange(1000.0, 2200.0, 100.0)
    found = permuted(grok, grok / 5, observed=math.inf, draws=99)
    assert found is not None
    assert found.at_least_observed == pytest.approx(1 / 100)
    assert permuted_correlation(grok / 5, grok, draws=99) == pytest.approx(1 / 100)


def test_constant_onsets_give_the_published_exponents(fits: dict[str, tuple[PublishedTable, LeadTimeLaw]]) -> None:
    form = fits["scan"][1].published
    assert form is not None
    assert [(null.onset, null.fit and round(null.fit.exponent, 2)) for null in form.nulls.constant] == [
        (700, 1.13), (1500, 1.47),
    ]  # fmt: skip
    assert all(null.fit is not None and null.fit.r_squared > 0.93 for null in form.nulls.constant)


def test_onsets_stand_on_the_floor_of_their_cadence(fits: dict[str, tuple[PublishedTable, LeadTimeLaw]]) -> None:
    scan, dyck = (fits[task][1].published for task in ("scan", "dyck"))
    assert scan is not None
    assert dyck is not None
    assert dyck.nulls.at_floor == 6
    assert scan.nulls.at_floor is not None
    assert scan.nulls.at_floor >= 3
    assert dyck.nulls.cadence_floor is not None
    assert dyck.nulls.cadence_floor.exponent == pytest.approx(1.026, abs=1e-3)


def test_outcomes() -> None:
    found = law_of(
        [
            case("led", 100, 1000), case("late", 1000, 1000), case("missed", None, 1000),
            case("false", 100, None), case("quiet", None, None), case("cut", None, None, steps=500),
            case("cut after firing", 100, None, steps=500), replace(case("blind", None, 1000), recorded=False),
        ],
        "onset",
    )  # fmt: skip
    assert [each.outcome for each in found.cases] == [
        "led", "late", "missed", "false alarm", "quiet", "unfinished", "unfinished", "not recorded",
    ]  # fmt: skip
    counts = found.counts
    assert (counts.led, counts.late, counts.missed, counts.false_alarms, counts.quiet) == (1, 1, 1, 1, 1)
    assert (counts.runs, counts.unfinished, counts.not_recorded) == (7, 2, 1)
    assert [each.name for each in found.points] == ["led"]
    assert found.published is None
    assert found.prediction is None
    json.dumps(found.to_json(), allow_nan=False)


def test_no_runs_at_all() -> None:
    assert law_of([], "onset").counts.runs == 0


def test_an_onset_that_tells_when_is_found_to_tell() -> None:
    """Onset at a fifth of the way: exponent 1, less than permuted onsets give, but the correlation is certain."""
    grok = [int(500 * 1.3**index) for index in range(12)]
    found = law_of([case(str(step), step // 5, step) for step in grok], "onset")
    assert found.published is not None
    assert found.prediction is not None
    assert found.published.fit.exponent == pytest.approx(1.0, abs=1e-3)
    assert found.prediction.fit.exponent == pytest.approx(1.0, abs=1e-2)
    assert found.prediction.error is not None
    assert found.prediction.error < 0.01
    assert found.prediction.correlation is not None
    assert found.prediction.correlation.rho == pytest.approx(1.0)
    assert found.prediction.p is not None
    assert found.prediction.p < 0.001
    null = found.published.nulls.permuted
    assert null is not None
    assert null.at_least_observed > 0.5


def test_onsets_that_know_nothing_are_found_to_know_nothing() -> None:
    """Over 40 sets of runs with independent onsets, the p-values are spread evenly over [0, 1]."""
    random = np.random.default_rng(0)
    chances, correlations = [], []
    for index in range(40):
        grok = np.exp(random.uniform(7, 10, 12))
        onset = np.exp(random.uniform(4, 6, 12))
        lead = np.log(grok - onset)
        slope = np.polyfit(np.log(grok), lead, 1)[0]
        null = permuted(grok, onset, float(slope), draws=400, seed=index)
        assert null is not None
        chances.append(null.at_least_observed)
        p = permuted_correlation(onset, grok, draws=400, seed=index)
        assert p is not None
        correlations.append(p)
    for found in (chances, correlations):
        assert 0.35 < np.mean(found) < 0.65
        assert sum(p < 0.05 for p in found) <= 6


def test_false_alarms_pull_the_censored_law() -> None:
    """Runs that fired early and had not grokked by 10,000 steps say that early firing means little."""
    seen = [case(str(step), step // 4, step) for step in (800, 1600, 2400, 4000)]
    alarms = [case(f"never {index}", 150, None) for index in range(4)]
    noisy = [case("odd", 300, 2000), case("even", 600, 1800)]
    without, found = law_of([*seen, *noisy], "onset").prediction, law_of([*seen, *noisy, *alarms], "onset").prediction
    assert without is not None
    assert found is not None
    assert found.fit == without.fit
    assert found.censored is not None
    assert without.censored is not None
    assert found.censored.censored == 4
    assert found.censored.exponent < without.censored.exponent


def test_an_onset_at_step_0_has_no_logarithm() -> None:
    cases = [case(str(step), step // 5, step) for step in (500, 1000, 2000)]
    found = law_of([*cases, case("at once", 0, 700), case("begun", 100, 0)], "onset")
    assert found.prediction is not None
    assert found.prediction.fit.n == 3
    assert found.published is not None
    assert found.published.fit.n == 4


def test_held_out_configurations_are_not_looked_at() -> None:
    """Two runs of one configuration share a deviation that nobody outside it knows."""
    x = np.array([100.0, 200, 400, 800, 800])
    grok = np.array([1000.0, 2000, 4000, 80_000, 80_000])
    apart = held_out_error(x[3:], grok[3:], ["d", "d"])
    assert apart is None
    error = held_out_error(x, grok, ["a", "b", "c", "d", "d"])
    alone = [abs(10 * 800 / 80_000 - 1)] * 2
    assert error is not None
    assert error >= alone[0] - 1e-9
    assert held_out_error(None, grok[:1], ["a"]) is None


def test_nothing_is_random_but_the_seed(fits: dict[str, tuple[PublishedTable, LeadTimeLaw]]) -> None:
    table, found = fits["dyck"]
    assert law_of(table.cases, "onset-paper").to_json() == found.to_json()


def run(name: str, grok: int, onset: int, **facts: float | str) -> Trajectory:
    return made(name, grok_step=grok, facts=facts, train_accuracy=jump(onset), test_accuracy=jump(grok))


def test_the_law_of_trajectories_is_that_of_their_detections() -> None:
    runs = [run(str(grok), grok, onset) for grok, onset in [(400, 100), (600, 200), (1000, 300), (800, 900)]]
    found = lead_time_law(runs, "memorized")
    assert [(each.onset_step, each.grok_step, each.outcome) for each in found.cases] == [
        (100, 400, "led"), (200, 600, "led"), (300, 1000, "led"), (900, 800, "late"),
    ]  # fmt: skip
    assert {each.cadence for each in found.cases} == {100}
    assert found.published is not None
    assert found.published.fit.exponent == pytest.approx(
        np.polyfit(np.log([400, 600, 1000]), np.log([300, 400, 700]), 1)[0]
    )
    blind = lead_time_law(runs, "onset").counts
    assert (blind.runs, blind.missed, blind.not_recorded) == (0, 0, 4)
    with pytest.raises(ValueError, match="there is no rule 'oracle'; there are: memorized"):
        lead_time_law(runs, "oracle")


def test_groups_by_a_setting() -> None:
    runs = [run("a", 400, 100, **{"task.operation": "sub"}), run("b", 400, 100, **{"task.operation": "add"})]
    groups = grouped([*runs, run("c", 400, 100)], "task.operation")
    assert {value: [each.name for each in group] for value, group in groups.items()} == {
        "-": ["c"], "add": ["b"], "sub": ["a"],
    }  # fmt: skip
    assert list(grouped(runs, "task")) == ["made"]


@pytest.mark.parametrize("fact", ["interventions.schedule", "interventions.first"])
def test_runs_that_were_intervened_in_are_told_apart(fact: str) -> None:
    alone, treated = run("a", 400, 100), run("b", 400, 100, **{fact: 200})
    assert split_treated([treated, alone]) == ([alone], [treated])


def test_published_tables_name_their_source() -> None:
    for table in published():
        assert "arXiv 2602.16967" in table.source
        assert all(each.cadence and each.steps == each.budget for each in table.cases)
        assert all(math.isfinite(value) for value in (table.stated.constant, table.stated.exponent))
