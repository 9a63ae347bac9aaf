"""The packed forward pass against plain `nn.Transformer*` modules, and the benchmark that compares their speed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from grokscope import registry
from grokscope.contract.examples import Packer
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.geometry.commutator import finite_difference
from grokscope.settings.config import resolve

torch = pytest.importorskip("torch")

SMALL = {"model.width": 16, "model.feed_forward": 24}
TASKS = {
    "modular": {"task.modulus": 11},
    "dyck": {"task.test_size": 60},
    "scan": {"task.train_size": 40, "task.test_size": 40, "model.layers": 2},
    "scan-masked": {"task.train_size": 40, "task.test_size": 40, "model.source_padding_attended": False},
}


@pytest.mark.parametrize("case", TASKS)
def test_packed_equals_plain(case: str) -> None:
    """Loss and gradient of a batch with repetitions, then five optimizer steps and the defect, in float64."""
    from grokscope_torch import SPEC
    from grokscope_torch.plain import PlainModules

    torch.set_num_threads(1)
    task = registry.get("tasks", case.partition("-")[0])
    config, options = resolve(task, SMALL | TASKS[case])
    data = task.load(options, 1)
    model = config.model_of(data.model)
    parameters = initial_parameters(model, 1).astype(np.float64)
    session = SPEC.open(model, parameters, device="cpu", precision="float64")
    optimizer = Optimizer(lr=1e-3, wd=1.0, epsilon=1e-4)
    plain = PlainModules(model, parameters, device="cpu", optimizer=optimizer)
    packer = Packer(data.train, model)
    random = np.random.default_rng(0)
    for _ in range(5):
        rows = random.integers(len(data.train), size=24)
        batch = session.prepare(packer.batch(rows))
        loss, gradient = session.gradient(session.parameters, batch)
        plain_loss, plain_gradients = plain.gradient(data.train.take(rows))
        assert float(loss) == pytest.approx(plain_loss, rel=1e-12)
        named = layout(model).unflatten(session.tonumpy(gradient))
        for name, expected in plain_gradients.items():
            np.testing.assert_allclose(named[name], expected, rtol=1e-9, atol=1e-13, err_msg=name)
        session.step(batch, optimizer)
        plain.step(data.train.take(rows))
    before = {name: tensor.numpy().copy() for name, tensor in plain.module.state_dict().items()}
    trained = layout(model).unflatten(session.tonumpy(session.parameters))
    for name, tensor in plain.module.state_dict().items():
        np.testing.assert_allclose(trained[name], tensor.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)
    pair = [random.integers(len(data.train), size=24) for _ in "ab"]
    batches = (session.prepare(packer.batch(rows)) for rows in pair)
    sample = finite_difference(session, session.parameters, *batches, precision="float64", adaptive=False)
    assert plain.finite_difference(*map(data.train.take, pair)) == pytest.approx(sample.defect, rel=1e-6)
    for name, tensor in plain.module.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name], err_msg=name)


def test_bench_prints_every_cost() -> None:
    sizes = ["--set", "model.width=8", "--set", "model.feed_forward=8", "--set", "task.test_size=50"]
    arguments = ["bench", "dyck", "--backend", "torch", "--threads", "1", "--seconds", "0", "--json", *sizes]
    done = subprocess.run([sys.executable, "-m", "grokscope", *arguments], capture_output=True, text=True, check=True)
    costs = {cost["operation"]: cost for cost in json.loads(done.stdout)["costs"]}
    assert {"gradient", "step", "evaluation", "signal defect", "signal finite_difference_defect"} < set(costs)
    assert costs["gradient"]["gradients"] == 1
    twins = {
        "step": "plain step",
        "evaluation": "plain evaluation",
        "signal defect": "plain finite difference",
        "signal finite_difference_defect": "plain finite difference",
    }
    for operation, twin in twins.items():
        expected = costs[operation]["milliseconds"] / costs[twin]["milliseconds"]
        assert costs[operation]["of_plain"] == pytest.approx(expected)
    assert all(cost["milliseconds"] > 0 and cost["calls"] >= 3 for cost in costs.values())
