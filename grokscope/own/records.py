"""What a probe records of a model between two steps of its loop, without a trace in the loop."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import StepOutcome
from grokscope.contract.own_models import OwnModel
from grokscope.events import Evaluated, Event, Warned
from grokscope.own.evaluation import OwnSplit, Scored
from grokscope.own.one_defect import ProbeWarning
from grokscope.own.vantage import OwnObserver
from grokscope.training.recorder import Recorder


class ProbeRecords:
    """Everything that is looked at, in one recorder."""

    def __init__(
        self,
        model: OwnModel,
        recorder: Recorder,
        observer: OwnObserver,
        splits: Mapping[str, OwnSplit],
        snapshot_every: int,
    ) -> None:
        self._model, self._recorder, self._observer, self._splits = model, recorder, observer, splits
        self._snapshot_every = snapshot_every

    def all(self, step: int, outcome: StepOutcome | None, known: Mapping[str, Scored] | None = None) -> None:
        """Whatever is due at a record: `outcome` is what the loop has said of this step, `known` are the splits that
        were scored at it already."""
        self._look(self._events(step, outcome, known or {}))

    def snapshot(self, step: int, outcome: StepOutcome | None) -> None:
        """The parameters alone, and the signals that look at them."""
        self._look(self._snapshotted(step, outcome))

    def obey(self, step: int) -> None:
        """Do what somebody asks of the run: pausing waits here."""
        for letter in self._recorder.control.commands(step):
            answer = self._recorder.snapshot(step, self._model.layout, self.parameters(), "control")
            self._recorder.emit(answer.model_copy(update={"command": letter.name}))

    def parameters(self) -> FloatArray:
        """The parameters now, [size]."""
        with self._model.looking():
            return self._model.tonumpy(self._model.theta)

    def _look(self, events: Iterator[Event]) -> None:
        with self._model.looking():
            try:
                for event in events:
                    self._recorder.emit(event)
                    if isinstance(event, Warned):  # a signal has failed: who runs the loop may never look at the log
                        warnings.warn(f"{event.reason}; training goes on", ProbeWarning, stacklevel=2)
            finally:
                self._observer.forget()

    def _events(self, step: int, outcome: StepOutcome | None, known: Mapping[str, Scored]) -> Iterator[Event]:
        yield from self._observer.measured(step, outcome)
        if self._splits:
            yield self._evaluated(step, known)
        yield from self._observer.looked_at(step, outcome)
        if self._snapshot_every and step % self._snapshot_every == 0:
            yield from self._snapshotted(step, outcome)
        yield from self._observer.recorded(step, outcome)

    def _evaluated(self, step: int, known: Mapping[str, Scored]) -> Evaluated:
        scored = {name: known.get(name) or split.scored() for name, split in self._splits.items()}
        scores: dict[str, Any] = {name: each.scores for name, each in scored.items()}
        return Evaluated(step=step, seconds=sum(each.seconds for each in scored.values()), **scores)

    def _snapshotted(self, step: int, outcome: StepOutcome | None) -> Iterator[Event]:
        vector = self._model.tonumpy(self._model.theta)
        yield self._recorder.snapshot(step, self._model.layout, vector)
        yield from self._observer.snapshotted(step, outcome)
