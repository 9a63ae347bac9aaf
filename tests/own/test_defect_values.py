"""What a probe measures is right: against closed forms, and against float64 through other paths."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from own_made import KINDS, Kind, cross_entropy, perceptron, rows_of, seeded, vectors
from torch import Tensor, nn
from torch.func import functional_call

import grokscope
from grokscope.contract.own_models import OwnModel
from grokscope.geometry.commutator import exact, finite_difference
from grokscope.own.adoption import adopted_model

DETERMINISTIC = ["MLP", "tied weights", "frozen parts", "LSTM", "float64"]


class Quadratic(nn.Module):
    """½ (θ − c)ᵀ A (θ − c) for a batch (A, c): its gradient is A (θ − c), its Hessian A."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        matrix, centre = batch
        off = self.theta - centre
        return 0.5 * off @ matrix @ off


def symmetric(seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    root = torch.randn(3, 3, generator=random, dtype=torch.float64)
    return root @ root.T


def test_a_quadratic_by_hand() -> None:
    model, (a, b) = Quadratic(), (symmetric(1), symmetric(2))
    c, d = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    found = grokscope.defect(model, lambda model, batch: model(batch), (a, c), (b, d))
    theta = model.theta.detach()
    gradient_a, gradient_b = a @ (theta - c), b @ (theta - d)
    commutator = b @ gradient_a - a @ gradient_b
    norms = gradient_a.norm() * gradient_b.norm()
    assert math.isclose(found, float(commutator.norm() / norms), rel_tol=1e-12)
    assert math.isclose(found.sample.gradient_norm_a, float(gradient_a.norm()), rel_tol=1e-12)
    assert found.floor < 1e-10
    assert not found.below_floor


def in_float64(kind: Kind, model: nn.Module, batch_a: Any, batch_b: Any) -> float:
    """The defect by functional Hessian-vector products in float64: nothing of it is the probe's."""
    wide = kind.make().double()
    wide.load_state_dict({name: value.double() for name, value in model.state_dict().items()})
    free = {name: p.detach().clone() for name, p in wide.named_parameters() if p.requires_grad}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            free.pop(name, None)

    def loss(batch: Any) -> Callable[..., Tensor]:
        batch = tuple(part.double() if part.is_floating_point() else part for part in batch)

        def at(*tensors: Tensor) -> Tensor:
            bound = {**dict(zip(free, tensors, strict=True))}
            return kind.loss(lambda inputs: functional_call(wide, bound, (inputs,), tie_weights=True), batch)  # type: ignore[arg-type]

        return at

    point = tuple(free.values())
    gradients = [tuple(torch.func.grad(loss(batch), tuple(range(len(point))))(*point)) for batch in (batch_a, batch_b)]
    _, product_b = torch.autograd.functional.hvp(loss(batch_b), point, gradients[0])
    _, product_a = torch.autograd.functional.hvp(loss(batch_a), point, gradients[1])
    size = math.sqrt(sum(float(((b - a) ** 2).sum()) for a, b in zip(product_a, product_b, strict=True)))
    return size / math.prod(math.sqrt(sum(float((g**2).sum()) for g in gradient)) for gradient in gradients)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_float64_by_another_path(name: str) -> None:
    kind = KINDS[name]
    model, data = seeded(kind)
    batches = [rows_of(data, torch.arange(start, start + 16)) for start in (0, 16)]
    found = grokscope.defect(model, kind.loss, *batches)
    truth = in_float64(kind, model, *batches)
    assert abs(found - truth) <= max(found.floor, 1e-12 * truth)


def opened(name: str) -> tuple[OwnModel, Any]:
    model, data = seeded(KINDS[name])
    return adopted_model(model, KINDS[name].loss, mode="as-is", upcast=False), data


@pytest.mark.parametrize("name", KINDS)
def test_products_are_those_of_finite_differences(name: str) -> None:
    """(g(θ + εv) − g(θ − εv)) / 2ε in float64, dropout and normalization and all: the loss of a batch is a function.

    In training mode spectral norm iterates its vectors at every pass and has no derivative by them: evaluated here.
    """
    kind = KINDS[name]
    model, data = seeded(kind)
    data = [part.double() if part.is_floating_point() else part for part in data] if isinstance(data, tuple) else data
    mode: Any = "eval" if name == "spectral norm" else "as-is"
    adopted = adopted_model(model.double(), kind.loss, mode=mode, upcast=False)
    with adopted.looking():
        batch = adopted.prepare(data, 7)
        theta = adopted.theta
        _, gradient = adopted.gradient(theta, batch)
        direction = gradient / gradient.norm()
        product = adopted.hessian_vector_product(theta, batch, direction)
        ahead, behind = (adopted.gradient(theta + sign * 1e-5 * direction, batch)[1] for sign in (1, -1))
        assert torch.allclose(product, (ahead - behind) / 2e-5, rtol=1e-4, atol=1e-7 * float(product.norm()))
        assert torch.equal(adopted.gradient(theta, batch)[1], gradient)


@pytest.mark.parametrize("name", ["MLP", "transformer", "spectral norm", "LSTM"])
def test_a_bracket_is_two_gradients_and_two_products(name: str) -> None:
    adopted, data = opened(name)
    with adopted.looking():
        a, b = adopted.prepare(data, 1), adopted.prepare(data, 2)
        theta = adopted.theta
        parts = adopted.bracket(theta, a, b)
        plain = [adopted.gradient(theta, batch)[1] for batch in (a, b)]
        assert torch.allclose(parts.gradient_a, plain[0], rtol=1e-5, atol=1e-7)
        product = adopted.hessian_vector_product(theta, b, plain[0])
        assert torch.allclose(parts.hvp_b_on_grad_a, product, rtol=1e-4, atol=1e-6)


def test_equal_batches_and_equal_noise_commute() -> None:
    adopted, data = opened("transformer")
    with adopted.looking():
        batch, same, other = (adopted.prepare(data, noise) for noise in (1, 1, 2))
        assert exact(adopted, adopted.theta, batch, same, precision="float32").relative_commutator == 0
        assert exact(adopted, adopted.theta, batch, other, precision="float32").relative_commutator > 0.01  # type: ignore[operator]


def test_case_of_dropout() -> None:
    """One model, one pair of batches: one answer, and a word on how much of it is chance."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 3))
    batches = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in "AB"]
    with pytest.warns(grokscope.ProbeWarning, match="the loss of one batch is random"):
        first = grokscope.defect(model, cross_entropy, *batches)
    with pytest.warns(grokscope.ProbeWarning):
        assert grokscope.defect(model, cross_entropy, *batches) == first
    with pytest.warns(grokscope.ProbeWarning):
        assert abs(grokscope.defect(model, cross_entropy, *batches, seed=1) - first) > 10 * first.floor
    assert grokscope.defect(model, cross_entropy, *batches, mode="eval").floor < 1e-3


def test_a_float32_copy_of_half_precision() -> None:
    torch.manual_seed(0)
    model, data = perceptron(), vectors()
    half = perceptron().bfloat16()
    half.load_state_dict(model.state_dict())
    rounded = perceptron()
    rounded.load_state_dict(half.state_dict())
    batches = [rows_of(data, torch.arange(start, start + 16)) for start in (0, 16)]
    narrow = [(inputs.bfloat16(), labels) for inputs, labels in batches]
    wide = [(inputs.bfloat16().float(), labels) for inputs, labels in batches]
    assert grokscope.defect(half, cross_entropy, *narrow, upcast=True) == grokscope.defect(
        rounded, cross_entropy, *wide
    )
    assert all(parameter.dtype == torch.bfloat16 for parameter in half.parameters())


def test_the_paper_s_estimator_agrees() -> None:
    """Away from where the model stands too: its parameters lend their places."""
    model, data = seeded(KINDS["float64"])
    adopted = adopted_model(model, cross_entropy, mode="as-is", upcast=False)
    with adopted.looking():
        a, b = (adopted.prepare(rows_of(data, torch.arange(start, start + 16)), 0) for start in (0, 16))
        limit = exact(adopted, adopted.theta, a, b, precision="float64").defect
        differences = finite_difference(adopted, adopted.theta, a, b, precision="float64", eta=1e-4)
    assert math.isclose(differences.defect, limit, rel_tol=1e-3)
