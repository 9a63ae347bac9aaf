"""A run that goes on, after a crash, a signal, damage, or for longer than was meant, is the run it would have been."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_array_equal
from training_made import (
    EASY,
    EASY_SETTINGS,
    MODULAR,
    TINY,
    Crash,
    Run,
    crashed,
    run,
    undisturbed,
    without_clock,
)

from grokscope.interventions import kick
from grokscope.runs.checkpoints import read_checkpoint
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import read
from grokscope.runs.resumption import WouldLose
from grokscope.runs.snapshots import read_snapshot
from grokscope.settings.config import resolve
from grokscope.testing import reference
from grokscope.training.launch import launched
from grokscope.training.loop import Trainer

OPTIONS: list[dict[str, Any]] = [
    {},
    {"optimizer.name": "sgd", "optimizer.schedule": "cosine"},
    {"optimizer.name": "muon", "optimizer.decay": "matrices", "optimizer.warmup": 12},
]
"""What a run may be trained with"""


class TestResuming:
    def test_a_crashed_run_ends_as_if_nothing_had_happened(self, tmp_path: Path) -> None:
        whole = run(tmp_path / "whole", EASY_SETTINGS, task=EASY)
        crashed(tmp_path / "cut", 75, EASY_SETTINGS, task=EASY)
        (events := tmp_path / "cut" / "tiny" / "events.jsonl").write_bytes(events.read_bytes() + b'{"torn')
        resumed_events = _resumed_easy(tmp_path / "cut")
        assert without_clock(resumed_events) == without_clock(whole.events)
        assert [event["seq"] for event in resumed_events] == list(range(len(resumed_events)))
        starts = [event["resumed_from"] for event in resumed_events if event["event"] == "started"]
        assert starts == [None, 70]

    def test_before_the_first_checkpoint_it_starts_again(self, tmp_path: Path) -> None:
        crashed(tmp_path, 5)
        done = run(tmp_path, resume=True)
        assert (done.digest, done.steps("started")) == (undisturbed(), [0])

    def test_a_damaged_checkpoint_is_passed_over(self, tmp_path: Path) -> None:
        crashed(tmp_path, 18, {"checkpoint.every": 5, "log.every": 1})
        (newest, older) = sorted((tmp_path / "tiny" / "checkpoint").iterdir(), reverse=True)
        newest.write_bytes(newest.read_bytes()[:100])
        done = run(tmp_path, resume=True)
        assert done.all("started")[-1]["resumed_from"] == 10
        assert older.name == "step-00000010.safetensors"
        assert done.digest == undisturbed()
        damaged, going = (event["reason"] for event in done.all("warned"))
        assert f"{newest.name} is not a snapshot or checkpoint, or is damaged" in damaged
        assert going == "going on from step 10"

    @pytest.mark.parametrize("backend", ["torch", "mlx"])
    @pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(map(str, options.values())) or "adamw")
    def test_on_a_backend_to_the_bit(self, tmp_path: Path, backend: str, options: dict[str, Any]) -> None:
        pytest.importorskip("torch" if backend == "torch" else "mlx.core")
        settings = {"backend.name": backend, "backend.device": "cpu", "backend.threads": 1, **options}
        whole = run(tmp_path / "whole", settings)
        crashed(tmp_path / "cut", 15, settings)
        cut = run(tmp_path / "cut", resume=True)
        states = []
        for done in (whole, cut):
            file = done.directory.path / done.all("checkpoint")[-1]["path"]
            states.append(read_checkpoint(file, read_snapshot(file).layout).state)
        assert states[0].step == states[1].step == 20
        for one, other in zip(states[0][1:], states[1][1:], strict=True):
            assert_array_equal(one, other)
        assert whole.digest == cut.digest
        assert without_clock(cut.events) == without_clock(whole.events)


# --- for longer -------------------------------------------------------------------------------------------------------

ODD: dict[str, Any] = {
    "evaluate.every": 4,
    "measure.every": 6,
    "log.every": 5,
    "snapshot.every": 5,
    "checkpoint.every": 3,
}
TREATED = {"interventions.schedule": ["noise@3..17:every=2", "penalty@6:weight=0.1,basis=random", "kick@9:basis=none"]}


def told_again(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what is said of a budget: a forecast is for one, and one that was made stays made."""
    return [event for event in without_clock(events) if event["event"] not in {"forecast", "warned"}]


@pytest.mark.parametrize("stops", [[7], [13], [12], [10], [1], [0], [7, 11, 12]], ids=str)
@pytest.mark.parametrize("treated", [{}, TREATED], ids=["alone", "treated"])
def test_an_extended_run_is_the_longer_run(tmp_path: Path, stops: list[int], treated: dict[str, Any]) -> None:
    """On a cadence or off it: what only a last step records is no part of a run that went on."""
    whole = run(tmp_path / "whole", {**ODD, **treated})
    run(tmp_path / "cut", {**ODD, **treated, "train.steps": stops[0]})
    for steps in [*stops[1:], 20]:
        done = run(tmp_path / "cut", {"train.steps": steps}, resume=True)
    assert told_again(done.events) == told_again(whole.events)
    assert done.digest == whole.digest


def test_off_cadence_records_do_not_count_in_a_row(tmp_path: Path) -> None:
    """Three evaluations in a row, one of them at an end that was none: grokking is found where it would have been."""
    whole = run(tmp_path / "whole", {**EASY_SETTINGS, "evaluate.every": 20}, task=EASY)
    grokked = whole.all("grokked")[0]["confirmed_at"]
    run(tmp_path / "cut", {**EASY_SETTINGS, "evaluate.every": 20, "train.steps": grokked - 10}, task=EASY)
    events = _resumed_easy(tmp_path / "cut", {"evaluate.every": 20})
    assert told_again(events) == told_again(whole.events)


