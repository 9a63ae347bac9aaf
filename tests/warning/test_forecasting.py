"""What a forecast may know, when it must be silent, and whether it says live what it says of a record."""

import gzip
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecast_made import BUDGET, EVERY, HOPELESS, LRS, OPERATIONS, bank, made, noise
from hypothesis import given
from hypothesis import strategies as st

from grokscope.events import (
    Evaluated,
    Event,
    Forecast,
    Grokked,
    Intervened,
    Measured,
    Observed,
    Rule,
    Scores,
    Spread,
    to_line,
)
from grokscope.registry import get
from grokscope.runs.log import decode
from grokscope.settings.config import resolve
from grokscope.warning.configuration import configuration_of
from grokscope.warning.forecast.bank import build_bank, forecaster_for, projection_of, shipped_banks
from grokscope.warning.forecast.forecaster import (
    ALREADY,
    SILENT,
    TOO_EARLY,
    TREATED,
    UNCONTROLLED,
    UNJUDGED,
    UNLIKE,
    UNLIKELY,
    USED_UP,
    Forecaster,
    calibrate,
)
from grokscope.warning.forecast.intervals import FORECAST_LEVEL, fewest_configurations, interval, votes
from grokscope.warning.forecast.live import LiveForecast
from grokscope.warning.forecast.progress import progress_of
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.tables import write_table
from grokscope.warning.trajectory import TREATED_FROM, Trajectory, trajectory_from


def seconds_of(work: Callable[[], object]) -> float:
    """Of this process's own time."""
    before = time.process_time()
    work()
    return time.process_time() - before


def read_lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


@cache
def forecaster() -> Forecaster:
    return calibrate(bank())


def unseen(**options: Any) -> Trajectory:
    return made("unseen", 77, **options)


def grok_step(trajectory: Trajectory) -> int:
    assert trajectory.grok_step is not None
    return trajectory.grok_step


class TestWhatItSays:
    @pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
    def test_is_near_and_covers(self, part: float) -> None:
        runs = [made(str(seed), seed, lr=lr, operation="sub") for seed in range(50, 60) for lr in LRS]
        said = [forecaster().forecast(run.until(int(part * grok_step(run)))) for run in runs]
        assert all(each.grok_step is not None and each.low is not None and each.high is not None for each in said)
        ratios = [(each.grok_step or math.nan) / grok_step(run) for each, run in zip(said, runs, strict=True)]
        assert np.mean(np.abs(np.log(ratios))) < 0.1
        pairs = zip(said, runs, strict=True)
        held = [(each.low or 0) <= grok_step(run) <= (each.high or 0) for each, run in pairs]
        assert np.mean(held) >= FORECAST_LEVEL - 3 * math.sqrt(0.1 * FORECAST_LEVEL / len(runs))

    def test_parts_fit_together(self) -> None:
        run = unseen()
        said = forecaster().forecast(run.until(1000))
        assert said.low is not None
        assert said.high is not None
        assert said.grok_step is not None
        assert 1000 <= said.low <= said.grok_step <= said.high
        assert said.law in said.candidates
        assert said.grok_step == said.candidates[said.law]
        assert said.law == forecaster().ranking[0]
        assert said.probability is not None
        assert said.probability > 0.9

    def test_nothing_is_promised_for_the_past(self) -> None:
        run = made("late", 5, kappa=12.0)
        for step in range(200, run.steps, 100):
            said = forecaster().forecast(run.until(step))
            assert all(math.ceil(candidate) >= step for candidate in said.candidates.values())

    def test_a_shorter_budget_is_less_likely_to_do(self) -> None:
        run = unseen(lr=1e-3, noise=0.0).until(1500)  # groks at 3,000
        given = [
            forecaster().forecast(replace(run, budget=budget)).probability for budget in (1600, 3000, 4000, BUDGET)
        ]
        assert all(each is not None for each in given)
        probabilities = [each or 0.0 for each in given]
        assert all(early <= late for early, late in pairwise(probabilities))
        assert probabilities[0] < 0.2
        assert probabilities[-1] > 0.8

    def test_never_certain_before_the_end(self) -> None:
        for run in (unseen(), unseen(groks=False), unseen(wd=0.0)):
            for step in range(200, run.steps, 400):
                probability = forecaster().forecast(run.until(step)).probability
                assert (
                    probability is None or (run.grok_step is not None and step >= run.grok_step) or 0 < probability < 1
                )


