"""What an intervention must pass to be used. An author subclasses `InterventionConformance`, names the spec, and knows.

    from grokscope.testing.interventions import InterventionConformance
    from my_intervention import SPEC

    class TestMine(InterventionConformance):
        spec = SPEC

The intervention acts on the NumPy reference, on a model of a few hundred parameters. The vectors of the reference offer
the operations of `grokscope.contract.arrays.Vector` and no other: what passes here computes on every backend. Needs
pytest (extra `test`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import Prepared, Session
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, Plan, SwitchedOn
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.interventions.step import Active, stepped
from grokscope.runs.directory import RunDirectory
from grokscope.runs.snapshots import read_snapshot, snapshot_file, write_snapshot
from grokscope.settings.schedule import Entry, parsed
from grokscope.testing import reference

MODEL = ModelSpec("decoder", 5, 2, 5, 8, 1, 2, 8)
STEP, SNAPSHOT_EVERY, SEED = 6, 2, 0
INTERVENTION_OPTIMIZER = Optimizer(lr=1e-2, wd=0.5, clip=0.5)


@dataclass(frozen=True)
class Taken:
    """What became of one step."""

    before: FloatArray
    after: FloatArray
    changes: tuple[Change, ...]
    """With vectors in NumPy"""


class InterventionConformance:
    """The promises of `grokscope.contract.interventions.InterventionSpec` and `Intervention`, one test each."""

    spec: ClassVar[InterventionSpec]
    """The intervention under test."""
    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters to test it with; the defaults where empty. It has to do something with them in its first step."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        """A run at step 6 with snapshots of every second step."""
        start = initial_parameters(MODEL, SEED)
        for step in range(0, STEP + 1, SNAPSHOT_EVERY):
            moved = start + step * np.random.default_rng(step).standard_normal(len(start)).astype(np.float32) / 100
            write_snapshot(RunDirectory(tmp_path).snapshots, step, layout(MODEL), moved)
        return tmp_path

    def test_name_and_summary_are_said(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", self.spec.name), "a name is typed on a command line"
        assert self.spec.summary
        assert "\n" not in self.spec.summary

    def test_parameters_are_described_closed_and_have_defaults(self) -> None:
        for name, field in self.spec.parameters.model_fields.items():
            assert field.description, f"parameter {name} has no description"
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), f"{name} cannot be typed as name=value"
        self.spec.parameters()
        with pytest.raises(ValidationError):
            self.spec.parameters(no_such_parameter=1)

    def test_parameters_survive_being_written(self) -> None:
        """A run is replayed from what its log says."""
        for parameters in (self.spec.parameters(), self.spec.parameters(**self.parameters)):
            text = Entry(self.spec.name, parameters=parameters.model_dump(mode="json")).text
            assert self.spec.parameters(**parsed(text).parameters) == parameters

    def test_it_does_something(self, run: Path) -> None:
        taken, plain = self._taken(run), _taken(_session(run), Intervention())
        assert np.isfinite(taken.after).all()
        assert not np.array_equal(taken.after, plain.after), "it changed nothing: give `parameters` that do"

    def test_what_it_did_is_told(self, run: Path) -> None:
        changes = self._taken(run).changes
        assert changes, "it returned no Change"
        for change in changes:
            assert change.target in {"gradient", "update", "parameters"}
            for vector in (change.delta, change.of):
                assert np.shape(vector) == (layout(MODEL).size,)
                assert np.isfinite(vector).all()

    def test_how_far_it_went_is_true(self, run: Path) -> None:
        """Where it acts behind the update alone, what it tells is what it changed."""
        kind = type(self._opened(_session(run), run))
        points = kind.on_gradient, kind.before_update
        if points == (Intervention.on_gradient, Intervention.before_update):
            taken, plain = self._taken(run), _taken(_session(run), Intervention())
            told = sum(change.delta for change in taken.changes)
            np.testing.assert_allclose(taken.after - plain.after, told, atol=1e-10)

    def test_opened_again_it_is_the_same(self, run: Path) -> None:
        """A resumed run opens it again with what it was opened with."""
        first, again = self._taken(run), self._taken(run)
        assert np.array_equal(first.after, again.after)
        assert self._opened(_session(run), run).facts == self._opened(_session(run), run).facts

    def test_what_it_keeps_is_all_that_it_remembers(self, run: Path) -> None:
        """A run that is killed opens it again, and gives back the vectors that it kept: it goes on as it would have."""
        session = _session(run)
        intervention = self._opened(session, run)
        if intervention.once:
            return
        numbers = range(STEP, STEP + 6 * intervention.every, intervention.every)
        _steps(session, intervention, numbers[:3])
        state, kept = session.state(), {name: session.tonumpy(it) for name, it in intervention.kept.items()}
        _steps(session, intervention, numbers[3:])
        other = _session(run)
        again = self._opened(other, run)
        other.restore(state)
        again.kept = {name: other.asarray(vector) for name, vector in kept.items()}
        _steps(other, again, numbers[3:])
        assert np.array_equal(other.tonumpy(other.parameters), session.tonumpy(session.parameters))

    def test_what_it_takes_is_said(self) -> None:
        """Bytes, before anything is allocated."""
        plan = Plan(Path("nowhere"), SNAPSHOT_EVERY, STEP, layout(MODEL))
        amount = self.spec.memory(self.spec.parameters(**self.parameters), plan)
        assert isinstance(amount, int)
        assert amount >= 0

    def test_when_it_acts_is_said(self, run: Path) -> None:
        intervention = self._opened(_session(run), run)
        assert isinstance(intervention, Intervention), "subclass grokscope.contract.interventions.Intervention"
        assert isinstance(intervention.every, int)
        assert intervention.every >= 1
        assert not (intervention.once and intervention.every > 1), "what acts once has no rhythm"

    def _opened(self, session: Session, run: Path) -> Intervention:
        theta = session.tonumpy(session.parameters)
        on = SwitchedOn(run, SNAPSHOT_EVERY, STEP, SEED, session, layout(MODEL), theta)
        return self.spec.open(self.spec.parameters(**self.parameters), on)

    def _taken(self, run: Path) -> Taken:
        session = _session(run)
        return _taken(session, self._opened(session, run))


def _session(run: Path) -> Session:
    """The reference in float64, at the step of the run."""
    theta = read_snapshot(snapshot_file(RunDirectory(run).snapshots, STEP)).parameters.astype(np.float64)
    return reference.SPEC.open(MODEL, theta, precision="float64")


def _taken(session: Session, intervention: Intervention) -> Taken:
    """A step taken a little away from where it was switched on, so that there is a way back."""
    away = np.random.default_rng(1).standard_normal(layout(MODEL).size) / 100
    session.displace(session.asarray(away))
    before = session.tonumpy(session.parameters)
    changes = tuple(
        change._replace(delta=session.tonumpy(change.delta), of=session.tonumpy(change.of))
        for change in _steps(session, intervention, [STEP])
    )
    return Taken(before, session.tonumpy(session.parameters), changes)


def _steps(session: Session, intervention: Intervention, numbers: Iterable[int]) -> list[Change]:
    """What it did in the steps behind `numbers` steps."""
    rows = np.array([[first, second] for first in range(5) for second in range(5)])
    labels = np.stack([np.full(len(rows), IGNORED), rows.sum(axis=1) % 5], axis=1)
    train = Packer(Examples(rows, np.full(len(rows), 2), labels), MODEL)

    def draw(random: np.random.Generator) -> Prepared:
        return session.prepare(train.batch(random.integers(len(rows), size=8)))

    changes: list[Change] = []
    active = Active("tested", intervention, STEP, {}, "control")
    for number in numbers:
        batch = draw(np.random.default_rng(number))
        _, (acted,) = stepped(session, [active], batch, INTERVENTION_OPTIMIZER, number, SEED, draw)
        changes += acted.changes
    return changes
