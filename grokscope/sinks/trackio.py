"""Trackio. `TRACKIO_DIR`, `TRACKIO_SPACE_ID` or `TRACKIO_SERVER_URL` say where; on this machine without them."""

import os
from contextvars import Context
from pathlib import Path
from typing import Any

import trackio
from trackio.sqlite_storage import SQLiteStorage

from grokscope.sinks.numbers import Told, ToldRun


class TrackioSink:
    """A run of its own in the project. Trackio raises nothing where it can keep nothing: it warns, in a thread of its
    own, and notes for itself that it did."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._expected = self._kept()
        """Records that should stand in its database"""
        self.where = f"trackio show --project {run.project}"

    def log(self, told: Told) -> None:
        self._run.log(dict(told.numbers), step=told.step)
        self._expected += 1
        self._raise_what_it_warned_of()

    def close(self, status: str) -> None:
        self._run.finish()
        self._raise_what_it_warned_of()
        kept = self._kept()
        if kept < self._expected and getattr(self._run, "_is_local", False):
            raise RuntimeError(f"it has {kept:,} of {self._expected:,} records: its folder is full, or gone")

    def _kept(self) -> int:
        return int(SQLiteStorage.get_log_count(self._run.project, run_id=self._run.id))

    def _raise_what_it_warned_of(self) -> None:
        if noted := getattr(self._run, "_warned_failures", ()):
            raise RuntimeError(f"it could not keep everything ({', '.join(sorted(noted))}); its own warnings say why")


def opened_sink(run: ToldRun, folder: Path | None) -> TrackioSink:
    """In the project of `TRACKIO_PROJECT`, else in `grokscope`; a resumed run goes on there."""
    return TrackioSink(
        Context().run(  # else trackio would end the run that a process of its own accord has begun
            trackio.init,
            project=os.environ.get("TRACKIO_PROJECT", "grokscope"), name=run.name, config=dict(run.config),
            resume="allow" if run.first_step else "never", embed=False, auto_log_gpu=False, auto_log_cpu=False,
        )
    )  # fmt: skip
