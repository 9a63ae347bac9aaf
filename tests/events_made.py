"""Whole events from a few words: what a test does not say is filled in, as the schema asks for it."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_SCORES = {"loss": 1.0, "accuracy": 0.5, "sequence_accuracy": 0.5}
_DETECTION = {"rule": {"name": "made"}, "value": 0.5, "cadence": 100, "confirmed_at": 0}
_NEEDED: dict[str, dict[str, Any]] = {
    "started": {
        "config": {}, "task": "modular", "backend": "torch", "device": "cpu", "precision": "float32", "parameters": 1,
        "versions": {}, "host": "nowhere", "process": 1, "facts": {},
    },
    "trained": {
        "loss": 1.0, "lr": 0.001, "gradient_norm": 0.5, "clipped": False, "steps_per_second": 100.0,
        "tokens_per_second": 1000.0,
    },
    "evaluated": {"train": _SCORES, "test": _SCORES, "seconds": 0.1},
    "measured": {
        "defect": {"median": 1.0, "p25": 0.5, "p75": 2.0, "samples": [1.0]}, "commutator_norm": 0.25,
        "relative_commutator": 0.5, "gradient_norm": 1.0, "gradient_cosine": 0.1, "estimator": "exact",
        "precision": "float32", "floor": 0.001, "below_floor": False, "seconds": 0.2,
    },
    "observed": {"signals": {}},
    **dict.fromkeys(("memorized", "onset", "turned", "grokked", "regressed"), _DETECTION),
    "fired": {**_DETECTION, "signal": "defect"},
    "intervened": {"kind": "kick", "state": "on", "parameters": {}, "source": "control"},
    "snapshot": {"path": "snapshots/a", "bytes": 1, "digest": "0"},
    "checkpoint": {"path": "checkpoint/a", "bytes": 1, "digest": "0"},
    **{kind: {"reason": "made"} for kind in ("paused", "resumed", "diverged", "warned")},
    "paced": {"reason": "made", "every": 200, "overhead": 0.04},
    "finished": {"status": "completed", "steps": 1, "seconds": 1.0, "result": {}, "parameters_digest": "0"},
}  # fmt: skip


def whole(event: str, seq: int = 0, **fields: Any) -> dict[str, Any]:
    """An event that `grokscope.runs.lines` lets pass, with `fields` as they are given."""
    time = (datetime(2026, 11, 23, 12) + timedelta(seconds=seq)).isoformat(timespec="milliseconds")
    envelope = {"v": 1, "run": "made", "seq": seq, "time": f"{time}Z"}
    return {**envelope, "event": event, "step": 0, **_NEEDED.get(event, {}), **fields}


def line(event: str, seq: int = 0, **fields: Any) -> str:
    """The same as a line of a log, without its end."""
    return json.dumps(whole(event, seq, **fields), separators=(",", ":"))


def write_log(file: Path, *events: dict[str, Any]) -> Path:
    """A log of whole events, each given by its kind and what matters, numbered in this order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line(**{'seq': seq, **event})}\n" for seq, event in enumerate(events)))
    return file
