"""The NumPy reference, against nothing but the definition of a derivative."""

import numpy as np
import pytest

from grokscope.contract.arrays import Vector
from grokscope.contract.backends import Unavailable
from grokscope.contract.examples import Packer
from grokscope.testing import reference
from grokscope.testing.backends import CASES, ModelCase
from grokscope.testing.vectors import StrictVector

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each_case
def test_gradient_is_the_slope_of_the_loss(case: ModelCase) -> None:
    theta, batch = case.parameters.astype(np.float64), case.padded(case.batch("a"))
    _, gradient = reference.loss_and_gradient(case.model, theta, batch)
    random = np.random.default_rng(0)
    for _ in range(3):
        direction = random.normal(size=theta.size)
        direction /= np.linalg.norm(direction)
        ahead, behind = (
            reference.loss_and_gradient(case.model, theta + sign * 1e-5 * direction, batch)[0] for sign in (1, -1)
        )
        assert (ahead - behind) / 2e-5 == pytest.approx(gradient @ direction, rel=1e-6, abs=1e-9)


@each_case
def test_hessian_vector_product_is_the_slope_of_the_gradient(case: ModelCase) -> None:
    theta, batch = case.parameters.astype(np.float64), case.padded(case.batch("a"))
    direction = np.random.default_rng(0).normal(size=theta.size)
    direction /= np.linalg.norm(direction)
    product = reference.hessian_vector_product(case.model, theta, batch, direction)
    ahead, behind = (
        reference.loss_and_gradient(case.model, theta + sign * 1e-5 * direction, batch)[1] for sign in (1, -1)
    )
    np.testing.assert_allclose((ahead - behind) / 2e-5, product, atol=1e-6 * np.linalg.norm(product))


@each_case
def test_packed_and_padded_batches_agree(case: ModelCase) -> None:
    theta, rows = case.parameters.astype(np.float64), case.batch("b")
    packed = reference.padded_batch(Packer(case.examples, case.model).batch(rows))
    loss, gradient = reference.loss_and_gradient(case.model, theta, packed)
    expected_loss, expected = reference.loss_and_gradient(case.model, theta, case.padded(rows))
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    np.testing.assert_allclose(gradient, expected, atol=1e-13)


def test_erf_knows_the_complex_numbers_beside_the_axis() -> None:
    x = np.array([-3.0, -0.5, 0.0, 0.3, 2.0])
    slope = reference.erf(x + 1e-20j).imag / 1e-20
    np.testing.assert_allclose(slope, 2 / np.sqrt(np.pi) * np.exp(-(x**2)), rtol=1e-14)


class TestStrictness:
    case = CASES["decoder"]

    def opened(self) -> reference.ReferenceSession:
        session = reference.SPEC.open(self.case.model, self.case.parameters)
        assert isinstance(session, reference.ReferenceSession)
        return session

    def test_mixed_precisions(self) -> None:
        session = self.opened()
        batch = session.prepare(Packer(self.case.examples, self.case.model).batch(self.case.batch("a")))
        double = session.asarray(self.case.parameters, "float64")
        with pytest.raises(TypeError, match="float32, float64"):
            session.hessian_vector_product(session.parameters, batch, double)
        with pytest.raises(TypeError, match="float32 and float64"):
            session.parameters + double
        with pytest.raises(TypeError, match="one precision"):
            session.concatenate([session.parameters, double])

    def test_wrong_size(self) -> None:
        session = self.opened()
        batch = session.prepare(Packer(self.case.examples, self.case.model).batch(self.case.batch("a")))
        with pytest.raises(ValueError, match="flat vector"):
            session.gradient(session.parameters[:-1], batch)
        with pytest.raises(ValueError, match="one length"):
            session.parameters - session.parameters[:-1]

    def test_numpy_arrays_are_no_vectors_of_it(self) -> None:
        session = self.opened()
        with pytest.raises(TypeError, match="asarray"):
            session.displace(self.case.parameters)
        with pytest.raises(TypeError, match="not with ndarray"):
            session.parameters + self.case.parameters
        with pytest.raises(TypeError, match="tonumpy"):
            np.linalg.norm(session.parameters)

    def test_tables_are_no_vectors(self) -> None:
        with pytest.raises(ValueError, match="flat"):
            self.opened().asarray(np.zeros((2, 2)))

    def test_nobody_writes_to_the_parameters(self) -> None:
        with pytest.raises(TypeError, match="item assignment"):
            self.opened().parameters[0:1] = 1  # type: ignore[index]

    def test_no_other_device(self) -> None:
        with pytest.raises(Unavailable, match="cuda"):
            reference.SPEC.open(self.case.model, self.case.parameters, device="cuda")

    def test_vectors_offer_what_the_contract_lists_and_no_more(self) -> None:
        """A formula that holds on them holds on every backend."""
        listed, offered = (
            {name for name, member in vars(kind).items() if getattr(member, "__module__", "") == kind.__module__}
            for kind in (Vector, StrictVector)
        )
        assert {"__getitem__", "__add__", "__rmul__", "sum"} <= listed
        assert offered - {"__init__", "__array__", "tonumpy", "_with"} == listed
        for operation in ("x @ x", "x ** 2", "-x", "x > 0", "x[0]", "x[::2]", "1 + x", "1 / x", "x.mean()", "x.shape"):
            with pytest.raises((TypeError, AttributeError)):
                eval(operation, {"x": self.opened().parameters})
