"""Settings by name for sparse parity."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "train.steps": 50_000,
        "train.batch_size": 32,
        "train.stop_after_grok": 1000,
        "optimizer.lr": 1e-3,
        "optimizer.wd": 0.3,
        "evaluate.every": 100,
        "measure.every": 200,
        "measure.samples": 5,
    },
    "quick": {
        "task.bits": 16,
        "task.train_size": 600,
        "task.test_size": 1000,
        "model.width": 32,
        "model.feed_forward": 64,
        "train.steps": 3000,
        "train.batch_size": 64,
        "train.stop_after_grok": 200,
        "optimizer.lr": 1e-3,
        "optimizer.wd": 0.3,
        "evaluate.every": 50,
        "measure.every": 100,
        "measure.samples": 3,
        "measure.baseline_samples": 5,
    },
}
"""`paper` has the published sizes of the data alone: the published network and optimizer are others, see `SPEC.source`.
`quick` reaches a test accuracy of 0.98 within 1,000 steps (seed 42). With a weight decay of 1 it does not by 1,500."""
