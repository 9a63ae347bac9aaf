"""`Probe`: anybody's model measured while anybody's loop trains it, into a run directory like any other.

The loop owns the training: a probe counts its steps, looks between two of them, and leaves everything as it was. It
fails before training begins, in a sentence, or not at all: what fails later is warned of, and training goes on.
"""

import atexit
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import StepOutcome
from grokscope.contract.own_models import CannotProbe, ModelMode, OwnLoss
from grokscope.contract.streams import generator
from grokscope.events import Diverged, Evaluated, Paced, Trained
from grokscope.own.adoption import adopted_model, adopted_optimizer
from grokscope.own.batches import TAKEN, batch_source
from grokscope.own.cadence import Cadence, Clocks, share_to_keep
from grokscope.own.decay import LoopDecay
from grokscope.own.evaluation import Scored, evaluations, remarks_on, tried_evaluations
from grokscope.own.lookout import Lookout
from grokscope.own.one_defect import ProbeWarning
from grokscope.own.opening import opened_run, parameters_at_start, run_directory_of, started_of_loop
from grokscope.own.options import OWN_TASK, Judgement, ProbeOptions
from grokscope.own.records import ProbeRecords
from grokscope.own.reports import as_number, scores_by_split
from grokscope.own.trial import first_line, tried
from grokscope.own.vantage import OwnObserver, ProbedRun
from grokscope.runs.log import RunUnwritable
from grokscope.training.observation import descriptions
from grokscope.training.recorder import Status

_NO_STOP = "nothing in this loop could obey: it would have to call probe.step(), which returns False then"
_NO_STEPS = "the probe has seen no step: call probe.step() behind each step of the optimizer"
_PATIENCE = 2.5
"""Somebody's own loop has less time for the inbox than ours"""
_NO_LEVERS = "interventions act in grokscope's own trainer alone"


