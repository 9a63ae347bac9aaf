"""TensorBoard: an event file in a folder, written by TensorBoard's own writer."""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from grokscope.sinks.numbers import Told, ToldRun


class TensorBoardSink:
    """One event file. Points from the first step on that older files of the folder hold are void, so that a resumed
    run, or one that is exported again, has none twice."""

    def __init__(self, run: ToldRun, folder: Path) -> None:
        self.where = str(folder)
        self._writer = EventFileWriter(self.where)
        self._writer.add_event(Event(step=run.first_step, session_log=SessionLog(status=SessionLog.START)))
        self._writer.add_event(Event(summary=hparams_pb(dict(run.config), trial_id=run.name)))

    def log(self, told: Told) -> None:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in told.numbers.items()]
        self._writer.add_event(Event(wall_time=told.seconds, step=told.step, summary=Summary(value=values)))

    def close(self, status: str) -> None:
        self._writer.close()
        if not Path(self.where).is_dir():
            raise RuntimeError(f"its folder is gone: {self.where}")


def opened_sink(run: ToldRun, folder: Path | None) -> TensorBoardSink:
    """In `folder`, else in the run directory: `tensorboard --logdir runs` shows all runs."""
    return TensorBoardSink(run, folder or run.path / "tensorboard")
