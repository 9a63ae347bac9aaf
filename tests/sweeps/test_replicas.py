"""Cells that train as one batched model: each run directory is that of the cell alone, to rounding."""

import math
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cli_process import Nursery, assert_whole, read_log, tiny, until_logged
from sweeps_made import Planned

from grokscope.contract.backends import BackendSpec, Bracket, Together
from grokscope.contract.examples import Examples
from grokscope.interventions.grokfast import Grokfast
from grokscope.settings.config import ConfigError
from grokscope.sweeps import Cell, read_standing, replicas
from grokscope.sweeps.replicas import batchable_groups, check_backend, gain, train_together
from grokscope.training.interruption import Interruption
from grokscope.training.loop import Trainer

TIMED = {"time", "seconds", "steps_per_second", "tokens_per_second", "seconds_left", "lead_seconds"}
"""What differs between two runs that are the same"""
OTHER_BITS = {"digest", "parameters_digest", "state_digest", "bytes"}
"""What differs where a number does by rounding"""
FLOAT64 = {"backend.precision": "float64", "train.steps": 50, "log.every": 1, "evaluate.every": 10, "measure.every": 10}


def trained(cells: list[Cell]) -> list[tuple[str, Exception]]:
    """Train the cells as one; the failures."""
    failures: list[tuple[str, Exception]] = []
    interruption = Interruption()
    train_together(cells, 1, interruption, lambda cell, problem: failures.append((cell.slug, problem)))
    return failures


