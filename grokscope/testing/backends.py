"""What a backend must pass. Subclass it, say where to compute, and run pytest:

    class TestMine(BackendConformance):
        backend = my_package.SPEC
        device = "cpu"

Every number is compared with `grokscope.testing.reference`: plain NumPy in float64, on padded sequences, where the
backend computes on packed ones. The tests climb a ladder (outputs, gradient, curvature, training), so that the first
failure in reading order is the cause of those below it. They need no data and take seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import BackendSpec, BracketLandscape, Session, TrainingState, Unavailable
from grokscope.contract.examples import IGNORED, Examples, Ints, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.testing import reference


class Tolerance(NamedTuple):
    """Largest relative error: of a number, or of a vector as ‖found − expected‖ / ‖expected‖."""

    loss: float
    gradient: float
    product: float
    """Hessian-vector products"""
    plateau: float
    """Gradients and Hessian-vector products where the loss is about 1e-6"""
    step: float
    """Parameters and moments after one optimizer step from equal ones"""
    trajectory: float
    """Parameters at every one of ten steps"""


TOLERANCES: dict[Precision, Tolerance] = {
    "float64": Tolerance(1e-12, 1e-11, 1e-11, 1e-10, 1e-12, 1e-10),
    "float32": Tolerance(2e-6, 2e-5, 1e-4, 5e-4, 2e-6, 2e-4),
}

STEPS = 10
BACKEND_OPTIMIZER = Optimizer(lr=3e-3, wd=0.5, clip=0.5)

BACKEND_OPTIMIZERS = {
    "adamw": BACKEND_OPTIMIZER,
    "adamw, matrices decay": BACKEND_OPTIMIZER._replace(decay="matrices"),
    "sgd": BACKEND_OPTIMIZER._replace(name="sgd", momentum=0.9),
    "muon": BACKEND_OPTIMIZER._replace(name="muon", decay="matrices"),
}

# A gradient that is zero but for rounding (that of a key's bias, say) divided by its own size is noise of size 1; this
# epsilon keeps float32 noise out of comparisons over several steps.
NOISE_PROOF: dict[Precision, float] = {"float64": 1e-8, "float32": 1e-4}


# --- cases ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelCase:
    """A tiny model away from its starting point, and examples with repetitions."""

    model: ModelSpec
    examples: Examples

    @property
    def parameters(self) -> FloatArray:
        """Biases and norms are not left at 0 and 1, where mistakes hide. [size], float32"""
        start = initial_parameters(self.model, seed=3)
        noise = np.random.default_rng(4).normal(0, 0.1, start.size)
        return (start + noise).astype(np.float32)

    def batch(self, name: str) -> Ints:
        """Rows of batch `a` or `b`, some of them more than once."""
        return np.random.default_rng(ord(name)).integers(0, len(self.examples), 24)

    def padded(self, rows: Ints) -> reference.PaddedBatch:
        return reference.padded_examples(self.examples.take(rows), self.model)


_SMALL: dict[str, Any] = {"width": 8, "layers": 2, "heads": 2, "feed_forward": 12}


def _encoder(*, ragged: bool) -> ModelCase:
    """Read at the first position, as in modular arithmetic."""
    model = ModelSpec("encoder", vocabulary=7, context=4, classes=6, position_std=0.02, **_SMALL)
    random = np.random.default_rng(0)
    tokens = random.integers(0, 7, (20, 4))
    labels = np.full((20, 4), IGNORED)
    labels[:, 0] = random.integers(0, 6, 20)
    return ModelCase(model, Examples(tokens, random.integers(1, 5, 20) if ragged else np.full(20, 4), labels))


def _decoder() -> ModelCase:
    """Few tokens, so that prefixes are shared; read at every position but some."""
    model = ModelSpec("decoder", vocabulary=2, context=6, classes=5, **_SMALL)
    random = np.random.default_rng(1)
    lengths = random.integers(1, 7, 20)
    labels = random.integers(0, 5, (20, 6))
    labels[(np.arange(6) >= lengths[:, None]) | (random.random((20, 6)) < 0.2)] = IGNORED
    labels[:, 0] = random.integers(0, 2, 20)
    return ModelCase(model, Examples(random.integers(0, 2, (20, 6)), lengths, labels))


def _encoder_decoder(*, source_padding_attended: bool) -> ModelCase:
    """Ragged on both sides; some examples share their source."""
    model = ModelSpec("encoder-decoder", vocabulary=6, context=5, classes=5, target_vocabulary=5, target_context=6,
                      source_padding_attended=source_padding_attended, **_SMALL)  # fmt: skip
    random = np.random.default_rng(2)
    source, source_lengths = random.integers(1, 6, (20, 5)), random.integers(1, 6, 20)
    source[10:], source_lengths[10:] = source[:10], source_lengths[:10]
    target_lengths = random.integers(1, 7, 20)
    labels = np.where(np.arange(6) < target_lengths[:, None], random.integers(0, 5, (20, 6)), IGNORED)
    return ModelCase(model, Examples(source, source_lengths, labels, random.integers(1, 5, (20, 6)), target_lengths))


def _with_options(case: ModelCase, **options: Any) -> ModelCase:
    return replace(case, model=replace(case.model, **options))


CASES: dict[str, ModelCase] = {
    "encoder": _encoder(ragged=False),
    "encoder, padded": _encoder(ragged=True),
    "decoder": _decoder(),
    "encoder-decoder": _encoder_decoder(source_padding_attended=False),
    "encoder-decoder, padding attended": _encoder_decoder(source_padding_attended=True),
    "decoder, uniform attention, StableMax": _with_options(_decoder(), attention="uniform", loss="stablemax"),
    "encoder-decoder, spherical": _with_options(
        _encoder_decoder(source_padding_attended=False), residual="spherical", cosine_scale=7.0
    ),
}


@cache
def _dense_hessian(name: str) -> tuple[ModelCase, FloatArray]:
    """A still smaller model of the same kind, and the Hessian of its batch `a`, [size, size]."""
    case = CASES[name]
    case = replace(case, model=replace(case.model, width=4, layers=1, feed_forward=4))
    theta, batch = case.parameters.astype(np.float64), case.padded(case.batch("a"))
    hessian = np.empty((theta.size, theta.size))
    for row, unit in zip(hessian, np.eye(theta.size), strict=True):
        row[:] = reference.hessian_vector_product(case.model, theta, batch, unit)
    return case, hessian


def _plateau(case: ModelCase) -> ModelCase:
    """The same model after memorization: every label is class 0, and its logit leads by about 14."""
    if case.model.residual == "spherical" or case.model.loss == "stablemax":
        pytest.skip("this model has no plateau: its loss cannot fall so far")
    examples = case.examples
    return replace(case, examples=replace(examples, labels=np.where(examples.labels == IGNORED, IGNORED, 0)))


def _leading(case: ModelCase) -> FloatArray:
    parameters = case.parameters
    bias = layout(case.model).by_name["head.bias"]
    parameters[bias.offset] += 14
    return parameters


Operation = Callable[[Any, Any], Any]

ARITHMETIC: dict[str, Operation] = {
    "x + y": lambda x, y: x + y,
    "x + number": lambda x, y: x + 0.1,
    "x - y": lambda x, y: x - y,
    "x - number": lambda x, y: x - 0.1,
    "x * y": lambda x, y: x * y,
    "x * number": lambda x, y: x * 0.1,
    "number * x": lambda x, y: 0.1 * x,
    "scalar * x": lambda x, y: y[:5].sum() * x,
    "x / y": lambda x, y: x / y,
    "x / number": lambda x, y: x / 3,
    "x / scalar": lambda x, y: x / y[:5].sum(),
    "abs(x)": lambda x, y: abs(x),
}
"""What the core computes with vectors, and what NumPy must say to it"""


# --- the suite --------------------------------------------------------------------------------------------------------

Opened = Callable[..., Session]


class BackendConformance:
    """Set `backend` and `device` in a subclass, or override the fixture `place`."""

    backend: ClassVar[BackendSpec]
    device: ClassVar[str] = "cpu"

    @pytest.fixture
    def place(self) -> tuple[BackendSpec, str]:
        """The backend, and the name of its device."""
        return self.backend, self.device

    @pytest.fixture(params=["float32", "float64"])
    def precision(self, request: pytest.FixtureRequest, place: tuple[BackendSpec, str]) -> Precision:
        """Every precision that the device has."""
        wanted: Precision = request.param
        if wanted not in _precisions(*place):
            pytest.skip(f"{place[0].name} on {place[1]} has no {wanted}")
        return wanted

    @pytest.fixture
    def tolerance(self, precision: Precision) -> Tolerance:
        return TOLERANCES[precision]

    @pytest.fixture(params=CASES)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def case(self, name: str) -> ModelCase:
        return CASES[name]

    @pytest.fixture
    def opened(self, place: tuple[BackendSpec, str], precision: Precision) -> Opened:
        """`opened(case)`: a session at the case's parameters."""

        def opened(case: ModelCase, parameters: FloatArray | None = None) -> Session:
            start = case.parameters if parameters is None else parameters
            return place[0].open(case.model, start, device=place[1], precision=precision, threads=1)

        return opened

    # outputs

    def test_loss_of_a_packed_batch_is_the_loss_of_its_padded_examples(
        self, opened: Opened, case: ModelCase, tolerance: Tolerance
    ) -> None:
        session, rows = opened(case), case.batch("a")
        expected, _ = reference.loss_and_gradient(case.model, _theta(case), case.padded(rows))
        found, _ = session.gradient(session.parameters, _prepared(session, case, rows))
        assert float(found) == pytest.approx(expected, rel=tolerance.loss)

    def test_loss_ignores_the_order_of_examples(self, opened: Opened, case: ModelCase) -> None:
        session, rows = opened(case), case.batch("a")
        forward, backward = (_prepared(session, case, order) for order in (rows, rows[::-1]))
        assert float(session.gradient(session.parameters, forward)[0]) == float(
            session.gradient(session.parameters, backward)[0]
        )

    def test_repeating_a_batch_changes_nothing(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session, rows = opened(case), case.batch("a")
        once, thrice = (_prepared(session, case, np.tile(rows, times)) for times in (1, 3))
        assert float(session.gradient(session.parameters, once)[0]) == pytest.approx(
            float(session.gradient(session.parameters, thrice)[0]), rel=tolerance.loss
        )

    def test_what_stands_beyond_a_length_changes_nothing(self, opened: Opened, case: ModelCase) -> None:
        session, rows = opened(case), np.arange(len(case.examples))
        examples = case.examples
        beyond = np.arange(examples.source.shape[1]) >= examples.source_lengths[:, None]
        scribbled = replace(case, examples=replace(examples, source=np.where(beyond, 1, examples.source)))
        clean, dirty = (_prepared(session, one, rows) for one in (case, scribbled))
        assert float(session.gradient(session.parameters, clean)[0]) == float(
            session.gradient(session.parameters, dirty)[0]
        )

    def test_predictions(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session, rows = opened(case), np.arange(len(case.examples))
        packed = Packer(case.examples, case.model).batch(rows)
        expected = reference.predictions(case.model, _theta(case), reference.padded_batch(packed))
        found = session.predict(session.parameters, session.prepare(packed))
        assert isinstance(found.losses, np.ndarray)
        assert found.classes.dtype == np.int64
        np.testing.assert_allclose(found.losses, expected.losses, rtol=10 * tolerance.loss)
        np.testing.assert_array_equal(found.classes, expected.classes)
        assert found.logits is None
        assert found.representations is None

    def test_details_of_predictions(
        self, opened: Opened, case: ModelCase, precision: Precision, tolerance: Tolerance
    ) -> None:
        """Reads of batch `a` share nodes, so that there are more reads than nodes read."""
        session = opened(case)
        packed = Packer(case.examples, case.model).batch(case.batch("a"))
        expected = reference.predictions(case.model, _theta(case), reference.padded_batch(packed))
        prepared = session.prepare(packed)
        found, short = (session.predict(session.parameters, prepared, details=wanted) for wanted in (True, False))
        np.testing.assert_array_equal(found.losses, short.losses)
        np.testing.assert_array_equal(found.classes, short.classes)
        for ours, theirs in ((found.logits, expected.logits), (found.representations, expected.representations)):
            assert ours is not None
            assert theirs is not None
            assert ours.dtype == np.dtype(precision)
            assert ours.shape == theirs.shape
            _assert_near(ours, theirs, tolerance.gradient)
            ours[:] = 0  # a copy, as large as it looks: nobody else sees it change

    def test_predictions_weighted_are_the_loss(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session = opened(case)
        packed = Packer(case.examples, case.model).batch(case.batch("a"))
        prepared = session.prepare(packed)
        loss, _ = session.gradient(session.parameters, prepared)
        losses = session.predict(session.parameters, prepared).losses
        assert float(loss) == pytest.approx(float(losses @ packed.weights), rel=tolerance.loss)

    # gradient

    def test_gradient(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session, rows = opened(case), case.batch("a")
        _, expected = reference.loss_and_gradient(case.model, _theta(case), case.padded(rows))
        _, found = session.gradient(session.parameters, _prepared(session, case, rows))
        _assert_near(session.tonumpy(found), expected, tolerance.gradient)

    def test_gradient_keeps_its_digits_on_the_plateau(
        self, opened: Opened, case: ModelCase, tolerance: Tolerance
    ) -> None:
        """`log_softmax` loses them all: its derivative at the label is p − 1, and p is 1 but for rounding."""
        case = _plateau(case)
        parameters, rows = _leading(case), case.batch("a")
        session = opened(case, parameters)
        loss, expected = reference.loss_and_gradient(case.model, parameters.astype(np.float64), case.padded(rows))
        assert loss < 1e-4
        found_loss, found = session.gradient(session.parameters, _prepared(session, case, rows))
        assert float(found_loss) == pytest.approx(loss, rel=tolerance.plateau)
        _assert_near(session.tonumpy(found), expected, tolerance.plateau)

    # curvature

    def test_hessian_vector_product_is_the_dense_hessian_times_the_vector(
        self, opened: Opened, name: str, tolerance: Tolerance
    ) -> None:
        case, hessian = _dense_hessian(name)
        session = opened(case)
        batch = _prepared(session, case, case.batch("a"))
        for vector in _vectors(session, 3):
            found = session.hessian_vector_product(session.parameters, batch, session.asarray(vector))
            _assert_near(session.tonumpy(found), hessian @ vector, tolerance.product)

    def test_hessian_vector_product(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session, rows = opened(case), case.batch("a")
        (vector,) = _vectors(session, 1)
        expected = reference.hessian_vector_product(case.model, _theta(case), case.padded(rows), vector)
        found = session.hessian_vector_product(
            session.parameters, _prepared(session, case, rows), session.asarray(vector)
        )
        _assert_near(session.tonumpy(found), expected, tolerance.product)

    def test_hessian_vector_product_is_linear_in_tiny_vectors(
        self, opened: Opened, case: ModelCase, tolerance: Tolerance
    ) -> None:
        """Gradients of 1e-6 are what it is given on the plateau."""
        session = opened(case)
        batch = _prepared(session, case, case.batch("a"))
        (vector,) = _vectors(session, 1)
        whole = session.hessian_vector_product(session.parameters, batch, session.asarray(vector))
        tiny = session.hessian_vector_product(session.parameters, batch, session.asarray(1e-6 * vector))
        _assert_near(1e6 * session.tonumpy(tiny), session.tonumpy(whole), tolerance.product)

    def test_hessian_vector_product_keeps_its_digits_on_the_plateau(
        self, opened: Opened, case: ModelCase, tolerance: Tolerance
    ) -> None:
        case = _plateau(case)
        parameters, rows = _leading(case), case.batch("a")
        session = opened(case, parameters)
        (vector,) = _vectors(session, 1)
        theta = parameters.astype(np.float64)
        expected = reference.hessian_vector_product(case.model, theta, case.padded(rows), vector)
        found = session.hessian_vector_product(
            session.parameters, _prepared(session, case, rows), session.asarray(vector)
        )
        _assert_near(session.tonumpy(found), expected, tolerance.plateau)

    def test_hessian_is_symmetric(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session = opened(case)
        batch = _prepared(session, case, case.batch("b"))
        u, v = _vectors(session, 2)
        on_u, on_v = (
            session.tonumpy(session.hessian_vector_product(session.parameters, batch, session.asarray(vector)))
            for vector in (u, v)
        )
        scale = float(np.linalg.norm(u) * np.linalg.norm(on_v))
        assert abs(float(u @ on_v - v @ on_u)) <= tolerance.product * scale

    def test_bracket_is_its_plain_parts(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        session = opened(case)
        if not isinstance(session, BracketLandscape):
            pytest.skip("a backend need not fuse the bracket, and this one does not")
        theta = session.parameters
        a, b = (_prepared(session, case, case.batch(name)) for name in "ab")
        gradient_a, gradient_b = session.gradient(theta, a)[1], session.gradient(theta, b)[1]
        plain = (
            gradient_a,
            gradient_b,
            session.hessian_vector_product(theta, b, gradient_a),
            session.hessian_vector_product(theta, a, gradient_b),
        )
        for found, expected in zip(session.bracket(theta, a, b), plain, strict=True):
            _assert_near(session.tonumpy(found), session.tonumpy(expected), tolerance.product)

    def test_float64_is_computed_in_a_float32_session_or_refused(
        self, place: tuple[BackendSpec, str], case: ModelCase
    ) -> None:
        backend, device = place
        session = backend.open(case.model, case.parameters, device=device, precision="float32")
        if "float64" not in _precisions(backend, device):
            with pytest.raises(Unavailable):
                session.asarray(case.parameters, "float64")
            return
        rows = case.batch("a")
        theta = session.asarray(case.parameters, "float64")
        loss, gradient = session.gradient(theta, _prepared(session, case, rows))
        expected_loss, expected = reference.loss_and_gradient(case.model, _theta(case), case.padded(rows))
        assert session.tonumpy(gradient).dtype == np.float64
        assert float(loss) == pytest.approx(expected_loss, rel=TOLERANCES["float64"].loss)
        _assert_near(session.tonumpy(gradient), expected, TOLERANCES["float64"].gradient)

    # training

    @pytest.mark.parametrize("clip", [None, 0.05, 1e9], ids=["unclipped", "clipped", "never clipped"])
    def test_each_step_is_the_formula_applied_to_its_own_gradient(
        self, opened: Opened, case: ModelCase, precision: Precision, tolerance: Tolerance, clip: float | None
    ) -> None:
        session = opened(case)
        optimizer = BACKEND_OPTIMIZER._replace(clip=clip, epsilon=NOISE_PROOF[precision])
        for step in range(STEPS):
            batch = _prepared(session, case, case.batch("ab"[step % 2]))
            before = _doubled(session.state())
            loss, gradient = session.gradient(session.parameters, batch)
            expected, norm = reference.optimized(
                before, session.tonumpy(gradient).astype(np.float64), optimizer, layout(case.model)
            )
            outcome = session.step(batch, optimizer)
            assert float(outcome.loss) == pytest.approx(float(loss), rel=tolerance.loss)
            assert float(outcome.gradient_norm) == pytest.approx(float(norm), rel=tolerance.gradient)
            _assert_states_near(session.state(), expected, tolerance.step, gradient=tolerance.gradient)

    def test_trajectory(self, opened: Opened, case: ModelCase, precision: Precision, tolerance: Tolerance) -> None:
        session = opened(case)
        optimizer = BACKEND_OPTIMIZER._replace(epsilon=NOISE_PROOF[precision])
        zeros = np.zeros(case.parameters.size)
        expected = TrainingState(0, _theta(case), zeros, zeros)
        for step in range(STEPS):
            rows = case.batch("ab"[step % 2])
            outcome = session.step(_prepared(session, case, rows), optimizer)
            loss, gradient = reference.loss_and_gradient(case.model, expected.parameters, case.padded(rows))
            expected, _ = reference.optimized(expected, gradient, optimizer, layout(case.model))
            assert float(outcome.loss) == pytest.approx(loss, rel=tolerance.trajectory), step
            _assert_near(session.tonumpy(session.parameters), expected.parameters, tolerance.trajectory)

    def test_step_along_is_step_with_a_gradient(self, opened: Opened, case: ModelCase, tolerance: Tolerance) -> None:
        along, plain = opened(case), opened(case)
        optimizer = BACKEND_OPTIMIZER._replace(epsilon=1e-4)
        for step in range(3):
            batch = _prepared(plain, case, case.batch("ab"[step % 2]))
            _, gradient = along.gradient(along.parameters, batch)
            norm = along.step_along(gradient, optimizer)
            outcome = plain.step(batch, optimizer)
            assert float(norm) == pytest.approx(float(outcome.gradient_norm), rel=tolerance.gradient)
            _assert_states_near(along.state(), _doubled(plain.state()), tolerance.step, gradient=tolerance.gradient)

    def test_optimizer_may_change_from_step_to_step(
        self, opened: Opened, case: ModelCase, tolerance: Tolerance
    ) -> None:
        session = opened(case)
        (gradient,) = _vectors(session, 1)
        for optimizer in (
            BACKEND_OPTIMIZER,
            BACKEND_OPTIMIZER._replace(lr=1e-4, wd=0.0),
            Optimizer(1e-2, 2.0, 0.8, 0.9, 1e-6, None),
            *BACKEND_OPTIMIZERS.values(),
        ):
            expected, _ = reference.optimized(_doubled(session.state()), gradient, optimizer, layout(case.model))
            session.step_along(session.asarray(gradient), optimizer)
            _assert_states_near(session.state(), expected, tolerance.step, gradient=tolerance.gradient)

    def test_displaced_parameters_move_and_nothing_else_does(
        self, opened: Opened, case: ModelCase, tolerance: Tolerance
    ) -> None:
        session = opened(case)
        session.step(_prepared(session, case, case.batch("a")), BACKEND_OPTIMIZER)
        before = session.state()
        (delta,) = _vectors(session, 1)
        session.displace(session.asarray(delta))
        after = session.state()
        _assert_near(after.parameters, before.parameters + delta, tolerance.step)
        _assert_equal(after._replace(parameters=before.parameters), before)
        expected, _ = reference.optimized(_doubled(after), delta, BACKEND_OPTIMIZER, layout(case.model))
        session.step_along(session.asarray(delta), BACKEND_OPTIMIZER)
        _assert_states_near(session.state(), expected, tolerance.step, gradient=tolerance.gradient)

    def test_restored_state_goes_on_to_the_same_bits(self, opened: Opened, case: ModelCase) -> None:
        first, second = opened(case), opened(case)
        batches = [_prepared(first, case, case.batch(name)) for name in "abab"]
        for batch in batches[:2]:
            first.step(batch, BACKEND_OPTIMIZER)
        middle = first.state()
        second.restore(middle)
        _assert_equal(second.state(), middle)
        if first.device != "cpu":
            return  # an accelerator may add in another order each time
        for batch in batches[2:]:
            first.step(batch, BACKEND_OPTIMIZER)
            second.step(batch, BACKEND_OPTIMIZER)
            _assert_equal(second.state(), first.state())

    def test_the_same_step_twice_gives_the_same_bits(self, opened: Opened, case: ModelCase) -> None:
        if opened(case).device != "cpu":
            pytest.skip("an accelerator may add in another order each time")
        states = []
        for _ in range(2):
            session = opened(case)
            for name in "ab":
                session.step(_prepared(session, case, case.batch(name)), BACKEND_OPTIMIZER)
            states.append(session.state())
        _assert_equal(*states)

    @pytest.mark.parametrize("kind", BACKEND_OPTIMIZERS)
    def test_every_optimizer_is_its_formula(
        self, opened: Opened, precision: Precision, tolerance: Tolerance, kind: str
    ) -> None:
        """Step by step from its own gradients, along a trajectory, and on from a state that was restored."""
        case = CASES["encoder-decoder"]  # which has every kind of tensor
        optimizer, where = BACKEND_OPTIMIZERS[kind]._replace(epsilon=NOISE_PROOF[precision]), layout(case.model)
        session, other, zeros = opened(case), opened(case), np.zeros(case.parameters.size)
        along = TrainingState(0, _theta(case), zeros, zeros)
        for step in range(STEPS):
            rows = case.batch("ab"[step % 2])
            batch, before = _prepared(session, case, rows), session.state()
            _, gradient = session.gradient(session.parameters, batch)
            slope = session.tonumpy(gradient).astype(np.float64)
            expected, _ = reference.optimized(_doubled(before), slope, optimizer, where)
            session.step(batch, optimizer)
            _assert_states_near(session.state(), expected, tolerance.step, gradient=tolerance.gradient)
            _, slope = reference.loss_and_gradient(case.model, along.parameters, case.padded(rows))
            along, _ = reference.optimized(along, slope, optimizer, where)
            _assert_near(session.tonumpy(session.parameters), along.parameters, tolerance.trajectory)
            if session.device == "cpu":
                other.restore(before)
                other.step(batch, optimizer)
                _assert_equal(other.state(), session.state())

    def test_measuring_leaves_the_state_alone(self, opened: Opened, case: ModelCase) -> None:
        session = opened(case)
        a, b = (_prepared(session, case, case.batch(name)) for name in "ab")
        session.step(a, BACKEND_OPTIMIZER)
        before = session.state()
        theta = session.parameters
        _, gradient = session.gradient(theta, a)
        session.hessian_vector_product(theta, b, gradient)
        session.predict(theta, b)
        if isinstance(session, BracketLandscape):
            session.bracket(theta, a, b)
        _assert_equal(session.state(), before)

    # values in and out

    def test_nothing_given_is_changed(self, opened: Opened, case: ModelCase) -> None:
        start = case.parameters
        session = opened(case, start)
        batch = Packer(case.examples, case.model).batch(case.batch("a"))
        weights = batch.weights.copy()
        (vector,) = _vectors(session, 1)
        theta, gradient = session.asarray(start), session.asarray(vector)
        prepared = session.prepare(batch)
        session.hessian_vector_product(theta, prepared, gradient)
        session.step_along(gradient, BACKEND_OPTIMIZER)
        taken = session.state()
        kept = TrainingState(taken.step, *(array.copy() for array in taken[1:]))
        session.step(prepared, BACKEND_OPTIMIZER)
        np.testing.assert_array_equal(session.tonumpy(theta), start)
        np.testing.assert_array_equal(session.tonumpy(gradient), vector.astype(session.precision))
        np.testing.assert_array_equal(start, case.parameters)
        np.testing.assert_array_equal(batch.weights, weights)
        _assert_equal(taken, kept)

    def test_arrays_go_in_and_out_unchanged(self, opened: Opened, case: ModelCase, precision: Precision) -> None:
        session = opened(case)
        (vector,) = _vectors(session, 1)
        found = session.tonumpy(session.asarray(vector))
        assert found.dtype == np.dtype(precision)
        np.testing.assert_array_equal(found, vector.astype(precision))
        found[:] = 0  # a copy: the session does not notice
        np.testing.assert_array_equal(session.tonumpy(session.parameters), case.parameters.astype(precision))

    @pytest.mark.parametrize("operation", ARITHMETIC)
    def test_arithmetic_of_the_core(
        self, opened: Opened, precision: Precision, tolerance: Tolerance, operation: str
    ) -> None:
        """The result of each operation of `grokscope.contract.arrays.Vector`; it changes neither operand."""
        session = opened(CASES["decoder"])
        left, right = _vectors(session, 2)
        x, y = session.asarray(left), session.asarray(right)
        result = ARITHMETIC[operation](x, y)
        _assert_near(session.tonumpy(result), ARITHMETIC[operation](left, right), tolerance.step)
        assert session.tonumpy(result).dtype == np.dtype(precision)
        np.testing.assert_array_equal(session.tonumpy(x), left.astype(precision))
        np.testing.assert_array_equal(session.tonumpy(y), right.astype(precision))

    def test_lengths_slices_and_pieces(self, opened: Opened, precision: Precision) -> None:
        session = opened(CASES["decoder"])
        (vector,) = _vectors(session, 1)
        values, x = vector.astype(precision), session.asarray(vector)
        assert len(x) == len(values)
        for where in (slice(3, 9), slice(-1, None), slice(None, 0), slice(5, 5)):
            np.testing.assert_array_equal(session.tonumpy(x[where]), values[where])
            assert len(x[where]) == len(values[where])
        whole = session.concatenate([x[:3], x[3:9], x[9:]])
        np.testing.assert_array_equal(session.tonumpy(whole), values)
        assert session.tonumpy(whole).dtype == np.dtype(precision)

    def test_a_copy_of_the_parameters_stays(self, opened: Opened) -> None:
        """As interventions make one; the parameters themselves may change in place."""
        case = CASES["decoder"]
        session = opened(case)
        before = session.tonumpy(session.parameters)
        copies = session.parameters * 1, session.concatenate([session.parameters])
        session.step(_prepared(session, case, case.batch("a")), BACKEND_OPTIMIZER)
        for copy in copies:
            np.testing.assert_array_equal(session.tonumpy(copy), before)
        assert not np.array_equal(session.tonumpy(session.parameters), before)

    def test_sums_are_numbers(self, opened: Opened, tolerance: Tolerance) -> None:
        """Of few terms, which any order adds well; they are added and multiplied without being read."""
        session = opened(CASES["decoder"])
        (vector,) = _vectors(session, 1)
        x = session.asarray(vector)
        total = x[:50].sum() + x[50:60].sum() * x[:2].sum()
        expected = vector[:50].sum() + vector[50:60].sum() * vector[:2].sum()
        assert float(total) == pytest.approx(expected, rel=10 * tolerance.gradient)
        assert float(x[:0].sum()) == 0

    def test_session_says_what_it_is(self, opened: Opened, case: ModelCase, precision: Precision) -> None:
        session = opened(case)
        assert session.precision == precision
        assert session.device in {"cpu", "cuda", "mps", "gpu"}
        state = session.state()
        assert state.step == 0
        assert {array.dtype for array in state[1:]} == {np.dtype(precision)}
        np.testing.assert_array_equal(state.parameters, case.parameters.astype(precision))
        assert not state.first_moment.any()
        assert not state.second_moment.any()
        session.synchronize()

    # refusals

    def test_wrong_sizes_are_refused(self, opened: Opened, case: ModelCase) -> None:
        session, short = opened(case), case.parameters[:-1]
        with pytest.raises(ValueError, match=str(case.parameters.size)):
            opened(case, short)
        state = session.state()
        for wrong in (
            state._replace(parameters=short),
            state._replace(first_moment=short),
            state._replace(second_moment=short),
        ):
            with pytest.raises(ValueError, match=str(case.parameters.size)):
                session.restore(wrong)
        _assert_equal(session.state(), state)

    def test_unknown_device_is_refused(self, place: tuple[BackendSpec, str], case: ModelCase) -> None:
        with pytest.raises(Unavailable, match="abacus"):
            place[0].open(case.model, case.parameters, device="abacus")

    def test_missing_precision_is_refused(self, place: tuple[BackendSpec, str], case: ModelCase) -> None:
        backend, device = place
        if "float64" in _precisions(backend, device):
            pytest.skip(f"{device} has both precisions")
        with pytest.raises(Unavailable, match="float64"):
            backend.open(case.model, case.parameters, device=device, precision="float64")

    def test_auto_is_a_device_that_has_the_precision(
        self, place: tuple[BackendSpec, str], case: ModelCase, precision: Precision
    ) -> None:
        backend, _ = place
        session = backend.open(case.model, case.parameters, precision=precision)
        assert precision in _precisions(backend, session.device)

    def test_spec_speaks(self, place: tuple[BackendSpec, str]) -> None:
        backend, device = place
        assert device in {one.name for one in backend.devices()}
        assert all(isinstance(text, str) for pair in backend.details().items() for text in pair)
        assert backend.install.startswith("pip install")


# --- comparisons ------------------------------------------------------------------------------------------------------


def _precisions(backend: BackendSpec, device: str) -> tuple[Precision, ...]:
    return next(one.precisions for one in backend.devices() if one.name == device)


def _theta(case: ModelCase) -> FloatArray:
    return case.parameters.astype(np.float64)


def _prepared(session: Session, case: ModelCase, rows: Ints) -> Any:
    return session.prepare(Packer(case.examples, case.model).batch(rows))


def _vectors(session: Session, count: int) -> list[FloatArray]:
    """Random vectors [size] that float32 holds exactly."""
    size = len(session.state().parameters)
    random = np.random.default_rng(5)
    return [random.normal(size=size).astype(np.float32).astype(np.float64) for _ in range(count)]


def _doubled(state: TrainingState) -> TrainingState:
    return TrainingState(state.step, *(array.astype(np.float64) for array in state[1:]))


def _assert_near(found: FloatArray, expected: FloatArray, tolerance: float) -> None:
    error = float(np.linalg.norm(found.astype(np.float64) - expected) / (np.linalg.norm(expected) or 1.0))
    assert error <= tolerance, f"relative error {error:.2g}, allowed {tolerance:.2g}"


def _assert_states_near(found: TrainingState, expected: TrainingState, tolerance: float, *, gradient: float) -> None:
    """`gradient` is the tolerance of the moments, which are gradients."""
    assert found.step == expected.step
    _assert_near(found.parameters, expected.parameters, tolerance)
    _assert_near(found.first_moment, expected.first_moment, gradient)
    _assert_near(found.second_moment, expected.second_moment, 2 * gradient)


def _assert_equal(found: TrainingState, expected: TrainingState) -> None:
    assert found.step == expected.step
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
