"""The logs of an experiment that nobody ran."""

import json
import socket
from pathlib import Path
from typing import Any

from grokscope.experiment.conduct import all_planned
from grokscope.experiment.design import Design, Planned, record_design


def write_experiment(runs: Path) -> Path:
    """Write the experiment `made`: project 0.5 takes 1.5 times as long, project 1 never groks, kick waits."""
    design = Design(
        name="made",
        task="modular",
        preset="small",
        seeds=[42, 137, 2024],
        arms={"kick": [10.0], "project": [0.5, 1.0], "project-random": [0.5]},
    )
    for planned in all_planned(record_design(design, runs), runs):
        if planned.arm.condition != "kick":
            _write(planned, _grok_step(planned))
    return runs / "made"


def _grok_step(planned: Planned) -> int | None:
    base = {42: 2300, 137: 2600, 2024: 2000}[planned.seed] + 100 * planned.replicate
    if planned.arm.condition == "project":
        return None if planned.arm.dose == 1 else base * 3 // 2
    return base


def _write(planned: Planned, grokked: int | None) -> None:
    """The log of a run that is over."""
    cell, steps = planned.cell, planned.cell.config.train.steps
    last = grokked + 200 if grokked else steps
    status = "grokked" if grokked else "completed"
    right, wrong = ({"loss": 1 - share, "accuracy": share, "sequence_accuracy": share} for share in (0.99, 0.01))
    events: list[dict[str, Any]] = [
        {"event": "started", "step": 0, "config": cell.config.model_dump(mode="json"), "task": cell.task, "process": 1,
         "host": socket.gethostname(), "backend": "torch", "device": "cpu", "precision": "float32", "parameters": 5,
         "versions": {}, "facts": {}},
        *({"event": "evaluated", "step": step, "seconds": 0.1, "train": right, "test": wrong if step < last else right}
          for step in range(0, last + 1, max(last // 4, 1))),
        *([{"event": "intervened", "step": 501, "kind": "any", "state": "applied", "relative_norm": 0.5}]
          if cell.config.interventions.schedule else []),
        *([{"event": "grokked", "step": grokked, "rule": {"name": "strict"}, "value": 1.0, "cadence": 50,
            "confirmed_at": grokked}] if grokked else []),
        {"event": "finished", "step": last, "status": status, "steps": last, "seconds": 60.0, "result": {"test": 0.99},
         "parameters_digest": "0" * 64},
    ]  # fmt: skip
    envelope = {"v": 1, "run": cell.slug, "time": "2026-11-27T00:00:00.000Z"}
    cell.directory.path.mkdir(parents=True)
    cell.directory.config.write_text(cell.config.to_toml())
    cell.directory.events.write_text(
        "".join(json.dumps({**envelope, "seq": seq, **e}) + "\n" for seq, e in enumerate(events))
    )
