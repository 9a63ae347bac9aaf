"""The loop on the NumPy reference: what it records and when, and what disturbs it (nothing)."""

from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from training_made import EASY, EASY_SETTINGS, Run, at_step, crashed, run, undisturbed

from grokscope.contract.streams import generator
from grokscope.runs.snapshots import Snapshot, parameters_digest, read_snapshot
from grokscope.training import loop, vantage
from grokscope.training.loop import Trainer

DETECTIONS = {"memorized", "onset", "grokked"}

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
