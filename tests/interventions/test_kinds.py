"""Each intervention's first step, on every backend, against its formula in NumPy and float64."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interventions_made import Parts, Vector, off, parts, unit
from numpy.testing import assert_allclose

from grokscope.contract.backends import BackendSpec
from grokscope.contract.interventions import Plan
from grokscope.contract.parameters import layout
from grokscope.contract.streams import generator
from grokscope.interventions import temperature
from grokscope.testing import reference
from grokscope.testing.interventions import MODEL

BASIS = {"basis": "random", "components": 2, "blocks": "matrices"}
CLOSE = 1e-9
"""Largest relative error: everything is computed in float64"""


def assert_close(found: Vector, expected: Vector, start: Vector) -> None:
    """As a step: relative to how far it went."""
    assert np.linalg.norm(found - expected) <= CLOSE * np.linalg.norm(expected - start)


def stream(made: Parts, kind: str) -> np.random.Generator:
    """What an intervention draws in the first step."""
    number = int.from_bytes(blake2b(kind.encode(), digest_size=4).digest(), "little")
    return generator(made.config.train.seed, "intervention", 0, number)


@pytest.fixture
def made(backend: BackendSpec) -> Parts:
    return parts(backend)


class TestProject:
    @pytest.mark.parametrize("strength", [0.25, 1.0])
    def test_gradient(self, made: Parts, strength: float) -> None:
        (event,) = made.step("project", strength=strength, **BASIS)
        basis, theta = made.basis(**BASIS), made.start
        gradient = made.clipped(made.gradient(theta))
        along = basis.T @ (basis @ gradient)
        weakened = along + (1 - strength) * (gradient - along)
        assert_close(made.theta, made.updated(theta, weakened), theta)
        taken = strength * np.linalg.norm(off(basis, gradient))
        assert event.norm == pytest.approx(taken)
        assert event.relative_norm == pytest.approx(taken / np.linalg.norm(gradient))
        assert event.target == "gradient"

    @pytest.mark.parametrize("strength", [0.25, 1.0])
    def test_update(self, made: Parts, strength: float) -> None:
        (event,) = made.step("project", strength=strength, at="update", **BASIS)
        basis, theta = made.basis(**BASIS), made.start
        decayed = (1 - made.config.optimizer.lr * made.config.optimizer.wd) * theta
        update = made.updated(theta, made.clipped(made.gradient(theta))) - decayed
        assert_close(made.theta, decayed + update - strength * off(basis, update), theta)
        assert event.relative_norm == pytest.approx(
            strength * np.linalg.norm(off(basis, update)) / np.linalg.norm(update)
        )
        assert event.target == "update"

    def test_published_is_on_the_gradient(self, made: Parts) -> None:
        (event,) = made.step("project", at="update", published=True, **BASIS)
        assert event.target == "gradient"


def test_rescale_is_as_long_as_project_and_points_where_the_gradient_did(made: Parts) -> None:
    made.step("rescale", strength=0.7, **BASIS)
    gradient = made.clipped(made.gradient(made.start))
    length = np.linalg.norm(gradient - 0.7 * off(made.basis(**BASIS), gradient))
    assert_close(made.theta, made.updated(made.start, length * unit(gradient)), made.start)


class TestPenalty:
    def test_is_a_quadratic_penalty_clipped_with_the_loss(self, made: Parts) -> None:
        moved = generator(1, "data").standard_normal(len(made.start)) / 10
        (event,) = made.step("penalty", weight=0.3, displaced=moved, **BASIS)
        theta = made.start + moved
        pull = 0.3 * off(made.basis(**BASIS), moved)
        gradient = made.gradient(theta)
        assert np.linalg.norm(gradient + pull) > made.config.optimizer.clip
        assert_close(made.theta, made.updated(theta, made.clipped(gradient + pull)), theta)
        assert event.norm == pytest.approx(np.linalg.norm(pull))
        assert event.relative_norm == pytest.approx(np.linalg.norm(pull) / np.linalg.norm(gradient))

    def test_published_is_a_projection_every_tenth_step(self, made: Parts) -> None:
        made.step("penalty", published=True, **BASIS)
        gradient = made.clipped(made.gradient(made.start))
        weakened = gradient - 0.5 * off(made.basis(**BASIS), gradient)
        assert_close(made.theta, made.updated(made.start, weakened), made.start)
        assert [number for number in range(25) if made.treatment.acting(number)] == [0, 10, 20]


class TestNoise:
    def noise(self, made: Parts, basis: Vector | None, length: float) -> Vector:
        draw = stream(made, "noise").standard_normal(len(made.start), dtype=np.float32).astype(np.float64)
        return length * unit(draw if basis is None else off(basis, draw))

    def test_behind_the_update(self, made: Parts) -> None:
        (event,) = made.step("noise", epsilon=0.3, **BASIS)
        updated = made.updated(made.start, made.clipped(made.gradient(made.start)))
        assert_close(made.theta, updated + self.noise(made, made.basis(**BASIS), 0.3), made.start)
        assert event.norm == pytest.approx(0.3)
        assert event.relative_norm == pytest.approx(0.3 / np.linalg.norm(updated))
        assert event.target == "parameters"

    def test_without_a_subspace_and_as_a_share_of_the_parameters(self, made: Parts) -> None:
        (event,) = made.step("noise", relative=0.05)
        updated = made.updated(made.start, made.clipped(made.gradient(made.start)))
        length = 0.05 * float(np.linalg.norm(updated))
        assert_close(made.theta, updated + self.noise(made, None, length), made.start)
        assert event.relative_norm == pytest.approx(0.05)

    def test_published_comes_between_gradient_and_update(self, made: Parts) -> None:
        made.step("noise", epsilon=0.3, published=True, **BASIS)
        displaced = made.start + self.noise(made, made.basis(**BASIS), 0.3)
        assert_close(made.theta, made.updated(displaced, made.clipped(made.gradient(made.start))), made.start)

    def test_every_so_many_steps(self, made: Parts) -> None:
        made.treatment.switched_on("noise", {"every": 7}, "control", 3)
        assert [number for number in range(3, 20) if made.treatment.acting(number)] == [3, 10, 17]


class TestKick:
    ETA = 1e-3

    def drawn(self, made: Parts, count: int) -> list[tuple[Any, Any]]:
        random = stream(made, "kick")
        return [(made.rows(random), made.rows(random)) for _ in range(count)]

    def exact(self, made: Parts, theta: Vector, rows_a: Any, rows_b: Any) -> tuple[Vector, float, float]:
        """δ, the defect and ‖g_A‖."""
        batch_a, batch_b = (made.oracle.prepare(made.train.batch(rows)) for rows in (rows_a, rows_b))
        gradient_a, gradient_b = made.gradient(theta, rows_a), made.gradient(theta, rows_b)
        point, *vectors = (made.oracle.asarray(each) for each in (theta, gradient_a, gradient_b))
        products = zip((batch_b, batch_a), vectors, strict=True)
        first, second = (made.oracle.hessian_vector_product(point, batch, vector) for batch, vector in products)
        delta = made.oracle.tonumpy(first - second).astype(np.float64)
        lengths = float(np.linalg.norm(gradient_a)), float(np.linalg.norm(gradient_b))
        return delta, float(np.linalg.norm(delta)) / (lengths[0] * lengths[1]), lengths[0]

    def median(self, samples: list[tuple[Vector, float, float]]) -> Vector:
        return sorted(samples, key=lambda sample: sample[1])[len(samples) // 2][0]

    def test_behind_the_update_along_the_commutator_with_the_median_defect(self, made: Parts) -> None:
        events = made.step("kick", alpha=20, samples=5, **BASIS)
        updated = made.updated(made.start, made.clipped(made.gradient(made.start)))
        samples = [self.exact(made, updated, *rows) for rows in self.drawn(made, 5)]
        direction = unit(off(made.basis(**BASIS), self.median(samples)))
        length = 20 * self.ETA * samples[0][2]
        assert_allclose(made.theta, updated + length * direction, rtol=1e-8, atol=1e-10)
        assert [event.state for event in events] == ["applied", "off"]
        assert events[0].norm == pytest.approx(length)
        assert events[0].batch_order is None

    def test_as_a_share_of_the_parameters(self, made: Parts) -> None:
        events = made.step("kick", relative=0.1, samples=1)
        assert events[0].relative_norm == pytest.approx(0.1)

    def test_its_control_goes_elsewhere_equally_far(self, backend: BackendSpec) -> None:
        kicked, control = parts(backend), parts(backend)
        (one, _), (other, _) = kicked.step("kick"), control.step("kick", direction="random")
        assert one.norm == pytest.approx(other.norm)
        updated = kicked.updated(kicked.start, kicked.clipped(kicked.gradient(kicked.start)))
        cosine = unit(kicked.theta - updated) @ unit(control.theta - updated)
        assert abs(cosine) < 0.2

    def test_sustained(self, made: Parts) -> None:
        events = made.step("kick", every=50, samples=1)
        assert [event.state for event in events] == ["applied"]
        assert [number for number in range(120) if made.treatment.acting(number)] == [0, 50, 100]

    def test_published_leaves_the_gradient_of_its_last_measurement(self, made: Parts) -> None:
        """Unclipped, of the last batch A, at the point one step along batch B away."""
        events = made.step("kick", published=True, samples=3, **BASIS)
        theta, *drawn = made.start, *self.drawn(made, 4)
        samples = [self.difference(made, theta, *rows) for rows in drawn[:-1]]
        direction = unit(off(made.basis(**BASIS), self.median(samples)))
        rows_a, rows_b = drawn[-1]
        length = 10 * self.ETA * float(np.linalg.norm(made.gradient(theta, rows_a)))
        left = made.gradient(theta - self.ETA * made.gradient(theta, rows_b), rows_a)
        assert_allclose(made.theta, made.updated(theta + length * direction, left), rtol=1e-7, atol=1e-9)
        assert (events[0].batch_order, made.treatment.batch_order) == (1, 1)

    def difference(self, made: Parts, theta: Vector, rows_a: Any, rows_b: Any) -> tuple[Vector, float, float]:
        eta, gradient = self.ETA, made.gradient
        gradient_a, gradient_b = gradient(theta, rows_a), gradient(theta, rows_b)
        after_a, after_b = theta - eta * gradient_a, theta - eta * gradient_b
        delta = (after_a - eta * gradient(after_a, rows_b)) - (after_b - eta * gradient(after_b, rows_a))
        lengths = float(np.linalg.norm(gradient_a)), float(np.linalg.norm(gradient_b))
        return delta, float(np.linalg.norm(delta)) / (lengths[0] * lengths[1]), lengths[0]


# --- levers of other papers -------------------------------------------------------------------------------------------


def test_grokfast_begins_with_the_first_gradient_and_then_remembers(made: Parts) -> None:
    (event,) = made.step("grokfast", alpha=0.9, lamb=3)
    gradient = made.clipped(made.gradient(made.start))
    assert_close(made.theta, made.updated(made.start, gradient + 3 * gradient), made.start)
    assert event.norm == pytest.approx(3 * np.linalg.norm(gradient))
    second = made.theta
    made.taken(1)
    kept = made.session.tonumpy(made.treatment.acting(1)[0].intervention.kept["average"])
    clipped = made.gradient(second) * min(1.0, 0.5 / (np.linalg.norm(made.gradient(second)) + 1e-6))
    assert_allclose(kept, 0.9 * gradient + 0.1 * clipped, rtol=1e-7, atol=1e-10)


class TestOrthograd:
    def test_of_all_parameters_as_one_vector(self, made: Parts) -> None:
        (event,) = made.step("orthograd")
        theta, gradient = made.start, made.clipped(made.gradient(made.start))
        along = (theta @ gradient / (theta @ theta)) * theta
        assert_close(made.theta, made.updated(theta, gradient - along), theta)
        assert event.norm == pytest.approx(np.linalg.norm(along))

    def test_published_is_tensor_by_tensor_and_keeps_lengths(self, made: Parts) -> None:
        made.step("orthograd", published=True)
        theta, gradient = made.start, made.clipped(made.gradient(made.start))
        expected = gradient.copy()
        for tensor in made.layout:
            where = slice(tensor.offset, tensor.stop)
            w, g = theta[where], gradient[where]
            rest = g - (w @ g / (w @ w)) * w if w @ w else g
            expected[where] = rest * np.linalg.norm(g) / np.linalg.norm(rest) if np.linalg.norm(rest) else rest
        assert_close(made.theta, made.updated(theta, expected), theta)


class TestClamp:
    @pytest.mark.parametrize(("parameters", "length"), [({"ratio": 0.8}, None), ({"ratio": 2, "norm": 3.0}, 6.0)])
    def test_the_length_is_held(self, made: Parts, parameters: dict[str, float], length: float | None) -> None:
        (event,) = made.step("clamp", **parameters)
        updated = made.updated(made.start, made.clipped(made.gradient(made.start)))
        held = 0.8 * float(np.linalg.norm(made.start)) if length is None else length
        assert_close(made.theta, held * unit(updated), made.start)
        assert event.norm == pytest.approx(abs(held - np.linalg.norm(updated)))


@pytest.mark.parametrize("value", [0.5, 4.0])
def test_temperature_divides_the_logits(made: Parts, value: float) -> None:
    """∇ of L(logits / T) by finite differences of the loss of a head that is divided by T."""
    made.step("temperature", value=value)
    cooled = np.ones(made.layout.size)
    for start, stop in made.layout.groups()["head"]:
        cooled[start:stop] = 1 / value
    batch = made.oracle.prepare(made.train.batch(made.first_rows))

    def loss(theta: Vector) -> float:
        return float(made.oracle.gradient(made.oracle.asarray(cooled * theta), batch)[0])

    gradient = cooled * made.gradient(cooled * made.start)
    direction = unit(np.random.default_rng(0).standard_normal(len(made.start)))
    slope = (loss(made.start + 1e-5 * direction) - loss(made.start - 1e-5 * direction)) / 2e-5
    assert gradient @ direction == pytest.approx(slope, rel=1e-6, abs=1e-9)
    assert_close(made.theta, made.updated(made.start, made.clipped(gradient)), made.start)


def test_the_embedding_learns_at_a_rate_of_its_own(made: Parts) -> None:
    """As AdamW with that rate, decay included."""
    (event,) = made.step("embedding-lr", ratio=3)
    gradient = made.clipped(made.gradient(made.start))
    plain = made.updated(made.start, gradient)
    optimizer = made.config.optimizer_at(0)._replace(clip=None, lr=3 * made.config.optimizer.lr)
    zeros = np.zeros_like(made.start)
    expected, fast = (
        plain.copy(),
        reference.optimized(reference.TrainingState(0, made.start, zeros, zeros), gradient, optimizer, made.layout),
    )
    for start, stop in made.layout.groups()["embedding"]:
        expected[start:stop] = fast[0].parameters[start:stop]
    assert_close(made.theta, expected, made.start)
    assert event.target == "update"


def test_the_adaptive_rate_follows_singular_values_and_how_often_rows_are_updated(made: Parts) -> None:
    made.step("embedding-lr", ratio=0.5, adaptive=True)
    gradient = made.clipped(made.gradient(made.start))
    weights, slopes = (made.layout.unflatten(vector) for vector in (made.start, gradient))

    def sigma(matrix: Vector) -> float:
        return float(np.linalg.svd(matrix, compute_uv=False)[0])

    matrices = [
        part
        for each in made.layout
        if each.block in {"attention", "mlp"} and len(each.shape) == 2
        for part in np.split(weights[each.name], 3 if "in_proj" in each.name else 1)
    ]
    often = np.mean([row.any() for row in slopes["tok_emb.weight"]])
    factor = sigma(weights["tok_emb.weight"]) / np.median([sigma(each) for each in matrices]) / often
    plain = made.updated(made.start, gradient)
    expected = plain.copy()
    for start, stop in made.layout.groups()["embedding"]:
        expected[start:stop] += (0.5 * factor - 1) * (plain - made.start)[start:stop]
    assert_close(made.theta, expected, made.start)


# --- together, and doing nothing --------------------------------------------------------------------------------------

NOTHING: dict[str, dict[str, Any]] = {
    "project": {"strength": 0.0, **BASIS}, "rescale": {"strength": 0.0, **BASIS}, "penalty": {"weight": 0.0, **BASIS},
    "noise": {"epsilon": 0.0}, "kick": {"alpha": 0.0}, "grokfast": {"lamb": 0.0}, "temperature": {"value": 1.0},
    "embedding-lr": {"ratio": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("kind", NOTHING)
def test_of_strength_zero_it_changes_nothing(backend: BackendSpec, kind: str) -> None:
    treated, plain = parts(backend), parts(backend)
    treated.step(kind, **NOTHING[kind])
    batch = plain.session.prepare(plain.train.batch(plain.first_rows))
    plain.session.step(batch, plain.config.optimizer_at(0))
    assert_close(treated.theta, plain.theta, plain.start)


def test_they_act_in_the_order_in_which_they_were_switched_on(backend: BackendSpec) -> None:
    """A penalty comes before clipping whenever it was switched on; two projections compose."""
    made = parts(backend)
    made.treatment.switched_on("rescale", {"strength": 1.0, **BASIS}, "control", 0)
    made.step("project", strength=0.5, **BASIS)
    basis = made.basis(**BASIS)
    gradient = made.clipped(made.gradient(made.start))
    shorter = np.linalg.norm(gradient - off(basis, gradient)) * unit(gradient)
    assert_close(made.theta, made.updated(made.start, shorter - 0.5 * off(basis, shorter)), made.start)


@pytest.mark.parametrize("kind", ["project", "penalty", "rescale"])
def test_without_a_subspace_there_is_nothing_to_leave_alone(made: Parts, kind: str) -> None:
    with pytest.raises(ValueError, match=f"{kind} needs"):
        made.step(kind, basis="none")


Opened = Callable[..., Vector]


class TestBasis:
    @pytest.mark.parametrize(("blocks", "dimension"), [("attention", 8), ("matrices", 12), ("joint", 2)])
    def test_random_ones_have_the_shape_of_a_trajectory(self, blocks: str, dimension: int) -> None:
        from grokscope.testing.reference import SPEC

        made = parts(SPEC)
        matched = made.basis(basis="random", blocks=blocks)
        anywhere = made.basis(basis="random-joint", blocks=blocks)
        assert len(matched) == len(anywhere) == dimension
        assert np.count_nonzero(anywhere[0]) == len(made.start)
        assert np.count_nonzero(matched[0]) < len(made.start)

    def test_another_draw_is_another_subspace(self) -> None:
        from grokscope.testing.reference import SPEC

        made = parts(SPEC)
        first, again, other = (made.basis(basis="random", basis_draw=draw) for draw in (0, 0, 1))
        assert np.array_equal(first, again)
        assert np.abs(first @ other.T).max() < 0.9


def test_temperature_is_refused_where_logits_are_cosines() -> None:
    model = replace(MODEL, residual="spherical")
    plan = Plan(Path("nowhere"), 0, 0, layout(model), model)
    assert "cosine_scale" in str(temperature.SPEC.objection(temperature.TemperatureParameters(), plan))
    assert temperature.SPEC.objection(temperature.TemperatureParameters(), replace(plan, model=MODEL)) is None


# --- matched controls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lever", "control"),
    [
        ("orthograd", {}, {"direction": "random"}),
        ("orthograd", {"published": True}, {"published": True, "direction": "random"}),
        ("clamp", {"ratio": 0.8}, {"ratio": 0.8, "direction": "random"}),
    ],
)
def test_a_control_is_as_long_as_its_lever_in_another_direction(
    backend: BackendSpec, kind: str, lever: dict[str, Any], control: dict[str, Any]
) -> None:
    one, other = parts(backend), parts(backend)
    (own,), (beside,) = one.step(kind, **lever), other.step(kind, **control)
    assert own.norm
    assert beside.norm == pytest.approx(own.norm, rel=1e-4)
    assert np.linalg.norm(one.theta - other.theta) > 1e-3 * own.norm * one.config.optimizer.lr


def test_the_control_of_a_clamp_goes_on_to_move_as_far_as_the_norm_does(made: Parts) -> None:
    made.step("clamp", direction="random")
    before = np.linalg.norm(made.theta)
    outcome, acted = made.taken(1)
    (change,) = acted[0].changes
    moved = made.session.tonumpy(change.of)
    assert np.linalg.norm(made.session.tonumpy(change.delta)) == pytest.approx(
        abs(np.linalg.norm(moved) - before), rel=1e-3
    )
    assert float(outcome.loss) > 0


def test_the_control_of_temperature_is_as_long_and_points_where_the_gradient_did(made: Parts) -> None:
    made.step("temperature", value=3, length_only=True)
    cooled = np.ones(made.layout.size)
    for start, stop in made.layout.groups()["head"]:
        cooled[start:stop] = 1 / 3
    length = np.linalg.norm(cooled * made.gradient(cooled * made.start))
    expected = made.clipped(length * unit(made.gradient(made.start)))
    assert_close(made.theta, made.updated(made.start, expected), made.start)


def test_the_control_of_an_embeddings_rate_moves_as_many_other_parameters(made: Parts) -> None:
    made.step("embedding-lr", ratio=3, where="random")
    plain = made.updated(made.start, made.clipped(made.gradient(made.start)))
    faster = np.isclose(made.theta - made.start, 3 * (plain - made.start), rtol=1e-3, atol=0)
    embedded = made.layout.on_block("embedding", 1, 0).astype(bool)
    noise = made.config.model.width or 0  # the biases of the keys, whose gradients are rounding alone
    assert abs(faster.sum() - embedded.sum()) <= noise
    assert faster[~embedded].sum() > noise
