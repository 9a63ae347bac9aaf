"""A run that goes on says of itself what is said of its record, and says it only when it is news."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forecast_made import bank, made

from grokscope.events import Evaluated, Event, Forecast, Grokked, Intervened, Observed, Rule, Scores, to_line
from grokscope.registry import get
from grokscope.runs.log import decode
from grokscope.settings.config import resolve
from grokscope.warning.forecast.bank import Bank, bank_for, forecast_of
from grokscope.warning.forecast.live import LiveForecast, forecast_event
from grokscope.warning.forecast.refusals import Refusal
from grokscope.warning.tables import table_digest, write_table
from grokscope.warning.trajectory import CHANCE, Trajectory, facts_of, trajectory_from

SETTINGS = ("optimizer.lr", "optimizer.wd", "train.seed", "train.batch_size", "task.operation", "task.modulus",
            "task.train_fraction", "model.width")  # fmt: skip


def config_of(run: Trajectory, **more: Any) -> dict[str, Any]:
    changes = {key: run.facts[key] for key in SETTINGS}
    config, _ = resolve(get("tasks", "modular"), {**changes, "train.steps": run.budget, **more})
    return config.model_dump(mode="json")


def as_ours(run: Trajectory) -> Trajectory:
    """With all the settings that a run of ours has on record."""
    return replace(run, facts={**facts_of(config_of(run)), CHANCE: run.facts[CHANCE]})


@pytest.fixture(scope="module")
def bank_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bank") / "modular.jsonl.gz"
    write_table(file, map(as_ours, bank()))
    return file


def started_for(run: Trajectory, bank_file: Path, **settings: Any) -> dict[str, Any]:
    """The first event of a run with the configuration of `run`."""
    config = config_of(run, **{"forecast.bank": str(bank_file), **settings})
    facts = {"chance": run.facts[CHANCE]}
    return {"event": "started", "step": 0, "task": "modular", "metric": "accuracy", "config": config, "facts": facts}


def events_of(run: Trajectory) -> Iterator[list[Event]]:
    """The events of a run, step by step, in the trainer's order."""
    for row, place in enumerate(run.columns["step"]):
        step = int(place)
        found: list[Event] = [
            Evaluated(step=step, seconds=0.0, train=scores(run, "train", row), test=scores(run, "test", row))
        ]
        if step == run.grok_known_at:
            found.append(Grokked(step=run.grok_step, rule=Rule(name="made"), value=1.0, cadence=50, confirmed_at=step))
        found.append(Observed(step=step, signals={"weight_norm": float(run.columns["weight_norm"][row])}))
        yield found


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


@pytest.mark.parametrize("origin", ["grokscope", "own loop"])
@pytest.mark.parametrize("options", [{}, {"elasticity": 0.05}, {"wd": 0.0}, {"lr": 1e-3}], ids=str)
def test_says_what_is_said_of_the_record(bank_file: Path, options: dict[str, Any], origin: str) -> None:
    run = made("new", 77, **options)
    started = started_for(run, bank_file) | {"origin": origin}
    if origin != "grokscope":  # their loop states less
        del started["config"]["model"]
    live = LiveForecast(started)
    record = [started, *(as_recorded(event) for found in events_of(run) for event in found)]
    trajectory = trajectory_from(record, "recorded")
    for number, found in enumerate(events_of(run)):
        for event in found:
            live.see(as_recorded(event))
        if number % 5 == 0:
            said, _ = live.projection()
            assert said == forecast_of(trajectory.until(said.step), bank_file)[0]


def test_goes_on_after_a_crash(bank_file: Path) -> None:
    """A new one, fed with the log up to a checkpoint, says what the old one would have gone on to say."""
    run = made("new", 77)
    started, steps = started_for(run, bank_file), list(events_of(run))
    crash = 25
    live, again = LiveForecast(started), LiveForecast(started)
    later: list[list[dict[str, Any]]] = [[], []]
    for number, found in enumerate(steps):
        for event in found:
            live.see(as_recorded(event))
            again.see(as_recorded(event))
        forecast = said_by(live, 60.0)
        if number <= crash:
            if forecast is not None:
                again.see(as_recorded(forecast))
            continue
        resumed = said_by(again, 60.0)
        for said, each in zip(later, (forecast, resumed), strict=True):
            said += [] if each is None else [each.model_dump()]
    assert later[0] == later[1] != []


