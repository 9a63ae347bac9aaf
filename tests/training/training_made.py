"""Tiny runs on the NumPy reference, undisturbed or with something that happens to them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from grokscope import registry
from grokscope.contract.tasks import GrokCriterion, TaskSpec
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.runs.log import read
from grokscope.settings.config import resolve
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


def at_step(step: int, act: Callable[[Trainer], None]) -> Happening:
    """`act` once, when that step is recorded."""
    return lambda running, event: act(running) if (event["event"], event.get("step")) == ("trained", step) else None


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
    timing = {"time", "seq", "session", "seconds", "bytes", "steps_per_second", "tokens_per_second", "seconds_left"}
    return [
        {key: value for key, value in event.items() if key not in timing}
        for event in events
        if event["event"] != "started"
    ]


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
