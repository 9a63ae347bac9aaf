"""The loop, and nothing but the loop.

A trainer takes one session through training and tells what happened as events. All that it records at a step is
recorded before the step is left; checkpoints are written there too, so that resuming continues exactly behind them.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grokscope.contract.backends import Prepared, Session, StepOutcome
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import layout
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, TaskSpec
from grokscope.events import (
    CheckpointWritten,
    Criterion,
    Diverged,
    Event,
    Finished,
    Intervened,
    Paused,
    Resumed,
    Rule,
    SnapshotWritten,
    Started,
    Trained,
    Warned,
)
from grokscope.interventions.step import Source
from grokscope.interventions.treatment import Refused, Treatment, offered
from grokscope.runs import inbox
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import EventLog
from grokscope.runs.snapshots import parameters_digest, write_checkpoint, write_snapshot
from grokscope.settings.config import ConfigError, RunConfig
from grokscope.training.observation import Observer, descriptions, open_signals
from grokscope.training.pace import Pace
from grokscope.warning.forecast.live import LiveForecast
from grokscope.warning.watch import Watch
from grokscope.words.durations import duration

Status = Literal["completed", "grokked", "stopped", "interrupted", "diverged"]
Listener = Callable[[Mapping[str, Any]], None]
"""Called with every event as its line of JSON holds it."""

LONG_RUN_SECONDS = 30 * 60
PAUSED_POLL_SECONDS = 0.05
INBOX_POLL_SECONDS = 0.2

REORDERED = 1 << 32
"""Distance in the stream between one order of batches and the next; replicates lie between."""


@dataclass(frozen=True)
class Circumstances:
    """What a run's first event says beside its configuration."""

    backend: str
    versions: dict[str, str]
    host: str
    process: int
    resumed_from: int | None
    seconds_before: float = 0.0


def judged_by(config: RunConfig, task: TaskSpec) -> dict[str, Any]:
    """What `started` says of a run's metric, of what may count as grokking, and of the rules that it acts on."""
    detect = config.detect
    return {
        "metric": task.metric,
        "criteria": {name: Criterion(**asdict(criterion)) for name, criterion in task.criteria.items()},
        "rules": {
            "memorized": Rule(name="train-accuracy", threshold=detect.memorization),
            "onset": Rule(name=detect.onset),
            "grokked": Rule(name=detect.grokking or task.default_criterion),
        },
    }


