"""The loop, and nothing but the loop.

A trainer takes one session through training, step by step, and tells its recorder what happened. All that is to be
recorded of a step is recorded before the step is left; checkpoints are written there too, so that resuming continues
exactly behind them.
"""

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import Any, Literal, NamedTuple

from grokscope.contract.arrays import Array
from grokscope.contract.backends import Prepared, Session, StepOutcome
from grokscope.contract.examples import Ints, Packer
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import layout
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData
from grokscope.events import Diverged, Event, Intervened, SnapshotWritten, Trained
from grokscope.interventions.step import Acted, Active, TreatmentSource, taken
from grokscope.interventions.treatment import Refused, Treatment
from grokscope.runs.checkpoints import Checkpoint, Place
from grokscope.runs.inbox import Letter
from grokscope.runs.resumption import Resumption
from grokscope.settings.config import ConfigError, RunConfig
from grokscope.training.control import refused
from grokscope.training.interruption import Interrupted, interruptible
from grokscope.training.observation import Observer, OpenSignal
from grokscope.training.pace import Pace
from grokscope.training.recorder import Recorder, Status
from grokscope.training.vantage import Foreseen, probe_rows
from grokscope.words.durations import duration

LONG_RUN_SECONDS = 30 * 60

REORDERED = 1 << 32
"""Distance in the stream between one order of batches and the next; replicates lie between."""


class AskedStep(NamedTuple):
    """An optimizer step that is due."""

    rows: Ints
    """Examples of the training set, repetitions allowed"""
    optimizer: Optimizer
    batch: Callable[[], Prepared]
    """The same examples, prepared for the trainer's session once they are needed"""
    treat: Callable[[Array], Array] | None = None
    """What interventions make of the gradient [size], clipped; None where they leave it to the optimizer"""
    probed: Callable[[], Sequence[tuple[Ints, Ints]]] | None = None
    """Examples of the pairs of batches whose brackets are looked at right after the step; None where there are none, or
    where interventions may still move the parameters"""