def test_beyond_the_end_that_grokking_set(tmp_path: Path) -> None:
    settings = {**EASY_SETTINGS, "evaluate.every": 10, "measure.every": 7, "measure.estimator": "exact"}
    whole = run(tmp_path / "whole", {**settings, "train.stop_after_grok": -1}, task=EASY)
    short = run(tmp_path / "cut", {**settings, "train.stop_after_grok": 3}, task=EASY)
    assert short.status == "grokked"
    assert told_again(_resumed_easy(tmp_path / "cut", {**settings, "train.stop_after_grok": -1})) == told_again(
        whole.events
    )


def test_a_crash_while_it_becomes_longer(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", ODD)
    run(tmp_path / "cut", {**ODD, "train.steps": 7})

    def crash(running: Trainer, event: dict[str, Any]) -> None:
        raise Crash

    with pytest.raises(Crash):
        run(tmp_path / "cut", {"train.steps": 20}, resume=True, happening=crash)
    assert told_again(run(tmp_path / "cut", resume=True).events) == told_again(whole.events)


def test_as_long_as_it_was(tmp_path: Path) -> None:
    done = run(tmp_path, {**ODD, "train.steps": 7})
    again = run(tmp_path, resume=True)
    assert told_again(again.events) == told_again(done.events)


# --- after a signal ---------------------------------------------------------------------------------------------------


def interrupted(folder: Path, settings: dict[str, Any], call: str, number: int, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that a signal ends while the session does something for the `number`th time."""
    running: list[Trainer] = []
    original, calls = getattr(reference.ReferenceSession, call), 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            running[0].recorder.interruption.ask()
        return original(*arguments, **options)

    directory = RunDirectory(folder / "tiny")
    config, options = resolve(MODULAR, TINY, settings)
    with launched(directory, config, MODULAR, options, resume=False) as trainer, monkeypatch.context() as patch:
        running.append(trainer)
        patch.setattr(reference.ReferenceSession, call, counted)
        status = trainer.run()
    assert calls == number, "nothing was asked of the backend after the signal"
    return Run(directory, status, [])


@pytest.mark.parametrize("settings", [ODD, {**ODD, **TREATED, "train.steps": 13}], ids=["alone", "treated"])
@pytest.mark.parametrize(
    ("call", "number"),
    [("prepare", 1), ("bracket", 1), ("bracket", 3), ("bracket", 5), ("predict", 1), ("predict", 4), ("predict", 7)],
)
def test_what_was_half_seen_is_seen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], call: str, number: int
) -> None:
    cut = interrupted(tmp_path / "cut", settings, call, number, monkeypatch)
    assert cut.status == "interrupted"
    assert [event["event"] for event in cut.events[-2:]] == ["checkpoint", "finished"]
    whole = run(tmp_path / "whole", settings)
    done = run(tmp_path / "cut", resume=True)
    assert without_clock(done.events) == without_clock(whole.events)
    assert done.digest == whole.digest


def test_a_rare_intervention_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kick of many samples may take long: the step that it was in has not been taken."""
    settings = {"interventions.schedule": ["kick@7:samples=4"], "measure.estimator": "off"}
    cut = interrupted(tmp_path / "cut", settings, "bracket", 3, monkeypatch)
    assert (cut.status, cut.all("finished")[0]["steps"], cut.steps("checkpoint")) == ("interrupted", 7, [7])
    whole = run(tmp_path / "whole", settings)
    done = run(tmp_path / "cut", resume=True)
    assert without_clock(done.events) == without_clock(whole.events)


# --- where it may not -------------------------------------------------------------------------------------------------


def test_a_finished_run_without_its_checkpoints_is_left_as_it_is(tmp_path: Path) -> None:
    done = run(tmp_path, {"snapshot.every": 5})
    shutil.rmtree(done.directory.checkpoints)
    before = {path: path.read_bytes() for path in done.directory.path.rglob("*") if path.is_file()}
    with pytest.raises(WouldLose, match=f"discards {len(done.events)} events of steps 0 to 20"):
        run(tmp_path, resume=True)
    with pytest.raises(WouldLose):
        run(tmp_path, {"train.steps": 30}, resume=True)
    assert {path: path.read_bytes() for path in done.directory.path.rglob("*") if path.is_file()} == before
    again = run(tmp_path, resume=True, discard=True)
    assert again.digest == undisturbed()
    assert again.steps("started") == [0]
    assert "as was asked for" in again.all("warned")[0]["reason"]


def test_the_order_of_batches_survives_a_kick_that_found_no_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kick.PublishedKick, "kicked", lambda *_: None)
    settings = {"interventions.schedule": ["kick@3:published=true"], "checkpoint.every": 5, "log.every": 1}
    whole = run(tmp_path / "whole", settings)
    crashed(tmp_path / "cut", 12, settings)
    done = run(tmp_path / "cut", resume=True)
    assert done.digest == whole.digest != undisturbed()
    (applied,) = (event for event in done.all("intervened") if event["state"] == "applied")
    assert (applied["batch_order"], applied["norm"]) == (1, 0.0)


def _resumed_easy(folder: Path, settings: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """`resumed_config` asks the registry for the task; here it is one that nobody installed."""
    directory = RunDirectory(folder / "tiny")
    config, options = resolve(EASY, TINY, EASY_SETTINGS, settings or {})
    with launched(directory, config, EASY, options, resume=True) as trainer:
        trainer.run()
    return list(read(directory.events))
