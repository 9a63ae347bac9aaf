"""A run nobody trained: every number in it is known beforehand."""

import json
from pathlib import Path
from typing import Any

from grokscope.registry import get
from grokscope.settings.config import resolve

STEPS = 1200
EVERY = 100


def made_events() -> list[dict[str, Any]]:
    """Memorized at 200; the defect crosses once at 200, for good at 400; test loss turns at 600; grokked at 800."""
    train = [0.1, 0.6, 1.0, *[1.0] * 10]
    test = [0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.5, 0.92, 0.985, 0.99, 0.99, 0.995, 0.995]
    loss = [2.5, 3.0, 4.0, 5.0, 5.2, 5.1, 4.0, 1.0, 0.5, 0.25, 0.125, 0.125, 0.125]
    defect = [0.5, 1.0, 25.0, 8.0, 30.0, 60.0, 90.0, 80.0, 40.0, 20.0, 10.0, 5.0, 4.0]
    settings = {"train.steps": STEPS, "task.modulus": 11, "backend.name": "torch"}
    config, _ = resolve(get("tasks", "modular"), settings)
    events: list[dict[str, Any]] = [
        {
            "event": "started", "step": 0, "config": config.model_dump(mode="json"), "task": "modular",
            "backend": "torch", "device": "cpu", "precision": "float32", "parameters": 2123,
            "versions": {"grokscope": "0.1.0"}, "host": "nowhere", "process": 1, "facts": {"train_examples": 60},
            "interventions": [], "resumed_from": None,
        }
    ]  # fmt: skip
    for index in range(len(train)):
        step = index * EVERY
        if step:
            events.append(
                {
                    "event": "trained", "step": step, "loss": loss[index] / 2, "lr": 0.001, "gradient_norm": 0.5,
                    "clipped": False, "steps_per_second": 200.0, "tokens_per_second": 3200.0, "seconds_left": None,
                }
            )  # fmt: skip
        events += [
            {
                "event": "measured", "step": step,
                "defect": {"median": defect[index], "p25": defect[index] / 2, "p75": defect[index] * 2,
                           "samples": [defect[index]] * 3},
                "commutator_norm": 0.25, "relative_commutator": 0.5, "gradient_norm": 1.0, "gradient_cosine": 0.125,
                "estimator": "exact", "precision": "float32", "eta": None, "floor": 0.001, "below_floor": False,
                "seconds": 0.2, "blocks": None,
            },
            {
                "event": "evaluated", "step": step, "seconds": 0.1,
                "train": {"loss": loss[index] / 2, "accuracy": train[index], "sequence_accuracy": train[index]},
                "test": {"loss": loss[index], "accuracy": test[index], "sequence_accuracy": test[index]},
            },
            {"event": "observed", "step": step, "signals": {"weight_norm": 16.0 - index}},
        ]  # fmt: skip
    events += [
        {
            "event": "grokked", "step": 800, "rule": {"name": "sustained-0.98"}, "value": 0.985, "cadence": 100,
            "confirmed_at": 1000,
        },
        {
            "event": "finished", "step": STEPS, "status": "completed", "steps": STEPS, "seconds": 10.0,
            "result": {"grokked_step": 800}, "parameters_digest": "0" * 64,
        },
    ]  # fmt: skip
    return [_in_envelope(seq, event) for seq, event in enumerate(events)]


def _in_envelope(seq: int, event: dict[str, Any]) -> dict[str, Any]:
    milliseconds = seq * 200  # 13 evaluations, 13 measurements and 1,200 steps fit into this time
    time = f"2026-11-23T12:00:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}Z"
    return {"v": 1, "run": "made", "seq": seq, "time": time, **event}


def write_made_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    text = "".join(json.dumps(event) + "\n" for event in made_events())
    (folder / "events.jsonl").write_text(text)
    return folder