def assert_alike(one: Any, other: Any, where: str = "") -> None:
    """Equal, but for durations, digests, and 1e-7 of a number."""
    if isinstance(one, Mapping):
        assert one.keys() == other.keys(), where
        for key in one.keys() - TIMED - OTHER_BITS - {"run"}:
            assert_alike(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for place, (mine, its) in enumerate(zip(one, other, strict=True)):
            assert_alike(mine, its, f"{where}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert math.isclose(one, other, rel_tol=1e-7, abs_tol=1e-9), f"{where}: {one} and {other}"
    else:
        assert one == other, where


def assert_as_alone(cells: Iterable[Cell], alone: Iterable[Cell]) -> None:
    """The logs of a group are those of its replicas, each trained alone."""
    for cell, single in zip(cells, alone, strict=True):
        assert trained([single]) == []
        assert_alike(read_log(cell.directory.path), read_log(single.directory.path), cell.slug)


AXES = {
    "train.seed": [1, 2],
    "optimizer.lr, optimizer.wd, optimizer.beta1, task.train_fraction, task.operation, interventions.schedule": [
        [1e-3, 1.0, 0.9, 0.5, "add", []],
        [2e-3, 0.0, 0.8, 0.4, "sub", ["noise@20..30"]],
        [1e300, 0.0, 0.9, 0.5, "add", []],
    ],
}


@pytest.mark.slow
def test_every_replica_records_what_it_records_alone(planned: Planned) -> None:
    """Also where others diverge or end sooner, and where an intervention acts on some."""
    pytest.importorskip("torch")
    cells = planned(AXES, FLOAT64).cells
    assert [len(group) for group in batchable_groups(cells, 64)] == [6]
    assert trained(list(cells)) == []
    alone = planned(AXES, FLOAT64, name="alone").cells
    assert_as_alone(cells, alone)
    states = [read_standing(cell).state for cell in cells]
    assert states == ["finished", "finished", "diverged"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "mlx"])
def test_brackets_that_all_look_at_are_computed_together(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """As on a GPU: at every measurement but the first, which comes before the first step."""
    pytest.importorskip("mlx.core" if backend == "mlx" else backend)
    settings = FLOAT64 | {"backend.name": backend, "backend.device": "cpu", "train.steps": 30, "measure.samples": 2}
    cells = planned({"train.seed": [1, 2, 3]}, settings).cells
    alone = planned({"train.seed": [1, 2, 3]}, settings, name="alone").cells
    asked: list[int] = []
    joined = replicas._joined

    def counted(trainers: Sequence[Trainer]) -> Together:
        together = joined(trainers)
        whole = together.brackets

        def brackets(*batches: Sequence[Examples]) -> Sequence[Bracket]:
            asked.append(len(batches[0]))
            return whole(*batches)

        monkeypatch.setattr(together, "brackets", brackets)
        if "cpu" in replicas.BRACKETS_TOGETHER:
            for trainer in trainers:
                monkeypatch.setattr(trainer.session, "bracket", None)  # or a signal would be left out with a warning
        return together

    monkeypatch.setattr(replicas, "_joined", counted)
    assert trained(list(cells)) == []
    assert asked == [], "a CPU takes one after the other"
    again = planned({"train.seed": [1, 2, 3]}, settings, name="again").cells
    monkeypatch.setattr(replicas, "BRACKETS_TOGETHER", {"cpu"})
    assert trained(list(again)) == []
    assert asked == 2 * 3 * [3], "two pairs at steps 10, 20 and 30"
    assert_as_alone(again, alone)


@pytest.mark.slow
def test_where_an_intervention_may_still_move_one_all_look_alone(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(replicas, "BRACKETS_TOGETHER", {"cpu"})
    settings = FLOAT64 | {"train.steps": 30, "optimizer.name": "sgd", "optimizer.lr": 0.05}
    schedules = {"interventions.schedule": [[], ["kick@9"]]}
    cells, alone = (planned(schedules, settings, name=name).cells for name in ("sweep", "alone"))
    assert trained(list(cells)) == []
    assert_as_alone(cells, alone)


LEVERS = [
    [],
    ["grokfast@3"],
    ["temperature@10..30:value=2", "grokfast"],
    ["orthograd@10"],
    ["noise@10:every=7,published=true"],
    ["project@8..20:basis=random,strength=0.5", "clamp@25:ratio=0.5"],
    ["penalty@8:basis=random"],
    ["kick@12"],
    ["embedding-lr:ratio=10"],
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "mlx"])
def test_every_lever_acts_in_a_group_as_alone(planned: Planned, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    """And its steps are steps of the group. Without Adam, which divides by what may be rounding alone."""
    pytest.importorskip("mlx.core" if backend == "mlx" else backend)
    optimizer = {"optimizer.name": "sgd", "optimizer.lr": 0.05, "optimizer.clip": 0.5}
    settings = FLOAT64 | {"backend.name": backend, "backend.device": "cpu", **optimizer}
    cells = planned({"interventions.schedule": LEVERS}, settings).cells
    alone = planned({"interventions.schedule": LEVERS}, settings, name="alone").cells
    with monkeypatch.context() as patch:
        patch.delattr(replicas, "taken")
        assert trained(list(cells)) == []
    assert_as_alone(cells, alone)


@pytest.mark.slow
def test_an_intervention_that_fails_takes_its_own_replica_alone(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(Grokfast, "before_update", lambda self, step: 1 // (step.number - 20))
    cells = planned({"train.seed": [1, 2], "interventions.schedule": [[], ["grokfast@20"]]}, FLOAT64).cells
    failures = trained(list(cells))
    assert [type(problem) for _, problem in failures] == [ZeroDivisionError] * 2
    assert [read_standing(cell).state for cell in cells if "grokfast" not in cell.slug] == ["finished"] * 2


@pytest.mark.slow
def test_replicas_that_were_stopped_or_failed_leave_the_others_alone(planned: Planned) -> None:
    pytest.importorskip("torch")
    cells = planned({"train.seed": [1, 2, 3]}, FLOAT64).cells
    cells[0].directory.path.mkdir(parents=True)
    cells[0].directory.events.mkdir()
    assert [slug for slug, _ in trained(list(cells))] == ["seed1"]
    assert [read_standing(cell).state for cell in cells[1:]] == ["finished"] * 2
    assert trained(list(cells[1:])) == []
    assert len([event for event in read_log(cells[1].directory.path) if event["event"] == "started"]) == 1


@pytest.mark.slow
def test_an_interrupted_group_goes_on_alone(nursery: Nursery, tmp_path: Path) -> None:
    """Or as one again; a killed one too."""
    steps = ["--steps=300", "--set=checkpoint.every=20", "--set=backend.precision=float64"]
    arguments = ["sweep", *tiny()[1:], *steps, "--axis=seed=1,2", "--name=s"]
    folder = tmp_path / "runs/s"
    sweep = nursery.start(*arguments, "--engine=replicas", folder=tmp_path)
    until_logged(folder / "seed2", "checkpoint")
    sweep.signal(signal.SIGINT)
    assert sweep.wait().code == 130
    assert {read_log(folder / seed)[-1].get("status") for seed in ("seed1", "seed2")} == {"interrupted"}
    done = nursery.run("sweep", "resume", "s", "--engine=replicas", folder=tmp_path)
    assert (done.code, done.out) == (0, "runs/s\n")
    assert nursery.run(*tiny("modular", "--seed=2", *steps, "--name=alone"), folder=tmp_path).code == 0
    mine, single = (assert_whole(run)[-1] for run in (folder / "seed2", tmp_path / "runs/alone"))
    assert_alike(mine["result"], single["result"])


def test_groups_share_what_makes_one_model(planned: Planned) -> None:
    cells = planned({"model.width": [8, 16], "train.batch_size": [4, 8], "train.seed": [1, 2, 3]}).cells
    assert [[cell.config.train.seed for cell in group] for group in batchable_groups(cells, 2)] == [[1, 2], [3]] * 4
    assert {
        len({(cell.config.model, cell.config.train.batch_size) for cell in group})
        for group in batchable_groups(cells, 9)
    } == {1}


def test_a_backend_that_trains_no_replicas_is_refused(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = BackendSpec("abacus", "", "", devices=list, open=None, details=dict)  # type: ignore[arg-type]
    monkeypatch.setattr(replicas, "available_backend", lambda config: (spec, "cpu"))
    with pytest.raises(ConfigError, match="the backend abacus trains no replicas; choose --engine local"):
        check_backend(planned({"train.seed": [1]}).cells)


def test_what_is_gained_is_measured(planned: Planned) -> None:
    pytest.importorskip("torch")
    gained = gain(planned({"train.seed": [1, 2]}).cells, 64, 1)
    assert gained is not None
    assert gained > 0
    assert gain(planned({"train.seed": [1]}).cells, 64, 1) is None
