"""Synthetic runs for the tests of the TUI: written as the trainer writes them, with a clock that stands still."""

import json
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from grokscope.events import SCHEMA_VERSION
from grokscope.runs.directory import RunDirectory
from grokscope.tui.app import GrokscopeApp

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)

Event = dict[str, Any]
Driven = Callable[..., AbstractAsyncContextManager[tuple[GrokscopeApp, Pilot[None]]]]
"""What the fixture `driven` is."""


def config(lr: float = 1e-3, wd: float = 1.0, seed: int = 42, steps: int = 4000) -> Event:
    return {
        "task": {"name": "modular", "modulus": 97},
        "optimizer": {"lr": lr, "wd": wd},
        "train": {"seed": seed, "steps": steps},
    }


class Script:
    """Numbers and dates events; one second for every twenty steps."""

    def __init__(self, run: str = "made") -> None:
        self.run = run
        self.events: list[Event] = []

    def add(self, event: str, step: int | None = None, at: float | None = None, **fields: Any) -> Event:
        seconds = at if at is not None else (step or 0) / 20
        stamp = (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"v": SCHEMA_VERSION, "run": self.run, "seq": len(self.events), "time": stamp, "event": event}
        made = head | ({} if step is None else {"step": step}) | fields
        self.events.append(made)
        return made

    def started(self, **changes: Any) -> Event:
        fields = {
            "config": config(),
            "task": "modular",
            "backend": "torch",
            "device": "cpu",
            "precision": "float32",
            "parameters": 290401,
            "versions": {},
            "host": "elsewhere",
            "process": 1,
            "facts": {},
            "origin": "grokscope",
            "metric": "accuracy",
            "criteria": {},
            "rules": {},
            "signals": {},
            "interventions": [],
            "intervention_parameters": {},
            "resumed_from": None,
            "imported": None,
            "model": {},
        }
        return self.add("started", **({"step": 0} | fields | changes))

    def trained(self, step: int, **changes: Any) -> Event:
        fields = {
            "loss": falling(step, 300), "lr": 1e-3, "gradient_norm": 0.5, "clipped": False,
            "steps_per_second": 20.0 + step % 7, "tokens_per_second": 30000.0,
        }  # fmt: skip
        return self.add("trained", step, **(fields | changes))

    def evaluated(self, step: int, **changes: Any) -> Event:
        def scores(half: float) -> Event:
            accuracy = 1 / (1 + math.exp((half - step) / 60))
            return {"loss": falling(step, half), "accuracy": accuracy, "sequence_accuracy": accuracy}

        return self.add("evaluated", step, **({"train": scores(300), "test": scores(2100), "seconds": 0.1} | changes))

    def measured(self, step: int, below: bool = False, **changes: Any) -> Event:
        middle = 0.2 * 10 ** min(3.0, step / 900) * (1 + 0.2 * math.sin(step / 130))
        spread = {
            "median": middle,
            "p25": middle * 0.8,
            "p75": middle * 1.3,
            "samples": [middle, middle * 0.8, middle * 1.3],
        }
        fields = {
            "defect": spread, "commutator_norm": middle / 50, "relative_commutator": 0.6 - step / 8000,
            "gradient_norm": 0.3, "gradient_cosine": 0.2, "estimator": "exact",
            "precision": "float32", "eta": None, "floor": 0.01, "below_floor": below, "seconds": 0.2, "blocks": None,
        }  # fmt: skip
        return self.add("measured", step, **(fields | changes))

    def observed(self, step: int) -> Event:
        return self.add("observed", step, signals={"weight_norm": 40 - step / 200, "distance_from_start": step / 30})

    def detected(self, name: str, step: int, confirmed_at: int) -> Event:
        return self.add(
            name, step, at=confirmed_at / 20, rule={"name": "persistent", "times": 3}, value=0.99, cadence=100,
            confirmed_at=confirmed_at,
        )  # fmt: skip

    def lines(self) -> list[bytes]:
        return [json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() for event in self.events]

    def write(self, folder: Path) -> RunDirectory:
        """The run as a directory."""
        run = RunDirectory(folder / self.run)
        run.path.mkdir(parents=True, exist_ok=True)
        run.control.mkdir(exist_ok=True)
        run.events.write_bytes(b"".join(line + b"\n" for line in self.lines()))
        return run


def falling(step: float, half: float) -> float:
    return 4.0 / (1 + math.exp((step - half) / 150)) + 0.002


def whole_run(name: str = "made", steps: int = 3000, finish: bool = True, **started: Any) -> Script:
    """A run that memorizes at 400, has its onset at 1200 and groks at 2200."""
    script = Script(name)
    script.started(**started)
    for step in range(0, steps + 1, 20):
        script.trained(step)
        if step % 100 == 0:
            script.measured(step, below=step < 200)
            script.evaluated(step)
            script.observed(step)
        for found, happened, known in (("memorized", 400, 400), ("onset", 1200, 1400), ("grokked", 2200, 2300)):
            if step == known:
                script.detected(found, happened, known)
    if finish:
        script.add(
            "finished", steps, status="grokked", steps=steps, seconds=steps / 20, result={"grokked_step": 2200},
            parameters_digest="00", session=0,
        )  # fmt: skip
    return script