class Trainer:
    """One run in one process."""

    def __init__(
        self,
        config: RunConfig,
        task: TaskSpec,
        data: TaskData,
        session: Session,
        directory: RunDirectory,
        log: EventLog,
        circumstances: Circumstances,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.config = config
        self.task = task
        self.data = data
        self.session = session
        self.directory = directory
        self.log = log
        self.circumstances = circumstances
        self.listeners = list(listeners)
        self.model = config.model_of(data.model)
        self.layout = layout(self.model)
        self.train = Packer(data.train, self.model)
        self.signals = open_signals(config, data, self.layout)
        self.treatment = Treatment(config, directory.path, session, self.layout, self.train)
        self.interrupted = False
        """Set (by a signal handler) to stop at the end of the step, with a checkpoint."""
        self.step = session.state().step
        """Optimizer steps taken."""
        self._started = time.monotonic()
        self._stopped = False
        self._paused = False
        self._steps_while_paused = 0
        self._inbox_read = -math.inf
        self._checkpointed: int | None = None
        self._snapshotted: int | None = None
        self._outcome: StepOutcome | None = None
        self._observer: Observer | None = None
        self._pace = Pace()
        self._length_known = circumstances.resumed_from is not None

    def run(self, recorded: Iterable[dict[str, Any]] = ()) -> Status:
        """Train to the end. `recorded` are the events that a resumed run has already, up to its checkpoint."""
        started = self._record_start()
        resumed = self.circumstances.resumed_from is not None
        self.watch, self.forecast = Watch(started), LiveForecast(started)
        events = list(recorded)
        for event in events:
            self.watch.see(event)
            self.forecast.see(event)
            self.treatment.replay(event)
        self.watch.see(started)
        if not resumed:
            self._warn(self.treatment.in_vain())
        packers = {name: Packer(split, self.model) for name, split in self.data.splits.items()}
        self._observer = observer = Observer(
            self.config, self.data, {"train": self.train, **packers}, self.session, self.layout, self.signals,
            self.directory.snapshots, started["metric"],
        )  # fmt: skip
        for event in events:
            observer.see(event)
        if resumed:
            self.treatment.reopen(self.watch.found)
        while True:
            if not resumed:
                self._record_step(observer)
                self._follow_schedule()
            resumed = False
            status = self._status_at_boundary()
            if status is not None:
                return self._finish(status)
            self._train_step()

    # --- one step ---------------------------------------------------------------------------------------------------

    def _train_step(self) -> None:
        config, session = self.config, self.session
        batch = self._training_batch()
        self._pace.start()
        acting = self.treatment.acting(self.step)
        if acting:
            self._outcome, acted = self.treatment.step(acting, batch, config.adamw, self.step)
        else:
            self._outcome, acted = session.step(batch, config.adamw), []
        self.step += 1
        logging = self.step % config.log.every == 0 or self.step == config.train.steps
        if logging:
            self._record_trained()
        for event in self.treatment.told(acted, self.step, logging):
            self._emit(event)
        self._pace.stop()

    def _training_batch(self) -> Prepared:
        order = self.config.train.replicate + self.treatment.batch_order * REORDERED
        random = generator(self.config.train.seed, "batch", self.step, order)
        rows = random.integers(len(self.train.examples), size=self.config.train.batch_size)
        self._pace.tokens += int(self.data.train.source_lengths[rows].sum())
        if self.data.train.target_lengths is not None:
            self._pace.tokens += int(self.data.train.target_lengths[rows].sum())
        return self.session.prepare(self.train.batch(rows))

    def _record_trained(self) -> None:
        assert self._outcome is not None
        loss, gradient_norm = float(self._outcome.loss), float(self._outcome.gradient_norm)
        steps_per_second, tokens_per_second = self._pace.read()
        clip = self.config.adamw.clip
        self._emit(
            Trained(
                step=self.step,
                loss=loss,
                lr=self.config.optimizer.lr,
                gradient_norm=gradient_norm,
                clipped=clip is not None and gradient_norm > clip,
                steps_per_second=steps_per_second,
                tokens_per_second=tokens_per_second,
                seconds_left=self._pace.remaining_seconds(self.config, self.step),
            )
        )
        self._warn_of_a_long_run()

    def _record_step(self, observer: Observer) -> None:
        """Everything that is due at the current step, before it is left."""
        config, step = self.config, self.step
        last = step >= self._last_step()
        if step % config.measure.every == 0 or last:
            self._emit_all(observer.measured(step, self._outcome))
        evaluating = step % config.evaluate.every == 0 or last
        if evaluating:
            self._emit_all(observer.evaluated(step, self._outcome))
        if config.snapshot.every and step % config.snapshot.every == 0:
            self._snapshot()
            self._emit_all(observer.snapshotted(step, self._outcome))
        if evaluating:
            self._emit_all(observer.recorded(step, self._outcome))
        forecast = self.forecast.changed(self._pace.remaining_seconds(config, step))
        if forecast is not None:
            self._emit(forecast)

    # --- between steps ----------------------------------------------------------------------------------------------

    def _status_at_boundary(self) -> Status | None:
        """What ends the run at this step, if anything does; obeys the inbox, and writes checkpoints when due."""
        if self._outcome is not None and self._is_record_step() and not math.isfinite(float(self._outcome.loss)):
            self._emit(Diverged(step=self.step, reason=f"loss is {float(self._outcome.loss)}"))
            return "diverged"
        self._obey_inbox()
        if self.interrupted:
            return "interrupted"
        if self._stopped:
            return "stopped"
        if self.step >= self._last_step():
            return "grokked" if self.step < self.config.train.steps else "completed"
        if self.step % self.config.checkpoint.every == 0 and self.step:
            self._checkpoint()
        return None

    def _is_record_step(self) -> bool:
        """Whether the loss is looked at here: reading it makes a GPU wait, so not at every step."""
        config, step = self.config, self.step
        everies = (config.log.every, config.evaluate.every, config.checkpoint.every)
        return any(step % every == 0 for every in everies) or step == config.train.steps

    def _last_step(self) -> int:
        wait = self.config.train.stop_after_grok
        grokked = self.watch.grokked
        if wait < 0 or grokked is None:
            return self.config.train.steps
        return min(self.config.train.steps, grokked.confirmed_at + wait)

    def _obey_inbox(self) -> None:
        """Read the inbox now and then; while paused, stay here."""
        if self._steps_while_paused:
            self._steps_while_paused -= 1
            if not self._steps_while_paused:
                self._emit(Paused(step=self.step, reason="the steps asked for are taken"))
        now = time.monotonic()
        if not self._paused and now - self._inbox_read < INBOX_POLL_SECONDS:
            return
        while True:
            self._inbox_read = time.monotonic()
            for command in inbox.receive(self.directory.control):
                self._obey(command)
            if self.interrupted or self._stopped or not self._paused or self._steps_while_paused:
                return
            time.sleep(PAUSED_POLL_SECONDS)

    def _obey(self, command: inbox.Command | str) -> None:
        if isinstance(command, str):
            self._emit(Warned(step=self.step, reason=command))
            return
        match command.action:
            case "pause" if not self._paused:
                self._paused = True
                self._emit(Paused(step=self.step, reason="asked for through the control inbox"))
            case "resume" if self._paused:
                self._paused, self._steps_while_paused = False, 0
                self._emit(Resumed(step=self.step, reason="asked for through the control inbox"))
            case "step" if self._paused:
                self._steps_while_paused += command.count
            case "stop":
                self._stopped = True
            case "snapshot":
                self._snapshot()
            case "intervene":
                self._intervene(command)
            case refused:
                state = "paused" if self._paused else "running"
                self._emit(Warned(step=self.step, reason=f"{refused} was refused: the run is {state}"))

    # --- interventions ----------------------------------------------------------------------------------------------

    def _follow_schedule(self) -> None:
        """Raises `ConfigError` where what was planned is not possible: the run would be another one."""
        for switch in self.treatment.due(self.step, self.watch.found):
            try:
                if switch.refusal is not None:
                    self._refuse(switch.kind, switch.refusal, "schedule")
                else:
                    self._emit(self._switched(switch.kind, switch.on, switch.parameters, "schedule"))
            except Refused as problem:
                self._refuse(switch.kind, str(problem), "schedule")
                raise ConfigError(f"{switch.kind} was planned for step {self.step}: {problem}") from None

    def _intervene(self, command: inbox.Command) -> None:
        """A switch is acknowledged when it is safe: a killed run goes on with it."""
        kind = command.kind or "unnamed"
        try:
            if command.state is None:
                raise Refused(f"is {kind} to be switched on or off?")
            event = self._switched(kind, command.state == "on", command.parameters, "control")
        except Refused as problem:
            self._refuse(kind, str(problem), "control")
        else:
            self._checkpoint(announcement=event)

    def _switched(self, kind: str, on: bool, parameters: Mapping[str, Any], source: Source) -> Intervened:
        """Switch, and write down the point at which an intervention was switched on. Raises `Refused`."""
        if not on:
            return self.treatment.switched_off(kind, source, self.step)
        event = self.treatment.switched_on(kind, parameters, source, self.step)
        if self._snapshotted != self.step:
            self._snapshot()
        return event

    def _refuse(self, kind: str, reason: str, source: Source) -> None:
        self._emit(Intervened(step=self.step, kind=kind, state="refused", source=source, reason=reason))

    def _warn_of_a_long_run(self) -> None:
        """Once, after the first steps: nobody should find out after an hour that it takes a day."""
        remaining = self._pace.remaining_seconds(self.config, self.step)
        if remaining is None or self._length_known:
            return
        self._length_known = True
        if remaining > LONG_RUN_SECONDS:
            other = "" if self.config.preset == "quick" else "; `--preset quick` shows the whole story in minutes"
            reason = f"{self.config.train.steps} steps will take about {duration(remaining)} on this machine{other}"
            self._emit(Warned(step=self.step, reason=reason))

    # --- what is written ---------------------------------------------------------------------------------------------

    def _checkpoint(self, announcement: Event | None = None) -> None:
        """`announcement`: an event that must not be read before the checkpoint holds what it says."""
        if self._checkpointed == self.step and announcement is None:
            return
        self.log.flush()
        state = self.session.state()
        file = write_checkpoint(
            self.directory.checkpoints,
            state,
            self.model,
            seq=self.log.seq,
            seconds=self._seconds(),
            backend=self.circumstances.backend,
            following=0 if announcement is None else 1,
        )
        self._checkpointed = self.step
        if announcement is not None:
            self._emit(announcement)
        digest = parameters_digest(state.parameters)
        path = str(file.relative_to(self.directory.path))
        self._emit(CheckpointWritten(step=self.step, path=path, bytes=file.stat().st_size, digest=digest))

    def _snapshot(self) -> None:
        self._snapshotted = self.step
        parameters = self.session.tonumpy(self.session.parameters)
        file = write_snapshot(self.directory.snapshots, self.step, self.model, parameters)
        digest = parameters_digest(parameters)
        path = str(file.relative_to(self.directory.path))
        self._emit(SnapshotWritten(step=self.step, path=path, bytes=file.stat().st_size, digest=digest))

    def _finish(self, status: Status) -> Status:
        if status != "diverged":
            self._checkpoint()
        if status in {"completed", "grokked", "diverged"}:  # others may go on
            self._warn(self.treatment.missed(self.step, self.watch.found))
        digest = parameters_digest(self.session.tonumpy(self.session.parameters))
        self._emit(
            Finished(
                step=self.step,
                status=status,
                steps=self.step,
                seconds=self._seconds(),
                result=self.watch.result(),
                parameters_digest=digest,
            )
        )
        self.log.flush()
        return status

    def _seconds(self) -> float:
        return self.circumstances.seconds_before + time.monotonic() - self._started

    def _record_start(self) -> dict[str, Any]:
        about, kinds = self.circumstances, offered()
        return self._write(
            Started(
                step=self.step,
                config=self.config.model_dump(mode="json"),
                task=self.task.name,
                **judged_by(self.config, self.task),
                backend=about.backend,
                device=self.session.device,
                precision=self.session.precision,
                parameters=self.layout.size,
                versions=about.versions,
                host=about.host,
                process=about.process,
                facts=dict(self.data.facts),
                signals={name: about.to_json() for name, about in descriptions(self.signals).items()},
                interventions=list(kinds),
                intervention_parameters=kinds,
                resumed_from=about.resumed_from,
            )
        )

    def _write(self, event: Event) -> dict[str, Any]:
        recorded = self.log.write(event)
        for listener in [*self.listeners]:
            listener(recorded)
        return recorded

    def _emit(self, event: Event) -> None:
        recorded = self._write(event)
        self.forecast.see(recorded)
        self._pace.see(recorded)
        if self._observer is not None:
            self._observer.see(recorded)
        for detection in self.watch.see(recorded):
            self._emit(detection)

    def _warn(self, reasons: Iterable[str]) -> None:
        self._emit_all(Warned(step=self.step, reason=reason) for reason in reasons)

    def _emit_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._emit(event)
