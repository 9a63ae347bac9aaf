"""The loop on the NumPy reference: what it records and when, what disturbs it (nothing), and how it goes on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from grokscope import registry
from grokscope.contract.streams import generator
from grokscope.contract.tasks import GrokCriterion, TaskSpec
from grokscope.runs.checkpoints import read_checkpoint
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.runs.log import read
from grokscope.runs.snapshots import Snapshot, parameters_digest, read_snapshot
from grokscope.settings.config import resolve
from grokscope.training import control, loop, vantage
from grokscope.training.launch import launched, resumed_config
from grokscope.training.loop import Trainer

MODULAR = registry.get("tasks", "modular")

Happening = Callable[[Trainer, dict[str, Any]], None]
"""Called with every event while the run goes on."""

TINY: dict[str, Any] = {
    "task.modulus": 5, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "optimizer.lr": 0.01, "train.steps": 20, "train.batch_size": 8, "evaluate.every": 5, "measure.every": 5,
    "measure.samples": 2, "measure.baseline_samples": 3, "log.every": 5, "checkpoint.every": 10,
    "backend.name": "reference",
}  # fmt: skip

DETECTIONS = {"memorized", "onset", "grokked"}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference as if it were a plugin, and an inbox read at every step."""
    point = EntryPoint("reference", "grokscope.testing.reference:SPEC", "grokscope.backends")
    plugins = registry._entry_points
    monkeypatch.setattr(
        registry, "_entry_points", lambda kind: plugins(kind) | ({"reference": point} if kind == "backends" else {})
    )
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)
    monkeypatch.setattr(control, "PAUSED_POLL_SECONDS", 0.001)


@dataclass(frozen=True)
class Run:
    """A run that has ended, or broken off."""

    directory: RunDirectory
    status: str
    heard: list[dict[str, Any]]

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(read(self.directory.events))

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def steps(self, kind: str) -> list[int]:
        return [event["step"] for event in self.all(kind)]

    @property
    def digest(self) -> str:
        return str(self.all("finished")[-1]["parameters_digest"])


def run(
    folder: Path,
    settings: dict[str, Any] | None = None,
    *,
    task: TaskSpec = MODULAR,
    resume: bool = False,
    discard: bool = False,
    happening: Happening | None = None,
) -> Run:
    """A tiny run, fresh or resumed with the settings that may change."""
    directory = RunDirectory(folder / "tiny")
    if resume:
        _, config, options = resumed_config(directory, settings or {})
    else:
        config, options = resolve(task, TINY, settings or {})
    heard: list[dict[str, Any]] = []
    running: list[Trainer] = []

    def listen(event: Mapping[str, Any]) -> None:
        heard.append(dict(event))
        if happening is not None and running:
            happening(running[0], dict(event))

    with launched(
        directory, config, task, options, resume=resume, discard_events=discard, listeners=[listen]
    ) as trainer:
        running.append(trainer)
        status = trainer.run()
    return Run(directory, status, heard)


@cache
def undisturbed() -> str:
    """The digest of the tiny run."""
    with TemporaryDirectory() as folder:
        return run(Path(folder)).digest


def ask(running: Trainer, action: Any, **options: Any) -> None:
    send(running.recorder.directory.control, Command(action=action, **options))


# --- what is recorded, and when ---------------------------------------------------------------------------------------


