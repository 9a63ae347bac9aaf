"""A tiny run, part by part: a session on any backend, its treatment, and the same numbers in NumPy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope import registry
from grokscope.contract.backends import BackendSpec, Session, StepOutcome
from grokscope.contract.examples import Packer
from grokscope.contract.interventions import SwitchedOn
from grokscope.contract.parameters import Layout, initial_parameters, layout
from grokscope.contract.streams import generator
from grokscope.interventions.basis import BasisParameters, opened_basis
from grokscope.interventions.step import Acted, taken
from grokscope.interventions.treatment import Treatment
from grokscope.settings.config import RunConfig, resolve
from grokscope.testing import reference

Vector = NDArray[np.float64]

TINY: dict[str, Any] = {
    "task.modulus": 7, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "optimizer.lr": 0.01, "optimizer.wd": 0.5, "optimizer.clip": 0.5, "train.steps": 20, "train.batch_size": 8,
    "evaluate.every": 5, "measure.every": 5, "measure.samples": 1, "measure.baseline_samples": 1, "log.every": 5,
    "checkpoint.every": 10, "train.stop_after_grok": -1,
}  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What a trainer is made of, at step 0."""

    config: RunConfig
    session: Session
    oracle: Session
    """The reference at the same point, in float64"""
    layout: Layout
    train: Packer
    treatment: Treatment
    start: Vector

    def rows(self, random: np.random.Generator) -> NDArray[np.int64]:
        return random.integers(len(self.train.examples), size=self.config.train.batch_size)

    @property
    def first_rows(self) -> NDArray[np.int64]:
        return self.rows(generator(self.config.train.seed, "batch", 0))

    def step(self, kind: str, *, displaced: Vector | None = None, **parameters: Any) -> list[Any]:
        """Switch on and take one step; what was done. `displaced`: added to the parameters in between."""
        self.treatment.switched_on(kind, parameters, "control", 0)
        if displaced is not None:
            self.session.displace(self.session.asarray(displaced))
        _, acted = self.taken(0)
        return self.treatment.events_for(acted, 1, False)

    def taken(self, number: int) -> tuple[StepOutcome, list[Acted]]:
        """The step after `number` steps on the first batch, with what is on."""
        batch, optimizer = self.session.prepare(self.train.batch(self.first_rows)), self.config.optimizer_at(number)
        step = self.treatment.begun(self.treatment.acting(number), lambda: batch, optimizer, number)
        return step.ended(taken(self.session, batch, optimizer, step.treat if step.touches_gradient else None))

    @property
    def theta(self) -> Vector:
        return self.session.tonumpy(self.session.parameters).astype(np.float64)

    # --- the same in NumPy ------------------------------------------------------------------------------------------

    def gradient(self, theta: Vector, rows: NDArray[np.int64] | None = None) -> Vector:
        """Of the first training batch, not clipped; or of another batch."""
        batch = self.oracle.prepare(self.train.batch(self.first_rows if rows is None else rows))
        _, gradient = self.oracle.gradient(self.oracle.asarray(theta), batch)
        return self.oracle.tonumpy(gradient).astype(np.float64)

    def clipped(self, gradient: Vector) -> Vector:
        return gradient * min(1.0, self.config.optimizer.clip / (float(np.linalg.norm(gradient)) + 1e-6))

    def updated(self, theta: Vector, gradient: Vector) -> Vector:
        """The first step of the optimizer along `gradient`, as it is."""
        zeros = np.zeros_like(theta)
        state = reference.TrainingState(0, theta, zeros, zeros)
        optimizer = self.config.optimizer_at(0)._replace(clip=None)
        return np.array(reference.optimized(state, gradient, optimizer, self.layout)[0].parameters)

    def basis(self, **parameters: Any) -> Vector:
        """The rows of the subspace that an intervention with these parameters opens, [dimension, size]."""
        on = SwitchedOn(Path("nowhere"), 0, 0, self.config.train.seed, self.oracle, self.layout, self.start)
        found = opened_basis(BasisParameters(**parameters), on)
        assert found is not None
        return found.subspace.dense()


def parts(backend: BackendSpec, precision: str = "float64", run: Path = Path("nowhere"), **settings: Any) -> Parts:
    task = registry.get("tasks", "modular")
    config, options = resolve(task, TINY, settings)
    data = task.load(options, config.train.seed)
    model = config.model_of(data.model)
    where = layout(model)
    start = initial_parameters(model, config.train.seed).astype(np.float64)
    session = backend.open(model, start, device="cpu", precision=precision)
    train = Packer(data.train, model)
    return Parts(
        config, session, reference.SPEC.open(model, start, precision="float64"), where, train,
        Treatment(config, run, session, where, train), start,
    )  # fmt: skip


def off(basis: Vector, vector: Vector) -> Vector:
    return vector - basis.T @ (basis @ vector)


def unit(vector: Vector) -> Vector:
    return vector / np.linalg.norm(vector)
