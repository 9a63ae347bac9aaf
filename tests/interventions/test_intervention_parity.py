"""Under each intervention PyTorch and MLX train alike, in float32, over twenty steps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interventions_made import TINY

from grokscope import registry
from grokscope.contract.arrays import FloatArray
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import read
from grokscope.settings.config import resolve
from grokscope.training.launch import launched

pytest.importorskip("torch")
pytest.importorskip("mlx.core")

SETTINGS = {
    "snapshot.every": 2, "backend.device": "cpu", "backend.threads": 1, "measure.estimator": "off",
    "optimizer.epsilon": 1e-4, "optimizer.lr": 3e-3, "log.every": 1,
}  # fmt: skip
CLOSE = 1e-4
"""Largest relative difference of the parameters, step for step the same rounding"""
SCHEDULES = {
    "kick@5:alpha=500": CLOSE,
    "kick@5:alpha=500,published=true,basis=own": 1e-2,  # along a float32 finite difference, which is partly rounding
    "noise@5:every=4": CLOSE,
    "noise@5:every=4,published=true": CLOSE,
    "penalty@5:weight=0.3": CLOSE,
    "penalty@5:published=true": CLOSE,
    "project@5:strength=0.7": CLOSE,
    "project@5:strength=0.7,at=update": CLOSE,
    "project@5:strength=0.7,basis=random": CLOSE,
    "rescale@5:strength=0.7": CLOSE,
}


def trained(folder: Path, backend: str, schedule: str) -> tuple[FloatArray, list[dict[str, Any]]]:
    task = registry.get("tasks", "modular")
    config, options = resolve(task, TINY, SETTINGS, {"backend.name": backend, "interventions.schedule": [schedule]})
    directory = RunDirectory(folder / backend)
    with launched(directory, config, task, options, resume=False) as trainer:
        trainer.run()
        theta = trainer.session.tonumpy(trainer.session.parameters)
    return theta, [event for event in read(directory.events) if event["event"] == "intervened"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_parity(tmp_path: Path, schedule: str) -> None:
    (on_torch, said), (on_mlx, said_too) = (trained(tmp_path, backend, schedule) for backend in ("torch", "mlx"))
    assert np.linalg.norm(on_torch - on_mlx) < SCHEDULES[schedule] * np.linalg.norm(on_torch)
    assert [(event["step"], event["state"]) for event in said] == [
        (event["step"], event["state"]) for event in said_too
    ]
    for one, other in zip(said, said_too, strict=True):
        if one["state"] == "applied":
            assert one["norm"] == pytest.approx(other["norm"], rel=5e-3, abs=1e-6)
            assert one["relative_norm"] == pytest.approx(other["relative_norm"], rel=5e-3, abs=1e-6)