class TestNoPeeking:
    @given(
        step=st.integers(150, 3000), seed=st.integers(0, 2**32 - 1), groks=st.booleans(), later=st.integers(1, 3000),
        never=st.booleans(),
    )  # fmt: skip
    def test_what_comes_later_changes_nothing(self, step: int, seed: int, groks: bool, later: int, never: bool) -> None:
        """Everything behind `step` is replaced, the grokking included."""
        run = unseen(groks=groks)
        random = np.random.default_rng(seed)
        after = run.columns["step"] > step
        columns = {
            name: np.where(after, column if name == "step" else random.uniform(0, 9, len(column)), column)
            for name, column in run.columns.items()
        }
        known = run.grok_known_at is not None and run.grok_known_at <= step
        grokked = run.grok_step if known else None if never else step + later
        other = replace(
            run, columns=columns, grok_step=grokked, steps=max(run.steps, step + later),
            grok_known_at=run.grok_known_at if known else grokked,
        )  # fmt: skip
        assert forecaster().forecast(other.until(step)) == forecaster().forecast(run.until(step))

    def test_a_bank_does_not_know_the_run(self) -> None:
        """Nor does asking change a forecaster."""
        run = unseen()
        before = forecaster().forecast(run.until(900))
        forecaster().forecast(run)
        forecaster().forecast(unseen(groks=False))
        assert forecaster().forecast(run.until(900)) == before


