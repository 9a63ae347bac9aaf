"""What a signal must pass to be used. An author subclasses `SignalConformance`, names the spec, and knows.

    from grokscope.testing.signals import SignalConformance
    from my_signal import SPEC

    class TestMine(SignalConformance):
        spec = SPEC

The signal looks at a short run of a model of a few hundred parameters on modular addition, on the NumPy reference and
on every backend in `backends`. Costs are counted, not timed. Needs pytest (extra `test`).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from grokscope.contract.backends import BackendSpec, Session, StepOutcome
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.contract.signals import Cost, Number, Signal, SignalDescription, SignalSpec, Subject, Vantage, Work
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData
from grokscope.events import Event, to_line
from grokscope.geometry import commutator
from grokscope.runs.directory import RunDirectory
from grokscope.runs.snapshots import parameters_digest, write_snapshot
from grokscope.settings.config import RunConfig
from grokscope.settings.parameters import read_parameters, written_parameters
from grokscope.settings.signals import installed_signals
from grokscope.testing import reference
from grokscope.training.observation import Observer, OpenSignal
from grokscope.warning.recorded import with_recorded
from grokscope.warning.rules import fresh
from grokscope.warning.trajectory import trajectory_from

STEPS, EVALUATE_EVERY, MEASURE_EVERY, SNAPSHOT_EVERY, PAIRS = 12, 2, 3, 2, 2
SIGNAL_OPTIMIZER = Optimizer(lr=6e-2, wd=1.0)

RECORD = {"step", "decay_time", "series"}
PARAMETERS = RECORD | {
    "facts", "outcome", "layout", "theta", "parameters", "start", "tensors", "asarray", "tonumpy", "concatenate",
}  # fmt: skip
GRADIENTS = {"landscape", "point", "precision", "pairs", "draw", "example"}
OFFERED: Mapping[Cost, set[str]] = {
    "recorded": RECORD,
    "free": PARAMETERS,
    "evaluation": PARAMETERS | {"answers"},
    "gradients": PARAMETERS | GRADIENTS,
    "snapshot": PARAMETERS | GRADIENTS | {"snapshots"},
}
"""What a signal may ask of its vantage, by what it says it costs"""


def addition(modulus: int = 5) -> TaskData:
    """Modular addition: all pairs, more than half of them trained on."""
    pairs = np.array([[first, second] for first in range(modulus) for second in range(modulus)])
    labels = np.stack([np.full(len(pairs), IGNORED), pairs.sum(axis=1) % modulus], axis=1)
    examples = Examples(pairs, np.full(len(pairs), 2), labels)
    order = np.random.default_rng(0).permutation(len(pairs))
    model = ModelSpec("decoder", modulus, 2, modulus, 8, 1, 2, 8)
    facts: dict[str, int | float | str] = {"modulus": modulus, "group": f"Z_{modulus}", "chance": 1 / modulus}
    return TaskData(examples.take(order[:15]), {"test": examples.take(order[15:])}, model, facts)


class SignalConformance:
    """The promises of `grokscope.contract.signals.SignalSpec` and `Signal`, one test each."""

    spec: ClassVar[SignalSpec]
    """The signal under test."""
    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters to test it with; the defaults where empty."""
    backends: ClassVar[Sequence[BackendSpec]] = ()
    """Backends on which its numbers are to be those of the NumPy reference, beside it."""
    tolerance: ClassVar[float] = 1e-6
    """Largest relative difference between backends, in float64"""
    data: ClassVar[TaskData] = addition()
    """What the run learns. A signal that fits some tasks only names such data."""

    # --- what the spec says -------------------------------------------------------------------------------------------

    def test_it_is_said_what_it_is(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", self.spec.name), "a name is typed on a command line and is a column"
        assert self.spec.words
        assert self.spec.summary
        assert "\n" not in self.spec.words + self.spec.summary + self.spec.unit + self.spec.source
        assert self.spec.cost in OFFERED
        assert self.spec.cost == "recorded" or self.spec.open is not None, "nobody would ever record it"

    def test_rules_are_whole(self) -> None:
        names = [rule.name for rule in self.spec.rules]
        assert len(set(names)) == len(names)
        for rule in self.spec.rules:
            assert re.fullmatch(r"[a-z][a-z0-9.-]*", rule.name), "a rule's name is typed in schedules and commands"
            assert rule.consecutive >= 1
            assert (rule.factor is not None) == (rule.shape in {"rises", "falls"}), f"{rule.name}: factor"
            assert (rule.threshold is not None) == (rule.shape in {"above", "below"}), f"{rule.name}: threshold"
            fresh(rule)

    def test_readers_get_to_know_it(self) -> None:
        told = json.loads(json.dumps(self.spec.description.to_json(), allow_nan=False))
        assert SignalDescription.from_json(told) == self.spec.description

    def test_parameters_are_described_closed_and_have_defaults(self) -> None:
        for name, field in self.spec.parameters.model_fields.items():
            assert field.description, f"parameter {name} has no description"
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), f"{name} cannot be typed as name=value"
        self.spec.parameters()
        with pytest.raises(ValidationError):
            self.spec.parameters(no_such_parameter=1)

    def test_parameters_survive_being_written(self) -> None:
        """A run is repeated from its configuration."""
        for parameters in (self.spec.parameters(), self._parameters):
            text = written_parameters(parameters.model_dump(mode="json"))
            assert self.spec.parameters(**read_parameters(text, text)) == parameters

    # --- what the signal does -----------------------------------------------------------------------------------------

    def test_it_says_something_of_its_own(self, tmp_path: Path) -> None:
        told = self._told(tmp_path)
        assert any(self.spec.name in numbers for numbers in told.values()), f"it never recorded {self.spec.name}"
        assert all(self.spec.owns(name) for numbers in told.values() for name in numbers)

    def test_it_disturbs_nothing(self, tmp_path: Path) -> None:
        watched, alone = self._run(tmp_path / "watched"), self._run(tmp_path / "alone", look=False)
        assert watched.digest == alone.digest, "the parameters have become others"

    def test_it_repeats_exactly(self, tmp_path: Path) -> None:
        assert self._told(tmp_path / "first") == self._told(tmp_path / "second")

    @pytest.mark.parametrize("cut", range(1, STEPS, 3))
    def test_it_is_the_same_after_a_crash(self, tmp_path: Path, cut: int) -> None:
        """Opened anew at a step, with the log up to there: as if nothing had happened."""
        whole, broken = self._run(tmp_path / "whole"), self._run(tmp_path / "broken", cut=cut)
        assert broken.numbers(self.spec) == whole.numbers(self.spec)

    def test_it_is_the_same_in_company(self, tmp_path: Path) -> None:
        """Its numbers do not depend on who else is looking, at the same batches and predictions."""
        company = self._run(tmp_path / "company", company=True)
        assert company.numbers(self.spec) == self._told(tmp_path / "alone")

    def test_backends_agree(self, tmp_path: Path) -> None:
        expected = self._told(tmp_path / "reference")
        for backend in self.backends:
            found = self._run(tmp_path / backend.name, backend=backend).numbers(self.spec)
            assert found.keys() == expected.keys()
            for step, numbers in expected.items():
                assert found[step] == pytest.approx(numbers, rel=self.tolerance, abs=1e-9), f"{backend.name}, {step}"

    def test_it_costs_what_it_says(self, tmp_path: Path) -> None:
        """Gradients and Hessian-vector products are counted, and predictions are made once, however many look."""
        run = self._run(tmp_path)
        declared = self.spec.work(self._parameters, PAIRS)
        for moment, work in run.work.items():
            computed = set(work) - {Work()}
            assert computed == ({declared} - {Work()} if moment == self.spec.cost else set()), f"with {moment}"
        assert run.most_predictions == run.chunks

    def test_it_asks_for_what_it_pays(self, tmp_path: Path) -> None:
        asked = self._run(tmp_path).asked
        extra = asked - OFFERED[self.spec.cost]
        assert not extra, f"a signal that costs {self.spec.cost!r} does not get {', '.join(sorted(extra))}"

    def test_it_can_be_computed_afterwards(self, tmp_path: Path) -> None:
        """What needs the record alone is the same from a table of the record."""
        if self.spec.cost != "recorded":
            pytest.skip("only of signals that cost nothing but the record")
        run = self._run(tmp_path)
        table = trajectory_from(run.log, "run")
        columns = {name: column for name, column in table.columns.items() if not self.spec.owns(name)}
        again = with_recorded(replace(table, columns=columns), [(self.spec, self._parameters)])
        for name in (name for name in table.columns if self.spec.owns(name)):
            assert name in again.columns, f"afterwards there is no {name}"
            np.testing.assert_array_equal(again.columns[name], table.columns[name])

    # --- the run ------------------------------------------------------------------------------------------------------

    @property
    def _parameters(self) -> BaseModel:
        return self.spec.parameters(**self.parameters)

    def _told(self, folder: Path) -> dict[int, dict[str, float | None]]:
        return self._run(folder).numbers(self.spec)

    def _run(
        self,
        folder: Path,
        *,
        backend: BackendSpec = reference.SPEC,
        look: bool = True,
        company: bool = False,
        cut: int | None = None,
    ) -> "ShortRun":
        if look and self.spec.open is None:
            pytest.skip("it is on record without anybody's help")
        others = [spec for spec in installed_signals() if spec.name != self.spec.name and (spec.default or company)]
        specs = [(self.spec, self._parameters), *((spec, spec.parameters()) for spec in others)] if look else []
        run = ShortRun(self.data, backend, RunDirectory(folder), self.spec, specs)
        for until in (STEPS,) if cut is None else (cut, STEPS):
            run.train(until)
        return run