def test_speaks_only_when_something_changed(bank_file: Path) -> None:
    run = made("new", 77, lr=1e-3)
    live = LiveForecast(started_for(run, bank_file))
    said = []
    for found in events_of(run):
        for event in found:
            live.see(as_recorded(event))
        said.append(said_by(live, 120.0))
    spoken = [event for event in said if event is not None]
    assert 3 <= len(spoken) < len(said) / 2
    assert spoken[0].reaches.refusal == Refusal.NOT_YET.code
    assert (spoken[-1].reaches.probability, spoken[-1].when.refusal) == (1, Refusal.GROKKED.code)
    middle = next(event for event in spoken if event.reaches.probability is not None)
    assert middle.when.grok_step is not None
    assert middle.when.lead_steps == middle.when.grok_step - (middle.step or 0)
    assert middle.when.lead_seconds == pytest.approx(
        middle.when.lead_steps * 120 / (run.budget - (middle.step or 0)), rel=0.01
    )


def test_the_bank_is_asked_once_an_evaluation(bank_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer offers every step, and nothing new can be said before the next evaluation."""
    run = made("new", 77)
    live = LiveForecast(started_for(run, bank_file))
    asked: list[int] = []
    ask = LiveForecast.projection
    monkeypatch.setattr(LiveForecast, "projection", lambda self: (asked.append(0), ask(self))[1])
    evaluations = 0
    for found in events_of(run):
        evaluations += 1
        for event in found:
            live.see(as_recorded(event))
        for _ in range(20):
            said_by(live, 60.0)
    assert len(asked) == evaluations


def test_a_forecast_names_its_bank_and_what_it_rests_on(bank_file: Path) -> None:
    run = as_ours(made("new", 77))
    found = bank_for("modular", bank_file)
    assert isinstance(found, Bank)
    said = forecast_event(*forecast_of(run.until(1300), bank_file))
    assert said.bank is not None
    assert (said.bank.name, said.bank.digest) == (bank_file.name, table_digest(bank_file))
    assert said.basis == "elasticity and training loss"
    assert said.decay_time == pytest.approx(2.6)
    assert set(said.rivals) == {"lr·wd"}
    early = forecast_event(*forecast_of(run.until(400), bank_file))
    assert early.not_before_step == math.ceil(0.4 * found.forecaster.peers.usual_kappa / 2e-3)


def test_every_number_that_is_missing_has_its_reason(bank_file: Path) -> None:
    for options in ({}, {"elasticity": 0.05}, {"wd": 0.0}, {"lr": 9e-3}):
        run = as_ours(made("new", 77, **options))
        for step in range(200, run.steps + 1, 200):
            said = forecast_event(*forecast_of(run.until(step), bank_file)).model_dump()
            for question, value in (("generalizes", "probability"), ("reaches", "probability"), ("when", "grok_step")):
                answer = said[question]
                assert (answer[value] is None) == (answer["abstained"] is not None) == (answer["refusal"] is not None)


def test_off(bank_file: Path) -> None:
    run = made("new", 77)
    live = LiveForecast(started_for(run, bank_file, **{"forecast.enabled": False}))
    for found in events_of(run):
        for event in found:
            live.see(as_recorded(event))
        assert live.changed(None) is None


def test_falls_silent_under_treatment(bank_file: Path) -> None:
    run = made("new", 77)
    live = LiveForecast(started_for(run, bank_file))
    for found in events_of(run):
        step = found[0].step or 0
        for event in found:
            live.see(as_recorded(event))
        if 800 < step < (run.grok_known_at or 0):
            refused = live.projection()[0].when.refused
            assert refused is not None
            assert refused.in_words() == f"{Refusal.TREATED.value}: from step 800 on"
        elif step == 800:
            assert live.projection()[0].when.grok_step is not None
            live.see(as_recorded(Intervened(step=800, kind="kick", state="on")))
