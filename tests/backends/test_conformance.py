"""Every installed backend passes the suite that ships, and the suite finds a broken one."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from grokscope.contract.arrays import FloatArray
from grokscope.contract.optimizers import Optimizer
from grokscope.testing import backends, reference
from grokscope.testing.backends import BackendConformance, ModelCase


class TestInstalledBackends(BackendConformance):
    pass


def test_no_installed_framework_was_left_out(request: pytest.FixtureRequest) -> None:
    """einops lists MLX in its CI and never collects it: look at the tests that are there, not at a list of names."""
    suite = [item for item in request.session.items if "TestInstalledBackends" in item.nodeid]
    if not suite:
        pytest.skip("runs with the suite above")
    exercised = {item.callspec.params["place"][0].name for item in suite if not item.get_closest_marker("skip")}  # type: ignore[attr-defined]
    importable = {name for name, module in (("torch", "torch"), ("mlx", "mlx.core")) if _imports(module)}
    assert {"reference"} | importable <= exercised


def _imports(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


# A broken backend for each rung of the ladder, and the test that must fall.


class _WrongSign(reference.ReferenceSession):
    def hessian_vector_product(self, theta: FloatArray, batch: Any, vector: FloatArray) -> FloatArray:
        return -1.0 * super().hessian_vector_product(theta, batch, vector)


class _Biased(reference.ReferenceSession):
    """MLX's default: Adam without bias correction."""

    def step_along(self, gradient: FloatArray, optimizer: Optimizer) -> Any:
        step = self._state.step
        self._state = self._state._replace(step=100_000)
        norm = super().step_along(gradient, optimizer)
        self._state = self._state._replace(step=step + 1)
        return norm


class _Decaying(reference.ReferenceSession):
    """Lets everything decay, whatever it is asked."""

    def step_along(self, gradient: FloatArray, optimizer: Optimizer) -> Any:
        return super().step_along(gradient, optimizer._replace(decay="all"))


class _Forgetful(reference.ReferenceSession):
    def restore(self, state: Any) -> None:
        super().restore(state._replace(step=0))


class _Deaf(reference.ReferenceSession):
    """Reads labels from another position: any model would be wrong, none would crash."""

    def prepare(self, batch: Any) -> Any:
        prepared = super().prepare(batch)
        return reference.PaddedBatch(**{**vars(prepared), "labels": np.roll(prepared.labels, 1)})


@pytest.mark.parametrize(
    ("session", "test"),
    [
        (_Deaf, "test_loss_of_a_packed_batch_is_the_loss_of_its_padded_examples"),
        (_WrongSign, "test_hessian_vector_product_is_the_dense_hessian_times_the_vector"),
        (_Biased, "test_trajectory"),
        (_Decaying, "test_every_optimizer_is_its_formula"),
        (_Forgetful, "test_restored_state_goes_on_to_the_same_bits"),
    ],
)
def test_a_broken_backend_falls(session: type[reference.ReferenceSession], test: str) -> None:
    def opened(case: ModelCase, parameters: FloatArray | None = None) -> Any:
        return session(case.model, case.parameters if parameters is None else parameters, "float64")

    name = "encoder-decoder"
    available: dict[str, Any] = {
        "opened": opened,
        "name": name,
        "case": backends.CASES[name],
        "precision": "float64",
        "kind": "muon",
        "tolerance": backends.TOLERANCES["float64"],
    }
    method = getattr(BackendConformance, test)
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    with pytest.raises(AssertionError):
        method(BackendConformance(), **{argument: available[argument] for argument in wanted})
