"""Weights & Biases. `WANDB_PROJECT`, `WANDB_DIR`, `WANDB_MODE`, … say where; offline where nobody is logged in."""

import os
from pathlib import Path
from typing import Any

import wandb

from grokscope.gate import real_path
from grokscope.sinks.numbers import Told, ToldRun
from grokscope.sinks.tools import ENDED_WELL

_LOST = "failed to save record"
"""What wandb says in its own log alone, where it cannot write"""


class WandbSink:
    """A run of its own beside whatever else the process tells wandb. Charts go by `step`, which is a number like any
    other there: wandb's own counter takes no step that lies behind."""

    def __init__(self, run: Any) -> None:
        """Raises `RuntimeError` where wandb writes elsewhere, for it cannot write where it should."""
        self._run = run
        self._folder = Path(run.dir).parent
        self.where = run.url or str(self._folder)
        asked = os.environ.get("WANDB_DIR")
        if asked and not real_path(self._folder).is_relative_to(real_path(Path(asked))):
            raise RuntimeError(f"it cannot write WANDB_DIR, {asked}: its files stand in {self._folder}")
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step")

    def log(self, told: Told) -> None:
        self._run.log({"step": told.step, **told.numbers})

    def close(self, status: str) -> None:
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status in ENDED_WELL else 1)
        if not self._folder.exists():
            raise RuntimeError(f"its folder is gone: {self._folder}")
        if _LOST in Path(self._run.settings.log_internal).read_text("utf-8", "replace"):
            raise RuntimeError(f"it could not keep everything in {self._folder}: the disk may be full")


def opened_sink(run: ToldRun, folder: Path | None) -> WandbSink:
    """In the project of `WANDB_PROJECT`, else in `grokscope`."""
    mode = None if os.environ.get("WANDB_MODE") or wandb.login(prompt=False) else "offline"
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    return WandbSink(
        wandb.init(
            project=os.environ.get("WANDB_PROJECT", "grokscope"), name=run.name, config=dict(run.config), mode=mode,
            reinit="create_new", settings=settings, allow_val_change=True,
        )
    )  # fmt: skip