class TestRecords:
    def test_order(self, tmp_path: Path) -> None:
        """The fifth evaluation is the first after which a signal of recorded numbers has something to say."""
        done = run(tmp_path, {"forecast.enabled": False})
        found = [(event["step"], event["event"]) for event in done.events if event["event"] not in DETECTIONS]
        at_record = ["measured", "evaluated", "observed"]
        assert found == [
            (0, "started"), *((0, kind) for kind in at_record),
            *((5, kind) for kind in ["trained", *at_record]),
            *((10, kind) for kind in ["trained", *at_record, "checkpoint"]),
            *((15, kind) for kind in ["trained", *at_record]),
            *((20, kind) for kind in ["trained", *at_record, "observed", "checkpoint", "finished"]),
        ]  # fmt: skip
        assert done.status == "completed"

    def test_numbers_have_no_gap_and_listeners_hear_what_is_written(self, tmp_path: Path) -> None:
        done = run(tmp_path)
        assert [event["seq"] for event in done.events] == list(range(len(done.events)))
        assert done.heard == done.events
        assert {event["run"] for event in done.events} == {"tiny"}
        assert all(earlier["time"] <= later["time"] for earlier, later in pairwise(done.events))

    def test_cadences_and_the_last_step(self, tmp_path: Path) -> None:
        done = run(tmp_path, {"train.steps": 7, "evaluate.every": 3, "measure.every": 4, "log.every": 2})
        assert done.steps("evaluated") == [0, 3, 6, 7]
        assert done.steps("measured") == [0, 4, 7]
        assert done.steps("trained") == [2, 4, 6, 7]
        assert done.steps("checkpoint") == [7]

    def test_a_run_of_no_steps(self, tmp_path: Path) -> None:
        done = run(tmp_path, {"train.steps": 0})
        assert done.status == "completed"
        assert [done.steps(kind) for kind in ("evaluated", "measured", "trained")] == [[0], [0], []]

    def test_start_says_what_it_runs_on(self, tmp_path: Path) -> None:
        (started,) = run(tmp_path).all("started")
        assert (started["task"], started["backend"], started["device"], started["precision"]) == (
            "modular", "reference", "cpu", "float32",
        )  # fmt: skip
        assert started["resumed_from"] is None
        assert started["facts"]["train_examples"] == 12
        assert started["config"]["train"]["steps"] == 20

    def test_signals_that_cost_nothing(self, tmp_path: Path) -> None:
        observed = (event["signals"] for event in run(tmp_path).all("observed"))
        first, *others = (signals for signals in observed if "weight_norm" in signals)
        assert first["distance_from_start"] == 0
        assert "gradient_norm" not in first
        assert [other["decay_time"] for other in others] == pytest.approx([0.05, 0.1, 0.15, 0.2])
        assert all(other["distance_from_start"] > 0 and other["gradient_norm"] > 0 for other in others)