class ShortRun:
    """A few steps on the data, with everything recorded as a trainer records it. Each call of `train` goes on from the
    log and the parameters alone, with the signals opened anew, as a process would after a crash."""

    def __init__(
        self,
        data: TaskData,
        backend: BackendSpec,
        directory: RunDirectory,
        tested: SignalSpec,
        specs: Sequence[tuple[SignalSpec, BaseModel]],
    ) -> None:
        self._data = data
        directory.path.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._tested = tested
        self._specs = [(spec, parameters) for spec, parameters in specs if spec.open is not None]
        self._layout = layout(data.model)
        splits = {"train": data.train, **data.splits}
        self._packers = {name: Packer(split, data.model) for name, split in splits.items()}
        self._config = RunConfig.model_validate(
            {
                "task": {"name": "conformance"},
                "optimizer": {"lr": SIGNAL_OPTIMIZER.lr, "wd": SIGNAL_OPTIMIZER.wd},
                "train": {"seed": 1, "steps": STEPS, "batch_size": 8},
                "evaluate": {"every": EVALUATE_EVERY},
                "measure": {"every": MEASURE_EVERY, "samples": PAIRS, "baseline_samples": PAIRS},
                "snapshot": {"every": SNAPSHOT_EVERY},
            }
        )
        start = initial_parameters(data.model, self._config.train.seed)
        self._session = CountingSession(backend.open(data.model, start, device="cpu", precision="float64"))
        self._step = 0
        self._outcome: StepOutcome | None = None
        self.log: list[dict[str, Any]] = [self._started()]
        self.asked: set[str] = set()
        """Members of the vantage that the tested signal asked for"""
        self.work: dict[str, list[Work]] = {"gradients": [], "snapshot": [], "evaluation": []}
        """What was computed at each measurement, snapshot and evaluation"""
        self.most_predictions = 0
        """In one evaluation"""

    @property
    def chunks(self) -> int:
        """How many predictions an evaluation takes."""
        return sum(len(packer.whole().chunks) for packer in self._packers.values())

    @property
    def digest(self) -> str:
        return parameters_digest(self._session.tonumpy(self._session.parameters))

    def numbers(self, spec: SignalSpec) -> dict[int, dict[str, float | None]]:
        """What was recorded of a signal, by step."""
        found: dict[int, dict[str, float | None]] = {}
        for event in self.log:
            for name, value in event.get("signals", {}).items() if event["event"] == "observed" else ():
                if spec.owns(name):
                    found.setdefault(event["step"], {})[name] = value
        return found

    def train(self, until: int) -> None:
        """Go on to step `until`, everything that is due there recorded."""
        observer = Observer(
            self._config, self._data, self._packers, self._session, self._layout, self._opened(),
            self._directory.snapshots, "accuracy",
        )  # fmt: skip
        for event in self.log:
            observer.see(event)
        if self._step == 0:
            self._record(observer)
        while self._step < until:
            random = generator(self._config.train.seed, "batch", self._step)
            rows = random.integers(len(self._data.train), size=self._config.train.batch_size)
            self._outcome = self._session.step(
                self._session.prepare(self._packers["train"].batch(rows)), SIGNAL_OPTIMIZER
            )
            self._step += 1
            self._record(observer)

    def _record(self, observer: Observer) -> None:
        step, outcome, session = self._step, self._outcome, self._session
        if step % MEASURE_EVERY == 0:
            self._emit("gradients", observer, observer.measured(step, outcome))
        if step % EVALUATE_EVERY == 0:
            self._emit("evaluation", observer, observer.evaluated(step, outcome))
            self.most_predictions = max(self.most_predictions, session.predictions)
        if step % SNAPSHOT_EVERY == 0:
            write_snapshot(self._directory.snapshots, step, self._layout, session.tonumpy(session.parameters))
            self._emit("snapshot", observer, observer.snapshotted(step, outcome))
        if step % EVALUATE_EVERY == 0:
            self._emit("evaluation", observer, observer.recorded(step, outcome))

    def _emit(self, moment: str, observer: Observer, events: Iterator[Event]) -> None:
        self._session.reset()
        for event in events:
            line = json.loads(to_line(event))
            if line["event"] == "warned" and line["signal"] == self._tested.name:
                raise AssertionError(line["reason"])
            self.log.append(line)
            observer.see(line)
        self.work[moment].append(self._session.work)

    def _opened(self) -> list[OpenSignal]:
        data, opened = self._data, []
        subject = Subject("conformance", data.facts, ("train", *data.splits), self._layout)
        for spec, parameters in self._specs:
            assert spec.open is not None
            try:
                signal = spec.open(parameters, subject)
            except ValueError:
                if spec is self._tested:
                    raise
                continue  # a run leaves out what it cannot have
            opened.append(OpenSignal(spec, Overheard(signal, self.asked) if spec is self._tested else signal))
        return opened

    def _started(self) -> dict[str, Any]:
        config = self._config.model_dump(mode="json")
        return {"event": "started", "step": 0, "task": "conformance", "metric": "accuracy", "config": config}


