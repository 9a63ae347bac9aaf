"""Settings by name for SCAN."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "train.steps": 60_000,
        "train.batch_size": 256,
        "train.stop_after_grok": 1000,
        "optimizer.lr": 1e-4,
        "optimizer.wd": 1.0,
        "evaluate.every": 500,
        "measure.every": 500,
        "measure.samples": 5,
    },
    "quick": {
        "task.test_size": 1000,
        "model.width": 128,
        "model.layers": 2,
        "model.feed_forward": 256,
        "train.steps": 4000,
        "train.batch_size": 128,
        "train.stop_after_grok": 200,
        "optimizer.lr": 5e-4,
        "optimizer.wd": 1.0,
        "evaluate.every": 100,
        "measure.every": 200,
        "measure.samples": 3,
        "measure.baseline_samples": 5,
        "detect.grokking": "first-0.95",
    },
}