class Probe:
    """Measures a model in somebody's own loop.

    As a context manager, with an optimizer of PyTorch, it needs no line in the loop. Else the loop calls `step` behind
    every optimizer step. A run that is not left through the block is ended by `finish`.

    >>> optimizer = torch.optim.AdamW(model.parameters())
    >>> with grokscope.Probe(model, loss, data, run="mine", optimizer=optimizer, every=2):
    ...     for _ in range(4):
    ...         optimizer.zero_grad()
    ...         loss(model, data).backward()
    ...         optimizer.step()
    >>> [event["step"] for event in grokscope.open("mine").events("measured")]
    [0, 2, 4]
    """

    def __init__(
        self,
        model: Any,
        loss: OwnLoss,
        batches: Any,
        *,
        run: str | os.PathLike[str] | None = None,
        optimizer: Any = None,
        every: int = 100,
        samples: int = 5,
        max_overhead: float | None = None,
        baseline_samples: int | None = None,
        evaluate: Mapping[str, Any] | None = None,
        signals: Sequence[str] = (),
        metric: str = "accuracy",
        threshold: float = 0.98,
        consecutive: int = 3,
        mode: ModelMode = "as-is",
        upcast: bool = False,
        batch_size: int | None = None,
        seed: int = 0,
        steps: int | None = None,
        snapshot_every: int = 0,
        blocks: bool = False,
        task: str = OWN_TASK,
        facts: Mapping[str, int | float | str] | None = None,
        bank: str | os.PathLike[str] = "",
        resume_at: int | None = None,
        sinks: Sequence[str] = (),
        notify: str | None = None,
        on_error: Literal["warn", "raise"] = "warn",
    ) -> None:
        """Try a measurement, open the run directory, and record where training begins.

        - `model`: a PyTorch or MLX module. `loss(model, batch)` returns a scalar.
        - `batches`: a DataLoader, a data set, tensors (one, a tuple or a mapping), a list of batches, or a function of
          a NumPy generator that returns a batch. Rows are drawn with replacement from a stream of the probe's own,
          which `seed` names; `batch_size` of them, else as many as the loader's batches have, else 512. Of a list two
          different batches are drawn.
        - `run`: the run directory; a bare name stands in the folder `runs`.
        - `optimizer`: whose steps are counted in the block, and whose lr and weight decay are read. Of a list of them,
          a step is counted when each has taken one.
        - `every`: steps between records. `samples`: pairs of batches of a measurement. `baseline_samples`: those of the
          one at step 0; 15, and with `max_overhead` as many as of any other, for there is no loop yet to share with.
        - `max_overhead`: the part of the loop's own time that the probe may take on top, from its constructor on; CPU
          time where the model is on a CPU. The probe's own account (`overhead`) keeps to 0.03 less, or to 0.4 of it
          where that is more: no account sees everything. Records come every so many steps times a power of two, as
          their cost asks for; rules that want several records in a row count the steps that those would take. Without
          it the distance is fixed, and events repeat exactly.
        - `evaluate`: splits by name, each a DataLoader, data set, tensors or a list of batches, or a function of the
          model that returns the metric or a mapping of scores (`loss`, `accuracy`, …). They are scored in evaluation
          mode; what cannot be scored is found before training begins. `val` and `eval` are the split `test`, if nothing
          else is.
        - `signals`: what is looked at beside what every run records, each as NAME[:parameter=value,…].
        - `metric`, `threshold`, `consecutive`: the model has grokked where the metric of the split `test` is at least
          `threshold` for so many records in a row.
        - `mode`: measure the model as it is, or in `train` or `eval` mode. `upcast`: measure a float32 copy of a model
          in half precision.
        - `steps`: how many the loop will take. With them a forecast is made, from the table `bank` or the one that is
          shipped for `task`. `facts`: settings of the run by dotted key, such as `model.width`, for the forecast.
        - `snapshot_every`: steps between snapshots of the parameters; 0: none but those asked for.
        - `blocks`: measure shares of the commutator by kind of parameter too.
        - `resume_at`: the step at which the loop goes on, from a checkpoint of its own; the loop's log is cut to it.
        - `sinks`: trackers that are told the numbers too (`tensorboard`, `wandb`, `trackio`, `mlflow`). `notify`: a
          command that is run on onset, turned, grokked, regressed, diverged and finished, with the event as JSON on its
          standard input. What fails there is one warning.
        - `on_error`: `raise` lets a probe that fails take the loop down.

        Raises `CannotProbe`, a `ValueError`, before training begins; warns (`ProbeWarning`) where the loss is random.
        """
        clocks = Clocks()
        self._options = options = ProbeOptions.checked(
            every=every, samples=samples, max_overhead=max_overhead, baseline_samples=baseline_samples,
            signals=signals, judged=Judgement.checked(metric=metric, threshold=threshold, consecutive=consecutive),
            batch_size=batch_size, seed=seed, steps=steps, snapshot_every=snapshot_every, blocks=blocks, task=task,
            facts=facts or {}, bank=str(bank), resume_at=resume_at, sinks=sinks, notify=notify, on_error=on_error,
        )  # fmt: skip
        self._model = adopted_model(model, loss, mode=mode, upcast=upcast)
        self._optimizer = None if optimizer is None else adopted_optimizer(optimizer)
        self._splits = evaluations({} if evaluate is None else evaluate, self._model, metric)
        self.directory = run_directory_of(run, options.task)
        """Where the run stands"""
        self.steps_taken = options.resume_at or 0
        """Optimizer steps of the loop so far"""
        source = batch_source(batches, self._model, options.batch_size)
        self._probed = ProbedRun(
            model=self._model, source=source, seed=options.seed, pairs=options.samples,
            baseline_pairs=options.pairs_at_start, snapshots=self.directory.snapshots,
            snapshot_every=options.snapshot_every, facts=options.facts, start=self._start_parameters,
            decay_time=lambda: self._decay.at(self.steps_taken),
        )  # fmt: skip
        self._decay = LoopDecay(self._optimizer)
        self._decay_changed = _never if self._optimizer is None else self._optimizer.changed
        self._outcome: StepOutcome | None = None
        self._counted = self.steps_taken
        """Steps that the account of time has seen"""
        self._recorded: int | None = options.resume_at or None
        self._diverged = self._off = False
        self._said: set[str] = set()
        """What has failed, in words"""
        self._unhook: Callable[[], None] | None = None
        self._start: FloatArray | None = None
        share = share_to_keep(options.max_overhead)
        self._cadence = Cadence(options.every, share, clocks.on(self._model.device))
        with self._cadence.probing():
            remarks, known = self._tried()
            self._open()
            for remark in remarks:
                warnings.warn(remark, ProbeWarning, stacklevel=2)
            self._recorder.warn(self.steps_taken, remarks)
            if not options.resume_at:
                self._record_start(known)

    def _record_start(self, known: Mapping[str, Scored]) -> None:
        """Where training begins, `known` being the splits that are scored already. More pairs are measured there than
        later, which is known of what a record costs."""
        self._start = self._records.parameters()
        seconds: dict[str, float] = {}
        self._recorder.listeners.append(partial(_take_seconds, seconds))
        self._safely(lambda: self._record(known))
        self._recorder.listeners.pop()
        measured, evaluated = seconds.get("measured", 0.0), seconds.get("evaluated", 0.0)
        if measured:
            later = measured * self._options.samples / self._options.pairs_at_start
            before = sum(each.seconds for each in known.values())
            self._cadence.begin((later + evaluated) / (measured + evaluated - before))

    def _tried(self) -> tuple[Sequence[str], Mapping[str, Scored]]:
        """What a person should know before training begins, and the splits that are scored by then, wholly.

        Raises `CannotProbe`.
        """
        with self._model.looking():
            try:
                batch_a, batch_b = self._probed.source.pair(generator(self._options.seed, "probe"))
            except CannotProbe:
                raise
            except Exception as problem:  # the user's own data: whatever it raises, training has not begun
                what = f"{type(problem).__name__}: {first_line(problem)}"
                raise CannotProbe(f"batches= gave no batch: {what}: {TAKEN}") from problem
            remarks = tried(self._model, batch_a, batch_b, differing=True)
            found = tried_evaluations(self._splits)
            known = {split: each for split, each in found.items() if self._splits[split].trial is None}
            return [*remarks, *remarks_on(found, self._options.judged.metric)], known

    def _open(self) -> None:
        """Open the run directory as its one writer. Raises `CannotProbe`."""
        options, opened = self._options, self._options.opened(self._model)
        settings = {} if self._optimizer is None else self._optimizer.settings()
        config = options.config(self._probed.source.batch_size, settings)
        started = started_of_loop(self._model, config, options.judged, descriptions(opened), options.resume_at)
        with self._model.looking():
            options.check_bank()
            followers = options.followers()
        run = opened_run(self.directory, started, options.resume_at, followers)
        self._recorder, self._closing, self._process = run.recorder, run.closing, os.getpid()
        self._recorder.control.impossible |= {"stop": _NO_STOP, "intervene": _NO_LEVERS}
        self._recorder.control.patience = _PATIENCE
        observer = OwnObserver(opened, options.judged.metric, self._probed, blocks=options.blocks)
        for event in self._recorder.earlier():
            observer.see(event)
        self._recorder.listeners.append(observer.see)
        self._records = ProbeRecords(self._model, self._recorder, observer, self._splits, options.snapshot_every)
        self._decay.go_on(self.steps_taken, *observer.series("decay_time"))
        self._lookout = Lookout(self._recorder.control, self.steps_taken)
        atexit.register(self._left)

    # --- the loop's side --------------------------------------------------------------------------------------------

    def step(self, loss: Any = None, *, gradient_norm: Any = None, **scores: Any) -> bool:
        """Tell the probe that an optimizer step was taken; returns False when somebody asked the run to stop.

        `loss`: of the step's batch; `gradient_norm`: of its gradient, before clipping. `scores`: what the loop has
        evaluated itself, as `test_accuracy=0.9`, `train_loss=0.1`. All of these may be scalars of the framework, and
        are read where they are recorded alone. Where the block counts the optimizer's steps, nothing is counted here.
        """
        self._recorder.control.impossible.pop("stop", None)
        counts = self._unhook is None
        due = self._stepped() if counts else self.steps_taken % self._options.every == 0
        if due or scores:
            with self._cadence.probing():
                self._safely(lambda: self._tell(loss, gradient_norm, scores))
                if due and counts:
                    self._between()
        return not self._recorder.control.stopped

    def report(self, loss: Any = None, *, gradient_norm: Any = None, **scores: Any) -> None:
        """Tell the probe what the loop knows of the step that it took last; see `step`, which does this too."""
        with self._cadence.probing():
            self._safely(lambda: self._tell(loss, gradient_norm, scores))

    @property
    def overhead(self) -> float:
        """The probe's time, from its constructor on, as a part of the loop's own so far, as its account has it."""
        return self._cadence.overhead

    def __enter__(self) -> Self:
        """Count the optimizer's steps, where the framework tells of them; else the loop calls `step`."""
        if self._optimizer is not None:
            self._unhook = self._optimizer.after_steps(self._hooked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(None if kind is None else "interrupted")

    def finish(self, status: Status | None = None) -> None:
        """End the run: record where training has come to, and let the run directory go. Again changes nothing.

        `status`: how it ended; else `completed`, `stopped` where that was asked for, `diverged` where the loss was not
        finite.
        """
        if self._elsewhere:
            return
        if self._unhook is not None:
            self._unhook()
            self._unhook = None
            if not self.steps_taken and status is None:
                warnings.warn(_NO_STEPS, ProbeWarning, stacklevel=2)
        atexit.unregister(self._left)
        if not self._off:
            with self._cadence.probing():
                self._safely(lambda: self._end(status))
        self._off = True
        self._closing.close()

    def _end(self, status: Status | None) -> None:
        if status is None:
            self._safely(self._record_if_new)
        self._recorder.finish(self.steps_taken, status or self._ended(), self._last_parameters())

    def _last_parameters(self) -> FloatArray | None:
        """Those at the end; None where the model has others than when the probe began."""
        try:
            return self._records.parameters()
        except CannotProbe:
            return None

    def _ended(self) -> Status:
        if self._diverged:
            return "diverged"
        return "stopped" if self._recorder.control.stopped else "completed"

    def _left(self) -> None:
        """The process ends, and nobody has ended the run."""
        enough = self._options.steps is not None and self.steps_taken >= self._options.steps
        self.finish(None if enough else "interrupted")

    @property
    def _elsewhere(self) -> bool:
        """Whether this is a copy of the probe in a forked process: the run has one writer."""
        return os.getpid() != self._process

    def _hooked(self) -> None:
        if self._stepped():
            with self._cadence.probing():
                self._between()

    def _stepped(self) -> bool:
        """The loop has taken a step; whether anything is due at it. At most steps nothing is, and they must cost next
        to nothing."""
        step = self.steps_taken = self.steps_taken + 1
        if self._decay_changed():
            self._decay.changed_at(step)
        return step >= self._lookout.next and self._lookout.due(step, self._distances)

    @property
    def _distances(self) -> tuple[int, ...]:
        """Steps between what is done every so many steps: what `step` is told is recorded as often as was asked."""
        return self._options.every if self._unhook is None else self._cadence.every, self._options.snapshot_every

    def _between(self) -> None:
        """What is due between two steps of the loop."""
        if self._off or self._elsewhere:
            self._lookout.end()
            return
        step, snapshot_every = self.steps_taken, self._options.snapshot_every
        self._cadence.stepped(step - self._counted)
        self._counted = step
        if step % self._cadence.every == 0 and self._due():
            self._safely(self._record)
            before = self._cadence.every
            self._cadence.recorded()
            self._say_pace(before)
        elif snapshot_every and step % snapshot_every == 0:
            self._safely(lambda: self._records.snapshot(step, self._outcome))
        if not self._off:
            self._safely(self._obey)
        self._lookout.look_again(step, self._distances)

    def _due(self) -> bool:
        """Whether a record is due. Where time counts, a device finishes the loop's steps first."""
        before = self._cadence.every
        if self._cadence.limited:
            with self._cadence.catching_up():
                self._model.synchronize()
        due = self._cadence.due(self.steps_taken)
        self._say_pace(before)
        return due

    def _say_pace(self, before: int) -> None:
        every, overhead = self._cadence.every, self._cadence.overhead
        if every != before:
            reason = f"to stay within {self._options.max_overhead:g} of the loop's time"
            paced = Paced(step=self.steps_taken, every=every, overhead=overhead, reason=reason)
            self._safely(lambda: self._recorder.emit(paced))

    # --- what is recorded -------------------------------------------------------------------------------------------

    def _record_if_new(self) -> None:
        if self._recorded != self.steps_taken and self._cadence.affordable():
            self._record()

    def _record(self, known: Mapping[str, Scored] | None = None) -> None:
        """Everything that is due at this step, but for the splits that are `known` already."""
        self._recorded = self.steps_taken
        with self._cadence.recording():
            self._records.all(self.steps_taken, self._outcome, known)
        forecast = self._recorder.forecast.changed(None)
        if forecast is not None:
            self._recorder.emit(forecast)

    def _tell(self, loss: Any, gradient_norm: Any, scores: Mapping[str, Any]) -> None:
        """Record what the loop says of itself: scores whenever they come, the loss where a record is due."""
        if self._off or self._elsewhere:
            return
        step = self.steps_taken
        self._outcome = None if loss is None or gradient_norm is None else StepOutcome(loss, gradient_norm)
        if loss is not None and step % self._options.every == 0:
            self._recorder.emit(self._trained(as_number(loss, "loss"), gradient_norm))
        if scores:
            self._recorder.emit(Evaluated(step=step, seconds=0.0, **scores_by_split(scores)))

    def _trained(self, loss: float, gradient_norm: Any) -> Trained:
        settings = {} if self._optimizer is None else self._optimizer.settings()
        lr = settings.get("lr")
        if not math.isfinite(loss) and not self._diverged:
            self._diverged = True
            self._recorder.emit(Diverged(step=self.steps_taken, reason=f"loss is {loss}"))
        return Trained(
            step=self.steps_taken,
            loss=loss,
            lr=None if lr is None else float(lr),
            gradient_norm=None if gradient_norm is None else as_number(gradient_norm, "gradient_norm"),
            clipped=False,
            steps_per_second=None,
            tokens_per_second=None,
        )

    def _obey(self) -> None:
        with self._cadence.waiting():
            self._records.obey(self.steps_taken)

    # --- what is known ----------------------------------------------------------------------------------------------

    def _start_parameters(self) -> FloatArray:
        if self._start is None:
            self._start = parameters_at_start(self.directory, self._model.layout)
        return self._start

    # --- when something fails ---------------------------------------------------------------------------------------

    def _safely(self, act: Callable[[], None]) -> None:
        """Do it; what fails is warned of, once for each reason, and training goes on."""
        try:
            act()
        except Exception as problem:
            if self._options.on_error == "raise":
                raise
            if (said := first_line(problem)) in self._said:
                return
            self._said.add(said)
            reason = f"the probe failed at step {self.steps_taken:,}: {said}"
            self._off = self._off or isinstance(problem, RunUnwritable)
            if not self._off:
                self._recorder.warn(self.steps_taken, [reason])
            warnings.warn(f"{reason}; training goes on", ProbeWarning, stacklevel=2)


def _never() -> bool:
    return False


def _take_seconds(seconds: dict[str, float], event: Mapping[str, Any]) -> None:
    """Note how long a measurement or an evaluation took, for what comes: what is only done once, first, is left out."""
    if event["event"] in {"measured", "evaluated"}:
        seconds[event["event"]] = event["seconds"]
