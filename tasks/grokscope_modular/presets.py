"""Settings by name for modular arithmetic."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "train.steps": 200_000,
        "train.batch_size": 512,
        "train.stop_after_grok": 1000,
        "optimizer.lr": 1e-3,
        "optimizer.wd": 1.0,
        "evaluate.every": 100,
        "measure.every": 100,
        "measure.samples": 5,
    },
    "quick": {
        "train.steps": 4000,
        "train.batch_size": 512,
        "train.stop_after_grok": 200,
        "optimizer.lr": 1.5e-3,
        "optimizer.wd": 1.0,
        "evaluate.every": 50,
        "measure.every": 50,
        "measure.samples": 3,
        "measure.baseline_samples": 5,
    },
    "small": {
        "task.modulus": 59,
        "model.width": 64,
        "model.feed_forward": 128,
        "train.steps": 6000,
        "train.batch_size": 256,
        "train.stop_after_grok": 200,
        "optimizer.lr": 2e-3,
        "optimizer.wd": 1.0,
        "evaluate.every": 50,
        "measure.every": 100,
        "measure.samples": 3,
        "measure.baseline_samples": 5,
    },
}
"""`small` memorizes within 500 steps and groks near 2,300, in half a minute on one core: made for many runs."""