# --- observing never disturbs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"measure.estimator": "off"},
        {"measure.every": 1},
        {"measure.samples": 4, "measure.baseline_samples": 1},
        {"measure.estimator": "finite-difference"},
        {"measure.precision": "float64"},
        {"measure.blocks": True},
        {"evaluate.every": 1},
        {"log.every": 1},
        {"snapshot.every": 3},
        {"snapshot.every": 2, "observe.signals": "pc1"},
        {"observe.signals": "finite_difference_defect"},
        {"forecast.enabled": False},
        {"checkpoint.every": 1},
    ],
    ids=lambda settings: ",".join(f"{key}={value}" for key, value in settings.items()),
)
def test_whatever_is_observed_the_run_is_the_same(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert run(tmp_path, settings).digest == undisturbed()


def test_each_draw_has_a_stream_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch a step, two probe batches a sample, nothing drawn twice."""
    drawn: list[tuple[Any, ...]] = []

    def recorded(*key: Any) -> np.random.Generator:
        drawn.append(key)
        return generator(*key)

    monkeypatch.setattr(loop, "generator", recorded)
    monkeypatch.setattr(vantage, "generator", recorded)
    run(tmp_path, {"train.steps": 6, "train.seed": 3})
    batches = [key for key in drawn if key[1] == "batch"]
    assert len(set(batches)) == len(batches) == 6
    assert [key for key in drawn if key not in batches] == [
        (3, "probe", step, index) for step, count in ((0, 3), (5, 2), (6, 2)) for index in range(count)
    ]


def test_what_is_no_observation_changes_the_run(tmp_path: Path) -> None:
    digests = {
        run(tmp_path / str(number), settings).digest
        for number, settings in enumerate(
            [{"train.seed": 1}, {"optimizer.wd": 0.5}, {"train.batch_size": 9}, {"train.replicate": 1}]
        )
    }
    assert len(digests | {undisturbed()}) == 5


def test_a_replicate_differs_in_its_batches_alone(tmp_path: Path) -> None:
    first, second = (run(tmp_path / str(number), {"train.replicate": number}) for number in (0, 1))
    evaluations = [[event["test"] for event in found.all("evaluated")] for found in (first, second)]
    assert evaluations[0][0] == evaluations[1][0]
    assert evaluations[0][1] != evaluations[1][1]


# --- the probe --------------------------------------------------------------------------------------------------------


class TestProbe:
    def measured(self, folder: Path, **settings: Any) -> list[dict[str, Any]]:
        changes = {f"measure.{key}": value for key, value in settings.items()}
        return run(folder / "-".join(map(str, settings.values())), {"train.steps": 10, **changes}).all("measured")

    def test_more_samples_at_the_start(self, tmp_path: Path) -> None:
        counts = [len(event["defect"]["samples"]) for event in self.measured(tmp_path)]
        assert counts == [3, 2, 2]

    def test_more_samples_begin_with_the_same_ones(self, tmp_path: Path) -> None:
        few, many = (self.measured(tmp_path, samples=count)[1]["defect"]["samples"] for count in (2, 4))
        assert many[:2] == few
        assert len(set(many)) == 4

    def test_float64_probe_of_a_float32_run(self, tmp_path: Path) -> None:
        rough, precise = (self.measured(tmp_path, precision=precision) for precision in ("run", "float64"))
        assert [event["precision"] for event in rough] == ["float32"] * 3
        assert [event["precision"] for event in precise] == ["float64"] * 3
        for one, other in zip(rough, precise, strict=True):
            assert one["defect"]["median"] == pytest.approx(other["defect"]["median"], rel=1e-3)
            assert one["defect"]["median"] != other["defect"]["median"]
            assert one["floor"] > 1e8 * other["floor"]

    def test_shares(self, tmp_path: Path) -> None:
        event = self.measured(tmp_path, blocks=True, samples=1)[1]
        blocks = event["blocks"]
        assert blocks.keys() == {"embedding", "attention", "mlp", "norm", "head", "encoder.0"}
        assert sum(share for name, share in blocks.items() if name != "encoder.0") == pytest.approx(1)
        assert self.measured(tmp_path)[1]["blocks"] is None

    def test_finite_difference(self, tmp_path: Path) -> None:
        exact = self.measured(tmp_path, precision="float64")
        found = self.measured(tmp_path, precision="float64", estimator="finite-difference")
        for one, other in zip(found, exact, strict=True):
            assert (one["estimator"], one["eta"], one["relative_commutator"]) == ("finite-difference", 1e-3, None)
            assert (other["estimator"], other["eta"]) == ("exact", None)
            assert one["defect"]["median"] == pytest.approx(other["defect"]["median"], rel=0.05)
            assert one["gradient_norm"] == other["gradient_norm"]

    def test_off(self, tmp_path: Path) -> None:
        assert self.measured(tmp_path, estimator="off") == []

    def test_the_published_form_beside_the_exact_one(self, tmp_path: Path) -> None:
        both = run(tmp_path / "both", {"observe.signals": "finite_difference_defect"})
        alone = run(tmp_path / "alone", {"measure.estimator": "finite-difference"})
        signals = [event["signals"] for event in both.all("observed")]
        beside = [found["finite_difference_defect"] for found in signals if "finite_difference_defect" in found]
        floors = [found["finite_difference_floor"] for found in signals if "finite_difference_floor" in found]
        assert beside == [event["defect"]["median"] for event in alone.all("measured")]
        assert floors == [event["floor"] for event in alone.all("measured")]


class TestPC1:
    SETTINGS: ClassVar[dict[str, Any]] = {"snapshot.every": 2, "observe.signals": "pc1"}

    def pc1(self, found: Run) -> dict[int, float]:
        return {event["step"]: event["signals"]["pc1"] for event in found.all("observed") if "pc1" in event["signals"]}

    def test_is_that_of_the_snapshots_so_far(self, tmp_path: Path) -> None:
        found = run(tmp_path, self.SETTINGS)
        snapshots = [read_snapshot(file) for file in sorted(found.directory.snapshots.glob("*.safetensors"))]
        rows = np.array([_matrices(snapshot) for snapshot in snapshots], dtype=np.float64)
        expected = {}
        for count in range(4, len(rows) + 1):
            spread = np.linalg.svd(rows[:count] - rows[:count].mean(axis=0), compute_uv=False) ** 2
            expected[snapshots[count - 1].step] = spread[0] / spread.sum()
        assert self.pc1(found) == pytest.approx(expected, rel=1e-4)

    def test_goes_on_after_a_crash(self, tmp_path: Path) -> None:
        whole = run(tmp_path / "whole", self.SETTINGS)
        broken = tmp_path / "broken"
        crashed(broken, 15, self.SETTINGS)
        assert self.pc1(run(broken, resume=True)) == self.pc1(whole)


def _matrices(snapshot: Snapshot) -> list[float]:
    """All weights that stand in matrices of the layers, flat."""
    return [
        weight
        for name, tensor in snapshot.tensors().items()
        if tensor.ndim == 2 and "layers" in name
        for weight in tensor.ravel()
    ]


# --- stopping after grokking ------------------------------------------------------------------------------------------


def _known_test(options: Any, seed: int) -> Any:
    """A task that groks at once when it has memorized: it is tested on what it was trained on."""
    data = MODULAR.load(options, seed)
    return replace(data, splits={"test": data.train})


EASY = replace(
    MODULAR,
    load=_known_test,
    criteria={"sure": GrokCriterion("accuracy", 0.9, consecutive=2), "at-once": GrokCriterion("accuracy", 0.9)},
    default_criterion="sure",
)
EASY_SETTINGS = {"train.steps": 150, "optimizer.wd": 0.0, "measure.estimator": "off"}


class TestStopAfterGrok:
    def easy(self, folder: Path, wait: int) -> tuple[Run, int, int]:
        done = run(folder, {**EASY_SETTINGS, "train.stop_after_grok": wait}, task=EASY)
        (grokked,) = done.all("grokked")
        assert grokked["confirmed_at"] == grokked["step"] + 5
        return done, grokked["confirmed_at"], done.all("finished")[0]["steps"]

    @pytest.mark.parametrize("wait", [0, 7])
    def test_so_many_steps_after_it_was_confirmed(self, tmp_path: Path, wait: int) -> None:
        done, confirmed, steps = self.easy(tmp_path, wait)
        assert done.status == "grokked"
        assert steps == confirmed + wait
        assert done.steps("evaluated")[-1] == done.steps("checkpoint")[-1] == steps

    def test_never(self, tmp_path: Path) -> None:
        done, _, steps = self.easy(tmp_path, -1)
        assert (done.status, steps) == ("completed", 150)

    def test_not_beyond_the_last_step(self, tmp_path: Path) -> None:
        done, _, steps = self.easy(tmp_path, 1000)
        assert (done.status, steps) == ("completed", 150)

    def test_result(self, tmp_path: Path) -> None:
        done, confirmed, _ = self.easy(tmp_path, 0)
        (finished,) = done.all("finished")
        (memorized,) = done.all("memorized") or [{"step": None}]
        assert finished["result"]["grokked_step"] == confirmed - 5
        assert finished["result"]["memorized_step"] == memorized["step"]
        assert finished["result"]["lead_steps"] is None


# --- the inbox --------------------------------------------------------------------------------------------------------


def at_step(step: int, act: Callable[[Trainer], None]) -> Happening:
    """`act` once, when that step is recorded."""
    return lambda running, event: act(running) if (event["event"], event.get("step")) == ("trained", step) else None


class TestInbox:
    def test_pause_step_snapshot_and_resume(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "trained", "step": 5}:
                    ask(running, "pause")
                case {"event": "paused", "step": 5}:
                    ask(running, "step", count=2)
                case {"event": "paused"}:
                    ask(running, "snapshot")
                case {"event": "snapshot"}:
                    ask(running, "resume")

        done = run(tmp_path, happening=happening)
        said = [(event["event"], event["step"]) for event in done.heard if event["event"] in
                {"paused", "resumed", "snapshot"}]  # fmt: skip
        assert said == [("paused", 5), ("paused", 7), ("snapshot", 7), ("resumed", 7)]
        assert done.status == "completed"
        assert done.digest == undisturbed()

    def test_resumed_while_steps_are_taken(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "paused"}:
                    ask(running, "step", count=10)
                case {"event": "trained", "step": 5}:
                    ask(running, "pause")
                case {"event": "trained", "step": 10}:
                    ask(running, "resume")

        done = run(tmp_path, happening=happening)
        assert (done.steps("paused"), done.steps("resumed"), done.status) == ([5], [10], "completed")

    def test_stop_and_go_on(self, tmp_path: Path) -> None:
        stopped = run(tmp_path, happening=at_step(5, lambda running: ask(running, "stop")))
        assert stopped.status == "stopped"
        assert stopped.steps("checkpoint") == [5]
        done = run(tmp_path, resume=True)
        assert done.status == "completed"
        assert done.digest == undisturbed()

    def test_stop_while_paused(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "trained", "step": 5}:
                    ask(running, "pause")
                case {"event": "paused"}:
                    ask(running, "stop")

        assert run(tmp_path, happening=happening).status == "stopped"

    def test_interrupted(self, tmp_path: Path) -> None:
        done = run(tmp_path, happening=at_step(10, lambda running: running.recorder.interruption.ask()))
        assert done.status == "interrupted"
        assert done.all("finished")[0]["steps"] == 10

    @pytest.mark.parametrize(
        ("action", "reason"), [("resume", "resume was refused: the run is running"), ("step", "step was refused: the")]
    )
    def test_refused(self, tmp_path: Path, action: str, reason: str) -> None:
        done = run(tmp_path, happening=at_step(5, lambda running: ask(running, action)))
        (warned,) = done.all("warned")
        assert warned["reason"].startswith(reason)
        assert done.digest == undisturbed()

    def test_paused_twice(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "trained", "step": 5} | {"event": "paused"}:
                    ask(running, "pause")
                case {"event": "warned"}:
                    ask(running, "resume")

        done = run(tmp_path, happening=happening)
        assert [event["reason"] for event in done.all("warned")] == ["pause was refused: the run is paused"]

    def test_nobody_intervenes_here(self, tmp_path: Path) -> None:
        done = run(tmp_path, happening=at_step(5, lambda running: ask(running, "intervene", kind="kick")))
        (answer,) = done.all("intervened")
        assert (answer["kind"], answer["state"]) == ("kick", "refused")
        assert done.digest == undisturbed()

    def test_gibberish(self, tmp_path: Path) -> None:
        def litter(running: Trainer) -> None:
            for number, text in enumerate(("{", '{"action": "dance"}', "[]")):
                (running.recorder.directory.control / f"{number}.json").write_text(text)

        done = run(tmp_path, happening=at_step(5, litter))
        assert ["not understood" in event["reason"] for event in done.all("warned")] == [True] * 3
        assert list(done.directory.control.iterdir()) == []
        assert done.digest == undisturbed()


# --- divergence and what is written -----------------------------------------------------------------------------------


def test_a_diverged_run_stops_and_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    def spoil(running: Trainer) -> None:
        state = running.session.state()
        running.session.restore(state._replace(parameters=np.full_like(state.parameters, np.nan)))

    happening = at_step(10, spoil)
    with np.errstate(all="ignore"):
        done = run(tmp_path, {"checkpoint.every": 4}, happening=happening)
    assert done.status == "diverged"
    (diverged,) = done.all("diverged")
    assert (diverged["step"], diverged["reason"]) == (12, "loss is nan")
    assert done.steps("checkpoint") == [4, 8]
    evaluated = next(event for event in done.all("evaluated") if event["step"] == 10)
    assert evaluated["train"]["loss"] is None
    assert evaluated["flags"] == {"train.loss": "nan", "test.loss": "nan"}
    assert done.all("finished")[0]["status"] == "diverged"


def test_snapshots_hold_what_their_digests_say(tmp_path: Path) -> None:
    done = run(tmp_path, {"snapshot.every": 10})
    assert done.steps("snapshot") == [0, 10, 20]
    for event in done.all("snapshot"):
        file = done.directory.path / event["path"]
        snapshot = read_snapshot(file)
        assert snapshot.step == event["step"]
        assert file.stat().st_size == event["bytes"]
        assert parameters_digest(snapshot.parameters) == event["digest"]
    assert event["digest"] == done.digest == done.all("checkpoint")[-1]["digest"]


# --- resuming ---------------------------------------------------------------------------------------------------------


class Crash(Exception):
    pass


def crashed(folder: Path, step: int, settings: dict[str, Any] | None = None, **options: Any) -> None:
    """A run whose process dies at `step`, after the record of that step has begun."""

    def crash(_: Trainer) -> None:
        raise Crash

    with pytest.raises(Crash):
        run(folder, settings, happening=at_step(step, crash), **options)


def without_clock(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as they would be on any machine, without those that only say that a run was resumed. (A checkpoint's
    header holds seconds, so that its size is the clock's too.)"""
    timing = {"time", "seq", "seconds", "bytes", "steps_per_second", "tokens_per_second", "seconds_left"}
    return [
        {key: value for key, value in event.items() if key not in timing}
        for event in events
        if event["event"] != "started"
    ]


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

    def test_longer_than_was_meant(self, tmp_path: Path) -> None:
        run(tmp_path, {"train.steps": 10})
        done = run(tmp_path, {"train.steps": 20}, resume=True)
        assert done.digest == undisturbed()
        assert done.steps("finished") == [20]

    def test_a_damaged_checkpoint_is_passed_over(self, tmp_path: Path) -> None:
        crashed(tmp_path, 18, {"checkpoint.every": 5, "log.every": 1})
        (newest, older) = sorted((tmp_path / "tiny" / "checkpoint").iterdir(), reverse=True)
        newest.write_bytes(newest.read_bytes()[:100])
        done = run(tmp_path, resume=True)
        assert done.all("started")[-1]["resumed_from"] == 10
        assert older.name == "step-00000010.safetensors"
        assert done.digest == undisturbed()

    def test_on_torch_to_the_bit(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        settings = {"backend.name": "torch", "backend.device": "cpu", "backend.threads": 1}
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


def _resumed_easy(folder: Path) -> list[dict[str, Any]]:
    """`resumed_config` asks the registry for the task; here it is one that nobody installed."""
    directory = RunDirectory(folder / "tiny")
    config, options = resolve(EASY, TINY, EASY_SETTINGS)
    with launched(directory, config, EASY, options, resume=True) as trainer:
        trainer.run()
    return list(read(directory.events))
