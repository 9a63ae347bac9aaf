"""The probe on modules of MLX: nothing is disturbed, values are right, and the loop needs no line."""

import hashlib
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_made import events_of

import grokscope

mx = pytest.importorskip("mlx.core")
import mlx.nn  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402

nn: Any = mlx.nn
ROWS, CLASSES = 48, 5

pytestmark = pytest.mark.filterwarnings("ignore:the loss of one batch is random:grokscope.ProbeWarning")


class Perceptron(nn.Module):  # type: ignore[misc]
    """Dropout, batch norm, a list of layers, and attributes that a forward pass changes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(6, 12), nn.Linear(12, 12)]
        self.norm = nn.BatchNorm(12)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(12, CLASSES)
        self.calls = 0
        self.seen = mx.zeros(1)

    def __call__(self, inputs: Any) -> Any:
        self.calls += 1
        self.seen = self.seen + 1
        hidden = self.norm(nn.gelu(self.layers[0](inputs)))
        return self.head(self.dropout(nn.gelu(self.layers[1](hidden))))


class Attentive(nn.Module):  # type: ignore[misc]
    """Fused attention on embedded tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, activation=nn.gelu)  # ReLU has kinks
        self.head = nn.Linear(8, CLASSES)

    def __call__(self, tokens: Any) -> Any:
        return self.head(self.block(self.embedding(tokens), None))


def smooth() -> Any:
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, CLASSES))


def frozen() -> Any:
    model = smooth()
    model.layers[0].freeze()
    return model


def vectors() -> Any:
    return mx.random.normal((ROWS, 6)), mx.random.randint(0, CLASSES, (ROWS,))


def tokens() -> Any:
    drawn = mx.random.randint(0, CLASSES, (ROWS, 7))
    return drawn[:, :-1], drawn[:, 1:]


def loss(model: Any, batch: Any) -> Any:
    return nn.losses.cross_entropy(model(batch[0]), batch[1], reduction="mean")


KINDS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "MLP": (Perceptron, vectors),
    "transformer": (Attentive, tokens),
    "smooth": (smooth, vectors),
    "frozen parts": (frozen, vectors),
}


def seeded(name: str) -> tuple[Any, Any]:
    random.seed(1)
    np.random.seed(1)
    mx.random.seed(1)
    make, data = KINDS[name]
    return make(), data()


def digest(model: Any, optimizer: Any, losses: list[float]) -> str:
    seen = hashlib.sha256()
    for name, value in [*tree_flatten(model), *tree_flatten(optimizer.state)]:  # type: ignore[misc]
        seen.update(name.encode() + np.array(value).tobytes() if isinstance(value, mx.array) else repr(value).encode())
    modes = [(name, each.training, sorted(each), getattr(each, "calls", 0)) for name, each in model.named_modules()]
    state = (modes, random.getstate(), np.random.get_state(), np.array(mx.random.state[0]).tolist(), losses)
    seen.update(repr(state).encode())
    return seen.hexdigest()


def train(name: str, steps: int, run: Path | None = None, *, each: bool = False, every: int = 1) -> str:
    model, data = seeded(name)
    optimizer = optim.AdamW(learning_rate=1e-2, weight_decay=0.1)
    probe = None
    if run is not None:
        probe = grokscope.Probe(
            model, loss, data, run=run, optimizer=optimizer, every=every, samples=2, baseline_samples=2, batch_size=8,
            evaluate={"train": data, "test": lambda model: 0.5}, snapshot_every=2, on_error="raise",
        )  # fmt: skip
        if not each:
            probe.__enter__()
    losses = []
    gradients_of = nn.value_and_grad(model, loss)
    for _ in range(steps):
        rows = mx.random.randint(0, ROWS, (16,))
        value, gradients = gradients_of(model, tuple(part[rows] for part in data))
        optimizer.update(model, gradients)
        losses.append(value.item())
        if probe is not None and each:
            assert probe.step(loss=value)
    seen = digest(model, optimizer, losses)
    if probe is not None:
        probe.finish()
    assert digest(model, optimizer, losses) == seen
    assert "update" not in vars(optimizer)
    return seen


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("each", [False, True], ids=["block", "step"])
@pytest.mark.parametrize("name", KINDS)
def test_the_loop_comes_to_the_same_bits(name: str, each: bool, every: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(name, 4, run, each=each, every=every) == train(name, 4)
    assert [event["step"] for event in events_of(run, "measured")] == sorted({*range(0, 5, every), 4})
    assert events_of(run)[0]["backend"] == "mlx"
    assert events_of(run, "evaluated")[0]["test"]["accuracy"] == 0.5
    assert 0 <= events_of(run, "evaluated")[0]["train"]["accuracy"] <= 1
    assert not [event for event in events_of(run, "warned") if "random" not in event["reason"]]


def test_a_compiled_step_is_measured_by_step(tmp_path: Path) -> None:
    model, data = seeded("smooth")
    optimizer = optim.SGD(learning_rate=0.1)
    state = [model.state, optimizer.state]

    def step(inputs: Any, labels: Any) -> Any:
        value, gradients = nn.value_and_grad(model, loss)(model, (inputs, labels))
        optimizer.update(model, gradients)
        return value

    compiled = mx.compile(step, inputs=state, outputs=state)
    probe = grokscope.Probe(model, loss, data, run=tmp_path / "run", optimizer=optimizer, every=1, on_error="raise")
    probe.__enter__()
    for _ in range(3):
        mx.eval(compiled(*data), state)
    with pytest.warns(grokscope.ProbeWarning, match="has seen no step"):
        probe.finish()


@pytest.mark.parametrize("name", KINDS)
def test_products_are_those_of_finite_differences(name: str) -> None:
    from grokscope.own.adoption import adopted_model

    model, data = seeded(name)
    adopted = adopted_model(model, loss, mode="as-is", upcast=False)
    with adopted.looking():
        batch, theta = adopted.prepare(data, 7), adopted.theta
        _, gradient = adopted.gradient(theta, batch)
        direction = gradient / float((gradient * gradient).sum()) ** 0.5
        product = np.array(adopted.hessian_vector_product(theta, batch, direction))
        ahead, behind = (np.array(adopted.gradient(theta + sign * 2e-3 * direction, batch)[1]) for sign in (1, -1))
    assert np.linalg.norm(product - (ahead - behind) / 4e-3) < 2e-3 * np.linalg.norm(product)


def test_the_two_frameworks_agree() -> None:
    torch = pytest.importorskip("torch")
    model, data = seeded("smooth")
    same = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, CLASSES))
    weights = {name.removeprefix("layers."): torch.tensor(np.array(value)) for name, value in
               tree_flatten(model.parameters())}  # type: ignore[misc]  # fmt: skip
    same.load_state_dict(weights)
    batches = [tuple(part[start : start + 16] for part in data) for start in (0, 16)]
    other = [tuple(torch.tensor(np.array(part)).to(kind) for part, kind in zip(batch, (torch.float32, torch.int64),
             strict=True)) for batch in batches]  # fmt: skip
    found = grokscope.defect(model, loss, *batches)
    expected = grokscope.defect(same, lambda m, b: torch.nn.functional.cross_entropy(m(b[0]), b[1]), *other)
    assert math.isclose(found, expected, rel_tol=1e-4)