class TestAbstentions:
    def said(self, run: Trajectory, step: int) -> str | None:
        return forecaster().forecast(run.until(step)).abstained

    def test_too_early(self) -> None:
        assert self.said(unseen(), 2 * EVERY) == TOO_EARLY
        assert self.said(unseen(), 3 * EVERY) is None

    def test_already_grokked(self) -> None:
        run = unseen()
        assert run.grok_known_at is not None
        assert self.said(run, run.grok_known_at) == ALREADY
        assert self.said(run, run.grok_known_at - 1) is None

    def test_between_grokking_and_its_confirmation(self) -> None:
        run = unseen()
        assert run.grok_known_at is not None
        for step in range(grok_step(run), run.grok_known_at, EVERY):
            said = forecaster().forecast(run.until(step))
            assert said.abstained is None
            assert said.grok_step == pytest.approx(step, rel=0.1)

    def test_budget_used_up(self) -> None:
        run = unseen(groks=False)
        said = forecaster().forecast(run)
        assert said.abstained == USED_UP
        assert said.probability == 0

    @pytest.mark.parametrize("kind", ["white", "walk", "flat"])
    @pytest.mark.parametrize("wd", [0.0, 1.0])
    def test_noise(self, kind: str, wd: float) -> None:
        for seed in range(5):
            run = noise(seed, kind, wd)
            for step in range(0, run.steps, 100):
                said = forecaster().forecast(run.until(step))
                assert (said.abstained or "").partition(":")[0] in {TOO_EARLY.partition(":")[0], UNLIKE, UNLIKELY}
                assert said.grok_step is None

    def test_controls_and_hopeless_operations(self) -> None:
        runs = [unseen(lr=lr, wd=0.0) for lr in LRS]
        runs += [unseen(lr=lr, groks=False, operation=operation) for lr in LRS for operation in HOPELESS]
        for run in runs:
            said = [forecaster().forecast(run.until(step)) for step in range(1000, BUDGET, 500)]
            assert all(each.grok_step is None for each in said)
            assert said[-1].probability is not None
            assert said[-1].probability < 0.1

    def test_treated(self) -> None:
        """From the step on, not before: a schedule alone has done nothing."""
        run = unseen()
        assert self.said(replace(run, facts={**run.facts, "interventions.schedule": "kick@500"}), 400) is None
        live = replace(run, facts={**run.facts, TREATED_FROM: 500, "interventions.schedule": "kick@500"})
        assert self.said(live, 500) is None
        assert self.said(live, 550) == TREATED.format(500)
        assert "from step 500 on" in TREATED.format(500)

    def test_an_unfamiliar_run_is_not_called_unlikely(self) -> None:
        """Neither the probability nor the laws were tried on such runs: the settings are named instead."""
        familiar = unseen(groks=False, operation="x3_xy")
        assert self.said(familiar, 4000) == UNLIKELY
        facts = {**familiar.facts, "task.modulus": 13, "model.width": 16}
        said = forecaster().forecast(replace(familiar, facts=facts).until(4000))
        assert said.abstained == f"{UNLIKE}: model.width 16 (unset in the bank), task.modulus 13 (the bank has 59)"
        assert said.probability is None
        assert (said.candidates, said.errors) == ({}, {})
        new_operation = replace(familiar, facts={**familiar.facts, "task.operation": "x9"})
        assert self.said(new_operation, 4000) == UNLIKELY

    def test_a_run_without_known_settings_names_a_few(self) -> None:
        said = forecaster().forecast(noise(1, "white").until(2000)).abstained or ""
        assert said == f"{UNLIKE}: task.modulus unset (the bank has 59)"

    def test_settings_that_no_run_of_the_bank_had_cost_the_interval(self) -> None:
        run = unseen()
        wider = replace(run, facts={**run.facts, "model.width": 256, "task.modulus": 97})
        said = forecaster().forecast(wider.until(1000))
        assert said.grok_step is not None
        assert said.low is None
        assert said.errors == {}
        assert said.no_interval == (
            "no run it was calibrated on had model.width 256 (unset in the bank), task.modulus 97 (the bank has 59)"
        )
        between = replace(run, facts={**run.facts, "optimizer.lr": 2.5e-3})
        assert forecaster().forecast(between.until(1000)).no_interval is None

    def test_too_few_configurations_for_an_interval(self) -> None:
        few = [run for run in bank(lrs=(1e-3, 2e-3)) if run.facts["task.operation"] in {"add", "sub", "x3_xy"}]
        said = calibrate(few).forecast(unseen().until(1000))
        assert said.grok_step is not None
        assert said.low is said.high is None
        assert (
            said.no_interval == f"too few calibration runs: 4 of {fewest_configurations()} configurations that grokked"
        )

    def test_too_few_runs_for_a_law(self) -> None:
        few = [made("a", 1), made("b", 2), *(made(str(seed), seed, groks=False) for seed in range(4))]
        said = calibrate(few).forecast(unseen().until(1000))
        assert said.abstained == "too few calibration runs: 2 grokked, and a law takes 3"

    def test_too_few_configurations_to_judge_a_law(self) -> None:
        """Four runs have grokked, but without either configuration only two."""
        runs = [made(f"{lr}-{seed}", seed, lr=lr, groks=seed < 2) for lr in (1e-3, 2e-3) for seed in range(5)]
        said = calibrate(runs).forecast(unseen().until(1000))
        assert said.abstained == UNJUDGED.format(2)

    def test_a_signal_that_no_run_has_makes_nothing_familiar(self) -> None:
        bare = [
            replace(run, columns={name: run.columns[name] for name in ("step", "train_accuracy", "test_accuracy")})
            for run in bank(seeds=1)
        ]
        poor = calibrate(bare)
        run = bare[0]
        flat = replace(run, columns={**run.columns, "train_accuracy": np.full(len(run.columns["step"]), 0.3)})
        assert poor.forecast(replace(flat, grok_step=None).until(3000)).abstained == UNLIKE
        assert poor.forecast(run.until(1000)).abstained is None

    def test_no_controls_no_probability(self) -> None:
        uncontrolled = calibrate([run for run in bank() if run.grok_step is not None])
        said = uncontrolled.forecast(unseen().until(1000))
        assert said.probability is None
        assert said.grok_step is not None
        control = unseen(wd=0.0)
        for step in range(150, 3000, 50):
            said = uncontrolled.forecast(control.until(step))
            assert (said.abstained or "").partition(":")[0] in {UNCONTROLLED, UNLIKE, SILENT}

    def test_an_unknown_task(self) -> None:
        run = unseen(task="parity")
        progress = progress_of(run.until(1000))
        said = projection_of(progress, run.facts, run.budget, grokked=False, task="parity")
        assert said.abstained is not None
        assert said.abstained.startswith("no bank of parity runs")

    def test_a_bank_that_cannot_be_read(self, tmp_path: Path) -> None:
        assert "cannot read the bank" in str(forecaster_for("modular", tmp_path / "none.jsonl"))
        (tmp_path / "torn.jsonl").write_text("{")
        assert "torn.jsonl, line 1" in str(forecaster_for("modular", tmp_path / "torn.jsonl"))
        write_table(tmp_path / "open.jsonl", [unseen().until(500)])
        assert "too few calibration runs" in str(forecaster_for("modular", tmp_path / "open.jsonl"))
        write_table(tmp_path / "other.jsonl", [unseen(task="dyck")])
        assert (
            forecaster_for("modular", tmp_path / "other.jsonl")
            == "the bank other.jsonl holds no run of modular, but of dyck"
        )


