"""A probe disturbs nothing: with it and without it a loop comes to the same bits, whatever is trained and however."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from own_made import (
    KINDS,
    Kind,
    cross_entropy,
    digest,
    events_of,
    normalized,
    perceptron,
    probing,
    rows_of,
    seeded,
    train,
    vectors,
)  # fmt: skip
from torch import nn

import grokscope
from grokscope_torch.own_optimizer import TorchOptimizer

RANDOM = {"transformer", "attention", "masks in a mapping", "batch norm"}
"""Kinds with dropout"""

pytestmark = pytest.mark.filterwarnings("ignore:the loss of one batch is random:grokscope.ProbeWarning")


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("each", [False, True], ids=["hook", "step"])
@pytest.mark.parametrize("name", KINDS)
def test_the_loop_comes_to_the_same_bits(name: str, each: bool, every: int, tmp_path: Path) -> None:
    kind = KINDS[name]
    alone = train(*seeded(kind), kind.loss, 4)
    model, data = seeded(kind)
    run = tmp_path / "run"
    watched = train(
        model, data, kind.loss, 4,
        probing(kind, model, data, run, every=every, evaluate={"train": data}, snapshot_every=2, signals=["pc1"]),
        each=each,
    )  # fmt: skip
    assert watched == alone
    steps = [event["step"] for event in events_of(run, "measured")]
    assert steps == sorted({*range(0, 5, every), 4})
    assert all(event["defect"]["median"] > 0 for event in events_of(run, "measured"))
    warned = [event["reason"] for event in events_of(run, "warned")]
    assert [reason.startswith("the loss of one batch is random") for reason in warned] == [True] * (name in RANDOM)


def test_gradients_that_accumulate_stay(tmp_path: Path) -> None:
    kind = KINDS["batch norm"]
    alone = train(*seeded(kind), kind.loss, 3, accumulate=3)
    model, data = seeded(kind)
    assert (
        train(model, data, kind.loss, 3, probing(kind, model, data, tmp_path / "run", every=1), accumulate=3) == alone
    )
    assert [event["step"] for event in events_of(tmp_path / "run", "measured")] == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_mode_of_its_own(mode: Any, tmp_path: Path) -> None:
    kind = KINDS["batch norm"]
    alone = train(*seeded(kind), kind.loss, 2)
    model, data = seeded(kind)
    assert train(model, data, kind.loss, 2, probing(kind, model, data, tmp_path / "run", every=1, mode=mode)) == alone
    assert bool(events_of(tmp_path / "run", "warned")) == (mode == "train")


def test_autocast_outside_of_the_loss(tmp_path: Path) -> None:
    """Mixed precision is the loop's: the probe computes without it, also where it is called inside."""

    def trained(run: Path | None) -> str:
        model, data = seeded(KINDS["MLP"])
        optimizer = torch.optim.AdamW(model.parameters())
        losses = []
        probe = None if run is None else probing(KINDS["MLP"], model, data, run, every=1)(optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = cross_entropy(model, rows_of(data, torch.randint(len(data[1]), (16,))))
                value.backward()
                optimizer.step()
                if probe is not None:
                    probe.step()
            losses.append(value.item())
        seen = digest(model, optimizer, losses)
        if probe is not None:
            probe.finish()
        return seen

    assert trained(tmp_path / "run") == trained(None)
    inside = [event["defect"]["samples"] for event in events_of(tmp_path / "run", "measured")]
    assert len(inside) == 4


@pytest.mark.slow
def test_a_compiled_model(tmp_path: Path) -> None:
    """It is measured uncompiled, and is as compiled as it was."""

    def trained(run: Path | None) -> tuple[str, int]:
        model, data = seeded(KINDS["MLP"])
        calls = 0

        def backend(graph: Any, inputs: Any) -> Any:
            nonlocal calls
            calls += 1
            return graph.forward

        torch._dynamo.reset()
        compiled: Any = torch.compile(model, backend=backend)
        probe = None if run is None else probing(KINDS["MLP"], compiled, data, run, every=1)
        return train(compiled, data, cross_entropy, 3, probe), calls

    assert trained(tmp_path / "run") == trained(None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # inductor itself uses what PyTorch deprecates
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_model_whose_passes_are_traced_ahead_of_time(backend: str, tmp_path: Path) -> None:
    """As every compiler behind `torch.compile` has them: the backward pass is a graph of its own too."""
    if backend == "inductor" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("the default backend of torch.compile needs a C++ compiler, and there is none")

    def trained(run: Path | None) -> str:
        model, data = seeded(KINDS["MLP"])
        torch._dynamo.reset()
        compiled: Any = torch.compile(model, backend=backend)
        return train(compiled, data, cross_entropy, 3, run and probing(KINDS["MLP"], compiled, data, run, every=1))

    assert trained(tmp_path / "run") == trained(None)
    assert [event["step"] for event in events_of(tmp_path / "run", "measured")] == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of which dynamo has many
def test_a_compiled_step(tmp_path: Path) -> None:
    """The optimizer's hook is called within a compiled function then, and measures outside of it."""

    def trained(run: Path | None) -> str:
        model, data = seeded(KINDS["MLP"])
        optimizer = torch.optim.AdamW(model.parameters())
        torch._dynamo.reset()

        @torch.compile(backend="eager")
        def step(batch: Any) -> Any:
            value = cross_entropy(model, batch)
            value.backward()
            optimizer.step()
            optimizer.zero_grad()
            return value

        watching = nullcontext() if run is None else probing(KINDS["MLP"], model, data, run, every=1)(optimizer)
        with watching:
            return digest(model, optimizer, [step(rows_of(data, torch.arange(n, n + 8))).item() for n in range(3)])

    assert trained(tmp_path / "run") == trained(None)
    assert [event["step"] for event in events_of(tmp_path / "run", "measured")] == [0, 1, 2, 3]


OPTIMIZERS = ["Adafactor", "Adagrad", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]
"""Of PyTorch; Adafactor has two epsilons"""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer(name: str, tmp_path: Path) -> None:
    def trained(run: Path | None) -> str:
        model, data = seeded(KINDS["MLP"])
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-3)
        watching = nullcontext() if run is None else probing(KINDS["MLP"], model, data, run, every=1)(optimizer)
        with watching:
            for _ in range(3):
                optimizer.zero_grad()
                cross_entropy(model, data).backward()
                optimizer.step()
            return digest(model, optimizer, [])

    assert trained(tmp_path / "run") == trained(None)
    [started] = events_of(tmp_path / "run", "started")
    assert started["config"]["optimizer"]["name"] == name
    assert started["config"]["optimizer"]["lr"] == 1e-3


def test_an_optimizer_that_chooses_its_rate_itself() -> None:
    """As that of Hugging Face with `lr=None`: nothing is known of its decay, and nothing fails."""

    class Choosing(torch.optim.Optimizer):
        def step(self, closure: Any = None) -> None: ...

    parameter = nn.Parameter(torch.ones(1))
    for decay, known in ((0.1, None), (0.0, 0.0)):
        optimizer = TorchOptimizer(Choosing([parameter], {"lr": None, "eps": (1e-30, 1e-3), "weight_decay": decay}))
        assert optimizer.settings() == {"name": "Choosing", "wd": decay}
        assert optimizer.decay() == known


def adversarial(model: nn.Module, batch: Any) -> torch.Tensor:
    """A loss that differentiates itself: gradients of parameters are left behind, as they are between two steps."""
    inputs = batch[0].clone().requires_grad_()
    cross_entropy(model, (inputs, batch[1])).backward()
    return cross_entropy(model, ((inputs + 0.1 * inputs.grad.sign()).detach(), batch[1]))


def test_a_loss_that_leaves_gradients(tmp_path: Path) -> None:
    kind = Kind(perceptron, vectors, adversarial)
    alone = train(*seeded(kind), kind.loss, 3)
    model, data = seeded(kind)
    assert train(model, data, kind.loss, 3, probing(kind, model, data, tmp_path / "run", every=1)) == alone


def test_a_graph_that_is_still_needed(tmp_path: Path) -> None:
    """A loop may call the probe between a forward pass and the backward pass that belongs to it."""

    def gradients(probed: bool) -> list[torch.Tensor]:
        model, data = seeded(KINDS["batch norm"])
        model.eval()
        value = cross_entropy(model, rows_of(data, torch.arange(16)))
        if probed:
            grokscope.defect(model, cross_entropy, rows_of(data, torch.arange(8)), rows_of(data, torch.arange(8, 16)),
                             mode="train")  # fmt: skip
        value.backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    for alone, watched in zip(gradients(False), gradients(True), strict=True):
        assert torch.equal(alone, watched)


def test_a_measurement_that_fails_leaves_no_trace_either() -> None:
    model, data = normalized(), vectors()
    optimizer = torch.optim.SGD(model.parameters())
    calls = 0

    def failing(module: nn.Module, batch: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        value = cross_entropy(module, batch)
        if calls > 3:
            raise RuntimeError("no more")
        return value

    before = digest(model, optimizer, [])
    with pytest.raises(grokscope.CannotProbe, match="no more"):
        grokscope.defect(model, failing, data, data)
    assert digest(model, optimizer, []) == before
