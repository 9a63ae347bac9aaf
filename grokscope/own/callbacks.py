"""What the callbacks of all frameworks share: a probe that begins when training does, and hears what a loop reports."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from grokscope.imports.names import usual_signal
from grokscope.own.opening import run_directory_of
from grokscope.own.options import OWN_TASK
from grokscope.own.probe import Probe
from grokscope.training.recorder import Status


class CallbackProbe:
    """The probe of one callback: there is none before training begins, nor where it should not be."""

    def __init__(self, run: str | PathLike[str] | None, options: Mapping[str, Any]) -> None:
        """`options`: those of `grokscope.Probe`."""
        self._run = run
        self._options = dict(options)
        self._probe: Probe | None = None

    def begin(self, model: Any, loss: Callable[[Any, Any], Any], batches: Any, at: int, **known: Any) -> None:
        """Training begins at step `at`; `known`: options that the framework knows and a person may overrule.

        A run that is there goes on where the framework's own checkpoint stands. Raises `grokscope.CannotProbe`.
        """
        options = {**known, **self._options}
        there = self._run is not None and run_directory_of(self._run, OWN_TASK).events.exists()
        if at and there:
            options.setdefault("resume_at", at)
        self._probe = Probe(
            model, options.pop("loss", loss), options.pop("batches", batches), run=self._run, **options
        )  # fmt: skip

    def stepped(self, loss: Any = None) -> bool:
        """An optimizer step was taken; False where somebody asked the run to stop."""
        return self._probe is None or self._probe.step(loss)

    def reported(self, metrics: Mapping[str, Any]) -> None:
        """What a framework says of an evaluation; scores of which nobody can know what they are are passed over."""
        scores = {name: usual_signal(name) for name in metrics}
        known = {signal: metrics[name] for name, signal in scores.items() if signal and signal.startswith("test_")}
        if self._probe is not None and known:
            self._probe.report(**known)

    def trained(self, loss: Any, gradient_norm: Any) -> None:
        """What a framework says of training."""
        if self._probe is not None:
            self._probe.report(loss, gradient_norm=gradient_norm)

    def finish(self, status: Status | None = None) -> None:
        """Training is over. Again changes nothing."""
        if self._probe is not None:
            self._probe.finish(status)
            self._probe = None
