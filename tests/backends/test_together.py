"""Sessions that step as one are where they would be alone, at every step, to rounding."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from grokscope import registry
from grokscope.contract.arrays import Array, FloatArray, Precision
from grokscope.contract.backends import BackendSpec, Session
from grokscope.contract.examples import Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters
from grokscope.contract.rectangles import Rectangle
from grokscope.contract.streams import generator
from grokscope.geometry.commutator import bracket
from grokscope.settings.config import resolve

STEPS = 50
ROWS = 8
TOLERANCE: dict[Precision, float] = {"float64": 1e-9, "float32": 2e-3}
"""Of the largest parameter. Adam divides by what may be rounding alone, so float32 loses its digits within 50 steps"""

TASKS: dict[str, dict[str, Any]] = {
    "modular": {"task.modulus": 7},
    "dyck": {"task.test_size": 20, "task.ood_size": 20},
    "scan": {"task.train_size": 40, "task.test_size": 20},
}
OPTIMIZERS = [
    Optimizer(lr=1e-3, wd=1.0),
    Optimizer(lr=3e-3, wd=0.0, beta1=0.8, beta2=0.95),
    Optimizer(lr=5e-4, wd=0.1, clip=None),
    Optimizer(lr=2e-3, wd=0.5, clip=0.01),
]
"""Of as many replicas, whose seeds differ too"""


@pytest.fixture(params=registry.names("backends"))
def spec(request: pytest.FixtureRequest) -> BackendSpec:
    spec = registry.get("backends", request.param)
    if spec.together is None:
        pytest.skip("it joins no sessions")
    pytest.importorskip("mlx.core" if spec.name == "mlx" else spec.name)
    return spec


def tiny(task: str, seed: int, **settings: Any) -> tuple[Examples, ModelSpec]:
    """The training set of a seed, and a model for it."""
    small = {"model.width": 8, "model.heads": 2, "model.feed_forward": 8, "train.seed": seed}
    spec = registry.get("tasks", task)
    config, options = resolve(spec, {**small, **TASKS[task], **settings}, preset="paper")
    data = spec.load(options, seed)
    return data.train, config.model_of(data.model)


class Alone:
    """One replica, trained by itself on packed batches."""

    def __init__(self, spec: BackendSpec, task: str, seed: int, precision: Precision, **settings: Any) -> None:
        self.examples, self.model = tiny(task, seed, **settings)
        self.seed = seed
        self.packer = Packer(self.examples, self.model)
        self.session, self.twin = (self.opened(spec, precision) for _ in range(2))

    def opened(self, spec: BackendSpec, precision: Precision) -> Session:
        start = initial_parameters(self.model, self.seed)
        return spec.open(self.model, start, device="cpu", precision=precision, threads=1)

    def rows(self, step: int) -> np.ndarray:
        return generator(self.seed, "batch", step, 0).integers(len(self.examples), size=ROWS)

    def step(self, step: int, optimizer: Optimizer) -> tuple[float, float]:
        batch = self.session.prepare(self.packer.batch(self.rows(step)))
        loss, norm = self.session.step(batch, optimizer)
        return float(loss), float(norm)


def assert_equal(one: FloatArray, other: FloatArray, tolerance: float) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def assert_equal_steps(
    spec: BackendSpec, alone: list[Alone], optimizers: list[Optimizer], precision: Precision
) -> None:
    rectangle = Rectangle.of(alone[0].model, ROWS, [each.examples for each in alone])
    assert spec.together is not None
    together = spec.together([each.twin for each in alone], rectangle)
    for step in range(STEPS):
        batches = [each.examples.take(each.rows(step)) for each in alone]
        outcomes = together.step(batches, optimizers, [None] * len(alone))
        for replica, outcome, optimizer in zip(alone, outcomes, optimizers, strict=True):
            loss, norm = replica.step(step, optimizer)
            assert float(outcome.loss) == pytest.approx(loss, rel=TOLERANCE[precision])
            assert float(outcome.gradient_norm) == pytest.approx(norm, rel=10 * TOLERANCE[precision])
            mine, own = replica.twin.state(), replica.session.state()
            assert mine.step == own.step == step + 1
            assert_equal(mine.parameters, own.parameters, TOLERANCE[precision])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("task", TASKS)
def test_replicas_are_single_runs_at_every_step(spec: BackendSpec, task: str, precision: Precision) -> None:
    alone = [Alone(spec, task, seed, precision) for seed in range(len(OPTIMIZERS))]
    assert_equal_steps(spec, alone, OPTIMIZERS, precision)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [{"name": "sgd"}, {"name": "muon"}, {"decay": "matrices"}], ids=str)
def test_any_optimizer(spec: BackendSpec, optimizer: dict[str, Any]) -> None:
    alone = [Alone(spec, "modular", seed, "float64") for seed in range(2)]
    assert_equal_steps(spec, alone, [each._replace(**optimizer) for each in OPTIMIZERS[:2]], "float64")


@pytest.mark.slow
@pytest.mark.parametrize("free", [1 << 40, 1], ids=["at once", "one by one"])
@pytest.mark.parametrize("task", TASKS)
def test_brackets_are_those_of_single_runs(
    spec: BackendSpec, task: str, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sessions stand after some steps, one of which a session took by itself; nothing moves."""
    monkeypatch.setattr(f"grokscope_{spec.name}.session.free_bytes", lambda: free)
    alone = [Alone(spec, task, seed, "float64") for seed in range(3)]
    rectangle = Rectangle.of(alone[0].model, ROWS, [each.examples for each in alone])
    assert spec.together is not None
    together = spec.together([each.twin for each in alone], rectangle)
    batches = [[each.examples.take(each.rows(step)) for each in alone] for step in range(2)]
    together.step(batches[0], OPTIMIZERS[:3], [None] * 3)
    alone[1].twin.displace(0.01 * alone[1].twin.parameters)
    before = [each.twin.state() for each in alone]
    asked: list[int] = []
    filled = Rectangle.filled
    monkeypatch.setattr(Rectangle, "filled", lambda self, some: asked.append(len(some)) or filled(self, some))
    brackets = together.brackets(*batches)
    assert max(asked) == (3 if free > 1 else 1)
    for replica, found, state in zip(alone, brackets, before, strict=True):
        session = replica.session
        session.restore(state)
        pair = (session.prepare(replica.packer.batch(replica.rows(step))) for step in range(2))
        own = bracket(session, session.parameters, *pair)
        for part, expected in zip(found, own, strict=True):
            assert_equal(replica.twin.tonumpy(part), session.tonumpy(expected), 1e-12)
        for mine, held in zip(replica.twin.state(), state, strict=True):
            np.testing.assert_array_equal(mine, held)