class Trainer:
    """One run in one process."""

    def __init__(
        self,
        config: RunConfig,
        data: TaskData,
        session: Session,
        signals: Sequence[OpenSignal],
        recorder: Recorder,
        resumption: Resumption | None = None,
    ) -> None:
        """`session` stands where the run begins or, with `resumption`, where it goes on."""
        self.config = config
        self.data = data
        self.session = session
        self.signals = signals
        self.recorder = recorder
        self.model = config.model_of(data.model)
        self.layout = layout(self.model)
        self.train = Packer(data.train, self.model)
        self._looked_at = interruptible(session, recorder.interruption)
        self.treatment = Treatment(config, recorder.directory.path, self._looked_at, self.layout, self.train)
        self.step = session.state().step
        """Optimizer steps taken"""
        self._resumed = None if resumption is None else resumption.checkpoint
        self._place = Place(0, 0, recorded=False) if resumption is None else resumption.place
        """Where the records of this step stand in the log"""
        self._outcome: StepOutcome | None = None
        if self._resumed is not None and self._resumed.outcome is not None:
            self._outcome = StepOutcome(*self._resumed.outcome)
        self._acted: list[Acted] = []
        self.foreseen: Foreseen | None = None
        """What the caller of `steps` may have computed of `AskedStep.probed` when it sends the outcome; of use once"""
        self._checkpointed: int | None = None
        self._snapshotted: int | None = None
        self._pace = Pace()
        self._length_known = self._resumed is not None
        recorder.listeners.append(self._pace.see)

    def run(self) -> Status:
        """Train to the end."""
        steps = self.steps()
        try:
            asked = next(steps)
            while True:
                asked = steps.send(taken(self.session, asked.batch(), asked.optimizer, asked.treat))
        except StopIteration as end:
            status: Status = end.value
            return status

    def steps(self) -> Generator[AskedStep, StepOutcome, Status]:
        """Train to the end. Each step is asked of the caller, who takes it and sends its outcome."""
        try:
            status = yield from self._trained()
        except Interrupted:
            status = "interrupted"
        return self._finish(status)

    def _trained(self) -> Generator[AskedStep, StepOutcome, Status]:
        """Take steps until something ends the run; returns what. Raises `Interrupted`."""
        if self._resumed is None:
            self.recorder.warn(self.step, self.treatment.unreachable_entries())
            self._place = Place(self.recorder.seq, self.recorder.seq, recorded=False)
        else:
            for event in self.recorder.earlier():
                self.treatment.see(event)
            self.treatment.reopen(self.recorder.watch.found, self._resumed.levers)
        with self.recorder.interruption:
            observer = self._observer()
        while True:
            if not self._place.recorded:
                self._record_step(observer)
                self._follow_schedule()
            status = self._status_at_boundary()
            if status is not None:
                return status
            yield from self._train_step()

    def _observer(self) -> Observer:
        packers = {name: Packer(split, self.model) for name, split in self.data.splits.items()}
        observer = Observer(
            self.config, self.data, {"train": self.train, **packers}, self._looked_at, self.layout, self.signals,
            self.recorder.directory.snapshots, self.recorder.started["metric"],
        )  # fmt: skip
        for event in self.recorder.earlier():
            observer.see(event)
        self.recorder.listeners.append(observer.see)
        return observer

    # --- one step ---------------------------------------------------------------------------------------------------

    def _train_step(self) -> Generator[AskedStep, StepOutcome, None]:
        config = self.config
        rows = self._drawn_rows()
        acting = self.treatment.acting(self.step)
        self._pace.start()
        batch = cache(lambda: self.session.prepare(self.train.batch(rows)))
        asked = AskedStep(rows, config.optimizer_at(self.step), batch, probed=None if acting else self._probed())
        if acting:
            self._outcome, self._acted = yield from self._treated(acting, asked)
        else:
            self._outcome, self._acted = (yield asked), []
        self.step += 1
        logging = self.step % config.log.every == 0
        if logging or self.step == config.train.steps:
            float(self._outcome.loss)  # waits for the device: its time belongs to the step
        self._pace.stop()
        self._place = Place(0, 0, recorded=False)
        if logging:
            self._record_trained()
        self.recorder.emit_all(self.treatment.events_for(self._acted, self.step, logging))

    def _drawn_rows(self) -> Ints:
        """The examples of the next batch, [rows]"""
        order = self.config.train.replicate + self.treatment.batch_order * REORDERED
        random = generator(self.config.train.seed, "batch", self.step, order)
        rows = random.integers(len(self.train.examples), size=self.config.train.batch_size)
        self._pace.tokens += int(self.data.train.source_lengths[rows].sum())
        if self.data.train.target_lengths is not None:
            self._pace.tokens += int(self.data.train.target_lengths[rows].sum())
        return rows

    def _probed(self) -> Callable[[], Sequence[tuple[Ints, Ints]]] | None:
        """What is looked at right after the next step. See `AskedStep.probed`."""
        config, after, section = self.config, self.step + 1, self.config.measure
        if (
            after % section.every
            or section.estimator != "exact"
            or section.precision not in {"run", self.session.precision}
        ):
            return None
        return lambda: [probe_rows(config, len(self.train.examples), after, index) for index in range(section.samples)]

    def _treated(
        self, acting: Sequence[Active], asked: AskedStep
    ) -> Generator[AskedStep, StepOutcome, tuple[StepOutcome, list[Acted]]]:
        """A step under interventions. One that acts now and then may take long: a signal undoes such a step.

        What goes wrong between gradient and update is raised behind the step, which may be one step of many runs.
        Raises `Interrupted`.
        """
        treated = self.treatment.begun(acting, asked.batch, asked.optimizer, self.step)
        long = any(active.intervention.once or active.intervention.every > 1 for active in acting)
        looking = self.recorder.interruption if long else nullcontext()
        before = (self.session.state(), self.treatment.levers()) if long else None
        wrong: list[BaseException] = []

        def treat(gradient: Array) -> Array:
            try:
                with looking:
                    return treated.treat(gradient)
            except (Exception, Interrupted) as problem:
                wrong.append(problem)
                return 0 * gradient

        try:
            outcome = yield asked._replace(treat=treat) if treated.touches_gradient else asked
            if wrong:
                raise wrong[0]
            with looking:
                return treated.ended(outcome)
        except Interrupted:
            if before is not None:
                self.session.restore(before[0])
                self.treatment.put_back(before[1])
            raise

    # --- what is recorded of a step ---------------------------------------------------------------------------------

    def _record_step(self, observer: Observer) -> None:
        """Everything that is due at the current step, before it is left. Raises `Interrupted`."""
        config, step = self.config, self.step
        last = step >= self._last_step()
        if self._place.seq == self._place.began:  # else this was begun, before the run was resumed
            began = self.recorder.seq
            if step and step == config.train.steps and step % config.log.every:
                self._record_trained()
                self.recorder.emit_all(self.treatment.events_left_out(self._acted, step))
            self._place = Place(self.recorder.seq, began, recorded=False, final=last)
        if step % config.measure.every == 0 or last:
            foreseen, self.foreseen = self.foreseen, None
            self._look(observer.measured(step, self._outcome, foreseen))
        evaluating = step % config.evaluate.every == 0 or last
        if evaluating:
            self._look(observer.evaluated(step, self._outcome))
        if config.snapshot.every and step % config.snapshot.every == 0:
            self.recorder.emit(self._snapshot("schedule"))
            self._look(observer.snapshotted(step, self._outcome))
        if evaluating:
            self._look(observer.recorded(step, self._outcome))
        forecast = self.recorder.forecast.changed(self._pace.remaining_seconds(config, step))
        if forecast is not None:
            self.recorder.emit(forecast)
        self._place = replace(self._place, recorded=True)

    def _look(self, events: Iterator[Event]) -> None:
        """Record what is seen, as it is seen; a signal ends that, between records. Raises `Interrupted`."""
        while True:
            with self.recorder.interruption:
                event = next(events, None)
            if event is None:
                return
            self.recorder.emit(event)

    def _record_trained(self) -> None:
        assert self._outcome is not None
        loss, gradient_norm = float(self._outcome.loss), float(self._outcome.gradient_norm)
        steps_per_second, tokens_per_second = self._pace.read()
        used = self.config.optimizer_at(self.step - 1)
        self.recorder.emit(
            Trained(
                step=self.step,
                loss=loss,
                lr=used.lr,
                gradient_norm=gradient_norm,
                clipped=used.clip is not None and gradient_norm > used.clip,
                steps_per_second=steps_per_second,
                tokens_per_second=tokens_per_second,
                seconds_left=self._pace.remaining_seconds(self.config, self.step),
            )
        )
        self._warn_of_a_long_run()

    def _warn_of_a_long_run(self) -> None:
        """Once, after the first steps: nobody should find out after an hour that it takes a day."""
        if self._length_known or not self._pace.settled:
            return
        self._length_known = True
        remaining = self._pace.remaining_seconds(self.config, self.step)
        if remaining is not None and remaining > LONG_RUN_SECONDS:
            other = "" if self.config.preset == "quick" else "; `--preset quick` shows the whole story in minutes"
            reason = f"{self.config.train.steps} steps will take about {duration(remaining)} on this machine{other}"
            self.recorder.warn(self.step, [reason])

    # --- between steps ----------------------------------------------------------------------------------------------

    def _status_at_boundary(self) -> Status | None:
        """What ends the run at this step, if anything does; obeys the inbox, and writes checkpoints when due."""
        if self._outcome is not None and self._is_record_step() and not math.isfinite(float(self._outcome.loss)):
            self.recorder.emit(Diverged(step=self.step, reason=f"loss is {float(self._outcome.loss)}"))
            return "diverged"
        for letter in self.recorder.control.commands(self.step):
            self._obey(letter)
        if self.recorder.interruption.asked:
            return "interrupted"
        if self.recorder.control.stopped:
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
        grokked = self.recorder.watch.grokked
        if wait < 0 or grokked is None:
            return self.config.train.steps
        return min(self.config.train.steps, grokked.confirmed_at + wait)

    def _obey(self, letter: Letter) -> None:
        """The answer is recorded when what was asked for is safe: a killed run goes on with it."""
        command = letter.command
        assert command is not None
        answer: SnapshotWritten | Intervened
        if command.action == "snapshot":
            answer = self._snapshot("control")
        else:
            kind = command.kind or "unnamed"
            try:
                if command.state is None:
                    raise Refused(f"is {kind} to be switched on or off?")
                before = self._kept_state()
                answer = self._switched(kind, command.state == "on", command.parameters, "control")
            except Refused as problem:
                self.recorder.control.refuse(letter, str(problem), self.step)
                return
            if command.state == "on":
                self.recorder.keep_untreated(before)
        self._checkpoint(announcing=answer.model_copy(update={"command": letter.name}))

    def _follow_schedule(self) -> None:
        """Raises `ConfigError` where what was planned is not possible: the run would be another one."""
        for switch in self.treatment.due(self.step, self.recorder.watch.found):
            try:
                if switch.refusal is not None:
                    self.recorder.emit(refused(self.step, switch.kind, switch.refusal))
                else:
                    self.recorder.emit(self._switched(switch.kind, switch.on, switch.parameters, "schedule"))
            except Refused as problem:
                self.recorder.emit(refused(self.step, switch.kind, str(problem)))
                raise ConfigError(f"{switch.kind} was planned for step {self.step}: {problem}") from None

    def _switched(self, kind: str, on: bool, parameters: Mapping[str, Any], source: TreatmentSource) -> Intervened:
        """Switch, and write down the point at which an intervention was switched on. Raises `Refused`."""
        if not on:
            return self.treatment.switched_off(kind, source, self.step)
        event = self.treatment.switched_on(kind, parameters, source, self.step)
        if self._snapshotted != self.step:
            self.recorder.emit(self._snapshot("intervention"))
        return event

    # --- what is kept -----------------------------------------------------------------------------------------------

    def _snapshot(self, source: Literal["schedule", "control", "intervention"]) -> SnapshotWritten:
        """Keep the parameters; returns the event that says so."""
        self._snapshotted = self.step
        parameters = self.session.tonumpy(self.session.parameters)
        return self.recorder.snapshot(self.step, self.layout, parameters, source)

    def _checkpoint(self, announcing: Event | None = None) -> None:
        """Keep what training continues from. `announcing`: an event that must not be read before it is safe there."""
        if self._checkpointed == self.step and announcing is None:
            return
        self._checkpointed = self.step
        self.recorder.checkpoint(self._kept_state(0 if announcing is None else 1), announcing)

    def _kept_state(self, following: int = 0) -> Checkpoint:
        """What training continues from. `following`: events behind it that belong to it."""
        place, outcome = self._place, self._outcome
        if place.recorded:
            place = replace(place, seq=self.recorder.seq, following=following)
        return Checkpoint(
            state=self.session.state(),
            layout=self.layout,
            place=place,
            outcome=None if outcome is None else (float(outcome.loss), float(outcome.gradient_norm)),
            levers=self.treatment.levers(),
            seconds=self.recorder.seconds,
        )

    def _finish(self, status: Status) -> Status:
        if status != "diverged":
            self._checkpoint()
        if status in {"completed", "grokked", "diverged"}:  # others may go on
            self.recorder.warn(self.step, self.treatment.missed_entries(self.step, self.recorder.watch.found))
        self.recorder.finish(self.step, status, self.session.tonumpy(self.session.parameters))
        return status