class TestIntervals:
    def test_nine_configurations_make_an_interval_of_nine_tenths(self) -> None:
        assert fewest_configurations(0.9) == 9
        assert fewest_configurations(0.95) == 19
        for count, finite in ((8, False), (9, True)):
            errors, said = np.linspace(0.1, 1, count), np.zeros(count)
            low, high = interval(said, errors, votes(np.arange(count)))
            assert math.isfinite(low) is math.isfinite(high) is finite
        assert high == pytest.approx(1.0)

    def test_a_configuration_has_one_vote_however_many_rows(self) -> None:
        configuration = np.array([0] * 90 + list(range(1, 10)))
        weights = votes(configuration)
        assert weights.sum() == pytest.approx(10 / 11)
        assert weights[:90].sum() == pytest.approx(1 / 11)

    @pytest.mark.parametrize("configurations", [9, 12, 25])
    def test_coverage(self, configurations: int) -> None:
        """Of a new row of a new configuration, where rows of one configuration err alike."""
        random = np.random.default_rng(configurations)
        rows, trials = 6, 800
        index = np.repeat(np.arange(configurations), rows)
        weights = votes(index)
        held = 0
        for _ in range(trials):
            centers = random.standard_normal(configurations + 1)
            values = centers[index] + 0.5 * random.standard_normal(len(index))
            totals = np.array([values[index != each].mean() for each in range(configurations)])
            low, high = interval(totals[index], np.abs(values - totals[index]), weights)
            held += low <= centers[-1] + 0.5 * random.standard_normal() <= high
        assert held / trials >= FORECAST_LEVEL - 3 * math.sqrt(0.1 * FORECAST_LEVEL / trials)


class TestLaws:
    @pytest.mark.parametrize(
        "law",
        ["decay time", "same lr", "test-loss turn", "onset", "memorization", "norm slope", "average", "regression"],
    )
    def test_finds_its_own(self, law: str) -> None:
        """In a bank without noise every law is exact, but for the cadence."""
        exact = calibrate(bank(seeds=1, noise=0.0))
        run = unseen(noise=0.0)
        said = exact.forecast(run.until(int(0.85 * grok_step(run))))
        assert said.candidates[law] == pytest.approx(grok_step(run), rel=0.1)

    def test_what_has_not_happened_says_nothing(self) -> None:
        said = forecaster().forecast(unseen().until(150)).candidates
        assert {"decay time", "same lr"} <= said.keys()
        assert not {"memorization", "onset", "test-loss turn", "first passage", "norm slope"} & said.keys()

    def test_nothing_decays_without_decay(self) -> None:
        said = forecaster().forecast(unseen(wd=0.0).until(1000)).candidates
        assert not {"decay time", "same lr", "first passage", "norm slope", "regression"} & said.keys()

    @pytest.mark.parametrize("bank_file", shipped_banks(), ids=lambda file: file.name)
    def test_the_chosen_one_was_the_nearest(self, bank_file: Path) -> None:
        """Over the whole way, not at a stage; a law that seldom speaks comes after those that do."""
        calibrated = calibrate(read_trajectories(bank_file))
        ranking, laws = calibrated.ranking, calibrated.laws
        assert set(ranking) == set(laws)
        often = [name for name in ranking if laws[name].always.share >= 0.8]
        seldom = [name for name in ranking if laws[name].always.share < 0.8]
        assert list(ranking) == [*often, *seldom]
        assert len(often) > 2
        assert len(seldom) > 2
        for group in (often, seldom):
            errors = [laws[name].always.error for name in group]
            assert errors == sorted(errors)


class TestBank:
    def test_takes_what_is_settled_and_untreated(self) -> None:
        treated = replace(unseen(), name="x/treated", facts={**unseen().facts, TREATED_FROM: 300})
        built = build_bank([replace(unseen(), name="sweep/good"), replace(unseen().until(500), name="open"), treated])
        assert [run.name for run in built.kept] == ["good"]
        assert list(built.unsettled) == ["open"]
        assert list(built.treated) == ["x/treated"]

    def test_nothing_heavy_is_imported(self) -> None:
        code = "import sys, grokscope.warning.forecast.live; print([m for m in ('scipy', 'torch') if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_the_shipped_ones_are_small_and_quick(self) -> None:
        """To calibrate one takes some twenty times what reading its lines takes; a hundred times would be noticed."""
        assert sum(file.stat().st_size for file in shipped_banks()) < 2**20
        for file in shipped_banks():
            reading = seconds_of(partial(read_lines, file))
            assert seconds_of(partial(calibrate, read_trajectories(file))) < 100 * reading