@pytest.mark.slow
def test_a_treated_gradient_is_followed_and_not_clipped(spec: BackendSpec) -> None:
    """Of one session among others, which is displaced between gradient and update too."""
    alone = [Alone(spec, "modular", seed, "float64") for seed in range(3)]
    rectangle = Rectangle.of(alone[0].model, ROWS, [each.examples for each in alone])
    assert spec.together is not None
    together, optimizer = spec.together([each.twin for each in alone], rectangle), Optimizer(lr=1e-2, wd=0.1, clip=0.01)
    for step in range(5):

        def treated(session: Session, gradient: Array) -> Array:
            session.displace(0.01 * gradient)
            return 3 * gradient

        treats = [None, partial(treated, alone[1].twin), None]
        together.step([each.examples.take(each.rows(step)) for each in alone], [optimizer] * 3, treats)
        for place, replica in enumerate(alone):
            if place != 1:
                replica.step(step, optimizer)
                continue
            session = replica.session
            batch = session.prepare(replica.packer.batch(replica.rows(step)))
            _, gradient = session.gradient(session.parameters, batch)
            session.step_along(treated(session, gradient), optimizer._replace(clip=None))
        for replica in alone:
            assert_equal(replica.twin.state().parameters, replica.session.state().parameters, TOLERANCE["float64"])