class CountingSession:
    """A session that counts what is asked of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.reset()

    def reset(self) -> None:
        self.work = Work()
        self.predictions = 0

    def gradient(self, theta: Any, batch: Any) -> Any:
        self.work = self.work._replace(gradients=self.work.gradients + 1)
        return self._session.gradient(theta, batch)

    def hessian_vector_product(self, theta: Any, batch: Any, vector: Any) -> Any:
        self.work = self.work._replace(products=self.work.products + 1)
        return self._session.hessian_vector_product(theta, batch, vector)

    def bracket(self, theta: Any, batch_a: Any, batch_b: Any) -> Any:
        self.work = Work(self.work.gradients + 2, self.work.products + 2)
        return commutator.bracket(self._session, theta, batch_a, batch_b)

    def predict(self, theta: Any, batch: Any, *, details: bool = False) -> Any:
        self.predictions += 1
        return self._session.predict(theta, batch, details=details)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class Overheard:
    """A signal whose every question to its vantage is written down."""

    def __init__(self, signal: Signal, asked: set[str]) -> None:
        self._signal = signal
        self._asked = asked

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        return self._signal.observe(_Questions(vantage, self._asked))


class _Questions:
    def __init__(self, vantage: Vantage, asked: set[str]) -> None:
        self.__dict__.update(_vantage=vantage, _asked=asked)

    def __getattr__(self, name: str) -> Any:
        self._asked.add(name)
        return getattr(self._vantage, name)