# --- live -------------------------------------------------------------------------------------------------------------


def started_for(run: Trajectory, bank_file: Path | str, **settings: Any) -> dict[str, Any]:
    """The first event of a run with the configuration of `run`."""
    changes = {key: value for key, value in run.facts.items() if key.startswith(("optimizer.", "train."))}
    config, _ = resolve(
        get("tasks", "modular"), {**changes, "train.steps": run.budget, "forecast.bank": str(bank_file), **settings}
    )
    settings = config.model_dump(mode="json")
    return {"event": "started", "step": 0, "task": "modular", "metric": "accuracy", "config": settings}


def events_of(run: Trajectory) -> Iterator[list[Event]]:
    """The events of a run, step by step, in the trainer's order."""
    columns = run.columns
    for row, place in enumerate(columns["step"]):
        step, found = int(place), []
        if math.isfinite(columns["defect"][row]):
            found.append(measured(step, float(columns["defect"][row]), float(columns["defect_floor"][row])))
        found.append(Evaluated(step=step, seconds=0.0, train=scores(run, "train", row), test=scores(run, "test", row)))
        if step == run.grok_known_at:
            found.append(
                Grokked(step=run.grok_step, rule=Rule(name="made"), value=1.0, cadence=EVERY, confirmed_at=step)
            )
        found.append(Observed(step=step, signals={"weight_norm": float(columns["weight_norm"][row])}))
        yield found


def measured(step: int, defect: float, floor: float) -> Measured:
    return Measured(
        step=step, defect=Spread(median=defect, p25=defect, p75=defect, samples=[defect]), commutator_norm=1.0,
        relative_commutator=0.5, gradient_norm=1.0, gradient_cosine=0.0, estimator="exact", precision="float32",
        floor=floor, below_floor=False, seconds=0.0,
    )  # fmt: skip


def scores(run: Trajectory, split: str, row: int) -> Scores:
    loss, accuracy = (float(run.columns[f"{split}_{name}"][row]) for name in ("loss", "accuracy"))
    return Scores(loss=loss, accuracy=accuracy, sequence_accuracy=accuracy)


def as_recorded(event: Event) -> dict[str, Any]:
    stamped = event.model_copy(update={"seq": 0, "time": "2026-11-23T12:00:00.000Z"})
    read = decode(to_line(stamped).encode())
    assert read is not None
    return dict(read)


def said_by(live: LiveForecast, seconds_left: float) -> Forecast | None:
    """What it says now, and hears again as everything that is recorded."""
    forecast = live.changed(seconds_left)
    if forecast is not None:
        live.see(as_recorded(forecast))
    return forecast


@pytest.fixture(scope="module")
def bank_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bank") / "modular.jsonl.gz"
    write_table(file, bank())
    return file


class TestItsOwnConfiguration:
    def test_is_left_out(self, bank_file: Path) -> None:
        """A run is spoken of by those that are neither it nor its twins: as if the bank had been built without them."""
        runs = read_trajectories(bank_file)
        run = runs[0]
        others = [each for each in runs if configuration_of(each) != configuration_of(run)]
        part = run.until(1000)
        said = projection_of(progress_of(part), part.facts, part.budget, grokked=False, task="modular", bank=bank_file)
        assert said == calibrate(others).forecast(part)
        assert said != forecaster().forecast(part)
        found = forecaster_for("modular", bank_file, part.facts)
        assert isinstance(found, Forecaster)
        assert (found.runs, found.left_out) == (len(others), len(runs) - len(others))

    def test_nothing_is_left_out_for_others(self, bank_file: Path) -> None:
        facts = {**unseen().facts, "optimizer.lr": 2.5e-3}
        assert forecaster_for("modular", bank_file, facts) is forecaster_for("modular", bank_file)

    def test_a_bank_of_nothing_else_says_so(self, tmp_path: Path) -> None:
        write_table(tmp_path / "own.jsonl", [unseen()])
        found = forecaster_for("modular", tmp_path / "own.jsonl", unseen().facts)
        assert str(found).endswith("the bank own.jsonl holds no configuration but this run's own")