def test_a_multi_optimizer_is_read_by_its_parts(tmp_path: Path) -> None:
    model, data = seeded("smooth")
    parts = [optim.AdamW(learning_rate=0.1, weight_decay=0.05), optim.AdamW(learning_rate=0.1, weight_decay=0.05)]
    optimizer = optim.MultiOptimizer(parts, [lambda name, array: "bias" in name])
    gradients_of = nn.value_and_grad(model, loss)
    with grokscope.Probe(model, loss, data, run=tmp_path / "run", optimizer=optimizer, every=1, samples=1):
        optimizer.update(model, gradients_of(model, data)[1])
    assert events_of(tmp_path / "run")[0]["config"]["optimizer"]["wd"] == 0.05
    observed = [event["signals"] for event in events_of(tmp_path / "run", "observed")]
    assert [each["decay_time"] for each in observed if "decay_time" in each] == pytest.approx([0, 0.005])


@pytest.mark.parametrize("what", [lambda model: {}["x"], (mx.zeros((9, 5)), mx.zeros(9, dtype=mx.int32))])
def test_what_cannot_be_scored_is_refused_before_training(what: Any, tmp_path: Path) -> None:
    model, data = seeded("smooth")
    with pytest.raises(grokscope.CannotProbe, match=r"evaluate=\{'test': …\} cannot be scored: .*: give data that"):
        grokscope.Probe(model, loss, data, run=tmp_path / "run", evaluate={"test": what})
    assert not (tmp_path / "run").exists()


def test_refused_in_a_sentence() -> None:
    model, data = seeded("smooth")
    with pytest.raises(grokscope.CannotProbe, match=r"an array of shape \(48,\); it must return a scalar"):
        grokscope.defect(model, lambda m, b: m(b[0])[:, 0], data, data)
    with pytest.raises(grokscope.CannotProbe, match="returned a float"):
        grokscope.defect(model, lambda m, b: 1.0, data, data)
    half = smooth()
    half.set_dtype(mx.bfloat16)
    with pytest.raises(grokscope.CannotProbe, match=r"is bfloat16: a defect measured in it would be rounding"):
        grokscope.defect(half, loss, data, data)
    wide = grokscope.defect(half, loss, data, tuple(part[:8] for part in data), upcast=True)
    assert wide > 0
    assert all(value.dtype == mx.bfloat16 for _, value in tree_flatten(half.parameters()))  # type: ignore[misc]
    model.freeze()
    with pytest.raises(grokscope.CannotProbe, match="nothing to measure"):
        grokscope.defect(model, loss, data, data)


def test_the_learning_rate_is_the_one_that_was_typed(tmp_path: Path) -> None:
    """MLX keeps it in float32, which is a little more than 0.003: outside of a bank whose largest is 0.003."""
    model, data = seeded("smooth")
    optimizer = optim.AdamW(learning_rate=3e-3)
    grokscope.Probe(model, loss, data, run=tmp_path / "run", optimizer=optimizer, baseline_samples=1).finish()
    assert events_of(tmp_path / "run", "started")[0]["config"]["optimizer"]["lr"] == 3e-3
