"""Interventions that remember: what they keep is in every checkpoint, and a killed run goes on to the same bits."""

import os
import signal
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interventions_made import TINY
from numpy.testing import assert_array_equal
from pydantic import Field

from grokscope import registry
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress
from grokscope.interventions.basis import Parameters
from grokscope.runs.checkpoints import newest_first, read_checkpoint
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.runs.log import read
from grokscope.runs.snapshots import read_snapshot
from grokscope.settings.config import ConfigError, resolve
from grokscope.training.launch import launched, resumed_config
from grokscope.training.loop import Trainer

MODULAR = registry.get("tasks", "modular")
SETTINGS = {**TINY, "backend.name": "reference", "checkpoint.every": 5, "log.every": 2}


class MomentumParameters(Parameters):
    decay: float = Field(0.9, ge=0, lt=1, description="of the moving average")
    every: int = Field(1, ge=1, description="steps")


class Momentum(Intervention):
    """g ← g + average, where average ← decay average + (1 − decay) g."""

    def __init__(self, parameters: MomentumParameters) -> None:
        self._decay = parameters.decay
        self.every = parameters.every

    def before_update(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        average = self._decay * self.kept.get("average", 0 * gradient) + (1 - self._decay) * gradient
        count = self.kept.get("count", step.session.asarray(np.zeros(1, dtype=np.float32))) + 1
        self.kept = {"average": average, "count": count}
        step.gradient = gradient + average
        return Change(average, gradient, "gradient")


BYTES_A_NUMBER = 8

SPEC = InterventionSpec(
    name="momentum",
    summary="Add a moving average of the gradients to the gradient.",
    parameters=MomentumParameters,
    open=lambda parameters, on: Momentum(parameters),
    memory=lambda parameters, plan: BYTES_A_NUMBER * plan.layout.size,
)


@pytest.fixture(autouse=True)
def _offered(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = registry._entry_points
    point = EntryPoint("momentum", f"{__name__}:SPEC", "grokscope.interventions")
    monkeypatch.setattr(
        registry,
        "_entry_points",
        lambda kind: {**plugins(kind), **({"momentum": point} if kind == "interventions" else {})},
    )


def run(
    folder: Path,
    *schedule: str,
    resume: bool = False,
    happening: Callable[[Trainer, Mapping[str, Any]], None] | None = None,
    **settings: Any,
) -> RunDirectory:
    directory = RunDirectory(folder / "run")
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    if resume:
        _, config, options = resumed_config(directory, changes)
    else:
        config, options = resolve(MODULAR, SETTINGS, {"interventions.schedule": list(schedule), **changes})
    running: list[Trainer] = []

    def listen(event: Mapping[str, Any]) -> None:
        if happening is not None and running:
            happening(running[0], event)

    with launched(directory, config, MODULAR, options, resume=resume, listeners=[listen]) as trainer:
        running.append(trainer)
        trainer.run()
    return directory


def killed(step: int) -> Callable[[Trainer, Mapping[str, Any]], None]:
    def kill(_: Trainer, event: Mapping[str, Any]) -> None:
        if event["event"] == "trained" and event["step"] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def in_a_process_of_its_own(act: Callable[[], object]) -> int:
    """Its exit status as the system tells it."""
    process = os.fork()
    if not process:
        try:
            act()
        finally:
            os._exit(7)
    return os.waitpid(process, 0)[1]


def story(directory: RunDirectory) -> list[dict[str, Any]]:
    timing = {"time", "seq", "session", "seconds", "bytes", "steps_per_second", "tokens_per_second", "seconds_left"}
    kept = [event for event in read(directory.events) if event["event"] not in {"started", "warned"}]
    return [{key: value for key, value in event.items() if key not in timing} for event in kept]


def test_it_remembers(tmp_path: Path) -> None:
    """The norms tell: an average of one gradient is shorter than one of many that point the same way."""
    without = story(run(tmp_path / "a", "momentum@3:decay=0"))
    remembering = story(run(tmp_path / "b", "momentum@3"))
    assert without[-1]["parameters_digest"] != remembering[-1]["parameters_digest"]


def test_a_checkpoint_holds_what_it_keeps(tmp_path: Path) -> None:
    directory = run(tmp_path, "momentum@3:every=2")
    file = next(newest_first(directory.checkpoints))
    found = read_checkpoint(file, read_snapshot(file).layout)
    assert found.levers.keys() == {"momentum"}
    assert len(found.levers["momentum"]["average"]) == found.layout.size
    assert_array_equal(found.levers["momentum"]["count"], [9])  # steps 3, 5, …, 19


KEEPING = ["momentum@3", "momentum@3..14:every=2", "momentum@5", "grokfast@3", "clamp@3:ratio=0.9,direction=random",
           "embedding-lr@3:adaptive=true,refresh=5"]  # fmt: skip


@pytest.mark.parametrize("schedule", KEEPING)
@pytest.mark.parametrize("step", [8, 12, 16])
def test_killed_it_goes_on_to_the_same_bits(tmp_path: Path, schedule: str, step: int) -> None:
    whole = run(tmp_path / "whole", schedule)
    status = in_a_process_of_its_own(lambda: run(tmp_path / "cut", schedule, happening=killed(step)))
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert story(run(tmp_path / "cut", resume=True)) == story(whole)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer__name": "sgd", "optimizer__warmup": 10},
        {"optimizer__name": "muon", "optimizer__decay": "matrices"},
        {"optimizer__schedule": "cosine", "model__residual": "spherical"},
        {"model__attention": "uniform", "model__loss": "stablemax"},
    ],
    ids=lambda options: ", ".join(map(str, options.values())),
)
def test_killed_with_any_option_it_goes_on_to_the_same_bits(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = run(tmp_path / "whole", **options)
    status = in_a_process_of_its_own(lambda: run(tmp_path / "cut", happening=killed(12), **options))
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert story(run(tmp_path / "cut", resume=True)) == story(whole)


def test_interrupted_in_a_step_that_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it keeps is put back together with the parameters."""
    whole = run(tmp_path / "whole", "momentum@3:every=4")

    def before_update(self: Momentum, step: StepInProgress) -> Change | None:
        change = original(self, step)
        if step.number == 11:
            running[0].recorder.interruption.ask()
        return change

    original, running = Momentum.before_update, list[Trainer]()
    with monkeypatch.context() as patch:
        patch.setattr(Momentum, "before_update", before_update)
        run(tmp_path / "cut", "momentum@3:every=4", happening=lambda trainer, _: running.append(trainer))
    assert story(RunDirectory(tmp_path / "cut" / "run"))[-1]["steps"] == 11
    assert story(run(tmp_path / "cut", resume=True)) == story(whole)


def test_switched_on_anew_it_begins_anew(tmp_path: Path) -> None:
    """Also where a checkpoint of the same step holds what the one before it kept."""

    def twice(trainer: Trainer, event: Mapping[str, Any]) -> None:
        if event["event"] == "trained" and event["step"] in {4, 10}:
            command = Command(action="intervene", kind="momentum", state="on")
            send(trainer.recorder.directory.control, command)

    def killing(trainer: Trainer, event: Mapping[str, Any]) -> None:
        twice(trainer, event)
        if event.get("command") and event["step"] == 10:
            os.kill(os.getpid(), signal.SIGKILL)

    whole = run(tmp_path / "whole", happening=twice)
    in_a_process_of_its_own(lambda: run(tmp_path / "cut", happening=killing))
    done = run(tmp_path / "cut", resume=True)
    told = [[{k: v for k, v in it.items() if k != "command"} for it in story(each)] for each in (done, whole)]
    assert told[0] == told[1]


def test_more_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "BYTES_A_NUMBER", 2**40)
    with pytest.raises(ConfigError, match=r"momentum: it would take about .* TiB of memory, and .* are free"):
        run(tmp_path, "momentum@3")
    assert not (tmp_path / "run").exists()

    def asking(trainer: Trainer, event: Mapping[str, Any]) -> None:
        if event["event"] == "trained" and event["step"] == 4:
            send(trainer.recorder.directory.control, Command(action="intervene", kind="momentum", state="on"))

    (answer,) = (event for event in story(run(tmp_path, happening=asking)) if event["event"] == "intervened")
    assert answer["state"] == "refused"
    assert answer["reason"].startswith("momentum would take about ")
