"""Settings by name for Dyck-1."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "train.steps": 20_000,
        "train.batch_size": 50,
        "train.stop_after_grok": 1000,
        "optimizer.lr": 1e-3,
        "optimizer.wd": 1.0,
        "evaluate.every": 100,
        "measure.every": 100,
        "measure.samples": 5,
    },
    "quick": {
        "task.test_size": 1000,
        "train.steps": 5000,
        "train.batch_size": 50,
        "train.stop_after_grok": 500,
        "optimizer.lr": 2e-3,
        "optimizer.wd": 1.0,
        "evaluate.every": 50,
        "measure.every": 50,
        "measure.samples": 3,
        "measure.baseline_samples": 9,
    },
}
