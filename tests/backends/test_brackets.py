"""A bracket whose graphs do not fit into memory together is computed from one graph at a time."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from grokscope import registry
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import initial_parameters
from grokscope.contract.plans import graph_numbers
from grokscope.contract.streams import generator
from grokscope.contract.transformer import Transformer
from grokscope.settings.config import resolve
from grokscope.testing.backends import CASES, ModelCase

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

FRAMEWORKS = {"torch": "torch", "mlx": "mlx.core"}


@pytest.fixture(params=FRAMEWORKS)
def backend(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip(FRAMEWORKS[request.param])
    return registry.get("backends", request.param)


def _opened(backend: Any, case: ModelCase) -> tuple[Any, Any, Any]:
    session = backend.open(case.model, case.parameters, device="cpu", threads=1)
    packer = Packer(case.examples, case.model)
    batch_a, batch_b = (session.prepare(packer.batch(case.batch(name))) for name in "ab")
    return session, batch_a, batch_b


@each_case
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_one_graph_at_a_time_gives_the_same_bits(backend: Any, case: ModelCase, precision: Any) -> None:
    session, *batches = _opened(backend, case)
    theta = session.asarray(case.parameters, precision)
    together, apart = (session.bracket(theta, *batches, together=each) for each in (True, False))
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(session.tonumpy(one), session.tonumpy(other))


@pytest.mark.parametrize(
    ("graphs", "passes"), [(None, 2), (4.0, 2), (3.9, 3), (0, 3)], ids=["nobody can tell", "twice", "less", "none"]
)
def test_graphs_may_take_half_of_the_free_memory(
    backend: Any, graphs: float | None, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free memory in units of a graph: two may take half of it. A graph more is a forward pass more."""
    session, batch, _ = _opened(backend, CASES["encoder"])
    size = 4 * graph_numbers(batch, session._model)
    free = None if graphs is None else int(graphs * size)
    monkeypatch.setattr(import_module(type(session).__module__), "free_bytes", lambda: free)
    taken = []
    forward = Transformer.forward
    monkeypatch.setattr(Transformer, "forward", lambda *arguments: taken.append(1) or forward(*arguments))
    session.bracket(session.parameters, batch, batch)
    assert len(taken) == passes


@pytest.mark.parametrize("name", ["dyck", "modular", "scan"])
def test_a_graph_is_as_large_as_estimated(name: str) -> None:
    """What PyTorch saves for a Hessian-vector product, every storage once."""
    torch = pytest.importorskip("torch")
    task = registry.get("tasks", name)
    config, options = resolve(task, {}, preset="quick")
    data = task.load(options, 1)
    model = config.model_of(data.model)
    session = registry.get("backends", "torch").open(model, initial_parameters(model, 1), device="cpu", threads=1)
    rows = generator(1, "batch", 0).integers(len(data.train), size=config.train.batch_size)
    batch = session.prepare(Packer(data.train, model).batch(rows))
    saved: dict[int, Any] = {}

    def kept(tensor: Any) -> Any:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        theta = session.parameters.requires_grad_()
        torch.autograd.grad(session.loss(theta, batch), theta, create_graph=True)
    found = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    assert 0.8 < 4 * graph_numbers(batch, model) / found < 1.25