class TestLive:
    @pytest.mark.parametrize("options", [{}, {"groks": False}, {"wd": 0.0}, {"lr": 1e-3}], ids=str)
    def test_says_what_is_said_of_the_record(self, bank_file: Path, options: dict[str, Any]) -> None:
        run = unseen(**options)
        started = started_for(run, bank_file)
        live = LiveForecast(started)
        record = [started, *(as_recorded(event) for found in events_of(run) for event in found)]
        trajectory = trajectory_from(record, "recorded")
        calibrated = forecaster_for("modular", bank_file)
        assert isinstance(calibrated, Forecaster)
        for found in events_of(run):
            for event in found:
                live.see(as_recorded(event))
            said = live.projection()
            assert said == calibrated.forecast(trajectory.until(said.step))

    def test_goes_on_after_a_crash(self, bank_file: Path) -> None:
        """A new one, fed with the log up to a checkpoint, says what the old one would have gone on to say."""
        run = unseen()
        started = started_for(run, bank_file)
        whole: list[tuple[int, dict[str, Any]]] = []
        live, steps = LiveForecast(started), list(events_of(run))
        log: list[list[Event]] = []
        for number, found in enumerate(steps):
            for event in found:
                live.see(as_recorded(event))
            forecast = said_by(live, 60.0)
            log.append([*found, *([] if forecast is None else [forecast])])
            whole += [] if forecast is None else [(number, forecast.model_dump())]
        for crash in range(0, len(steps), 7):
            again = LiveForecast(started)
            for found in log[: crash + 1]:
                for event in found:
                    again.see(as_recorded(event))
            later = []
            for number, found in enumerate(steps[crash + 1 :], crash + 1):
                for event in found:
                    again.see(as_recorded(event))
                forecast = said_by(again, 60.0)
                later += [] if forecast is None else [(number, forecast.model_dump())]
            assert later == [(number, said) for number, said in whole if number > crash]

    def test_speaks_only_when_something_changed(self, bank_file: Path) -> None:
        run = unseen(lr=1e-3)
        live = LiveForecast(started_for(run, bank_file))
        said = []
        for found in events_of(run):
            for event in found:
                live.see(as_recorded(event))
            said.append(said_by(live, 120.0))
        assert live.changed(120.0) is None
        spoken = [event for event in said if event is not None]
        assert 3 <= len(spoken) < len(said) / 2
        assert (spoken[0].abstained, spoken[-1].abstained) == (TOO_EARLY, ALREADY)
        middle = next(event for event in spoken if event.grok_step is not None)
        assert middle.lead_steps == middle.grok_step - middle.step
        assert middle.lead_seconds == pytest.approx(middle.lead_steps * 120 / (run.budget - middle.step), rel=0.01)

    def test_off(self, bank_file: Path) -> None:
        run = unseen()
        live = LiveForecast(started_for(run, bank_file, **{"forecast.enabled": False}))
        for found in events_of(run):
            for event in found:
                live.see(as_recorded(event))
            assert live.changed(None) is None

    def test_falls_silent_under_treatment(self, bank_file: Path) -> None:
        run = unseen()
        live = LiveForecast(started_for(run, bank_file))
        for found in events_of(run):
            step = found[0].step or 0
            for event in found:
                live.see(as_recorded(event))
            if 800 < step < (run.grok_known_at or 0):
                assert live.projection().abstained == TREATED.format(800)
            elif step == 800:
                assert live.projection().grok_step is not None
                live.see(as_recorded(Intervened(step=800, kind="kick", state="on")))

    def test_costs_no_more_late_in_a_run_than_early(self, bank_file: Path) -> None:
        """A forecast at each of 3,000 evaluations; medians, for this machine has other things to do."""
        run = unseen(groks=False, budget=3000 * EVERY)
        live = LiveForecast(started_for(run, bank_file))

        def step(found: Sequence[Event]) -> None:
            for event in found:
                live.see(as_recorded(event))
            live.changed(None)

        seconds = [seconds_of(partial(step, found)) for found in events_of(run)]
        assert float(np.median(seconds[-300:])) < 3 * float(np.median(seconds[100:400]))


def test_operations_are_those_of_the_bank() -> None:
    assert {run.facts["task.operation"] for run in bank(seeds=1)} == {*OPERATIONS, *HOPELESS}
