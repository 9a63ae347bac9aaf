"""Sweeps that nobody ran: directories in every state a cell can be in."""

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from events_made import write_log

from grokscope.sweeps import Cell, Sweep, plan

TINY: dict[str, Any] = {
    "task.modulus": 7, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "train.batch_size": 8, "train.steps": 40, "measure.samples": 1, "measure.baseline_samples": 2,
    "backend.name": "torch", "backend.threads": 1,
}  # fmt: skip
"""Settings of a model that trains in milliseconds."""

Planned = Callable[..., Sweep]
Begun = Callable[..., None]


def planned_in(runs: Path, axes: dict[str, list[Any]], base: Mapping[str, Any] = {}, **more: Any) -> Sweep:
    """A sweep of tiny cells in `runs/s`, by its axes and what else its file says."""
    settings = {key: value for key, value in {**TINY, **base}.items() if key not in axes}
    return plan({"name": "s", "task": "modular", "base": settings, "axes": axes, **more}, runs)


def begin(cell: Cell, state: str, *, step: int = 20, grokked: int | None = None) -> None:
    """Give a cell the log of a run that is in `state`."""
    process = {"running": os.getpid()}.get(state, 1 << 30)
    events: list[dict[str, Any]] = [
        {"event": "started", "step": 0, "config": cell.config.model_dump(mode="json"), "task": cell.task,
         "process": process, "host": socket.gethostname()},
        {"event": "evaluated", "step": step},
    ]  # fmt: skip
    if grokked is not None:
        events.append({"event": "grokked", "step": grokked})
    if state not in {"running", "crashed"}:
        events.append({"event": "finished", "step": step, "status": state, "steps": step})
    cell.directory.path.mkdir(parents=True)
    cell.directory.config.write_text(cell.config.to_toml())
    write_log(cell.directory.events, *events)
    cell.directory.heartbeat.write_text(json.dumps({"process": process, "host": socket.gethostname()}))
