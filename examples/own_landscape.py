"""Measure the commutator defect of any PyTorch model: your module, your loss, your batches.

python examples/own_landscape.py
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from grokscope.geometry.commutator import exact


class ModuleLandscape:
    """Any module and loss as a `grokscope.contract.backends.Landscape`; the module itself is never touched."""

    def __init__(self, module: nn.Module, loss: Any) -> None:
        self.module, self.loss = module, loss
        self.names = [name for name, _ in module.named_parameters()]
        self.shapes = [parameter.shape for parameter in module.parameters()]

    def value(self, theta: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
        pieces = theta.split([shape.numel() for shape in self.shapes])
        weights = {n: piece.view(shape) for n, piece, shape in zip(self.names, pieces, self.shapes, strict=True)}
        inputs, labels = batch
        result: Tensor = self.loss(functional_call(self.module, weights, (inputs,)), labels)
        return result

    def gradient(self, theta: Tensor, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        point = theta.detach().requires_grad_()
        loss = self.value(point, batch)
        return loss.detach(), torch.autograd.grad(loss, point)[0]

    def hessian_vector_product(self, theta: Tensor, batch: tuple[Tensor, Tensor], vector: Tensor) -> Tensor:
        point = theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.value(point, batch), point, create_graph=True)
        return torch.autograd.grad(gradient, point, grad_outputs=vector)[0]


def main() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 3))
    landscape = ModuleLandscape(module, nn.functional.cross_entropy)
    theta = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    batches = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in "AB"]
    sample = exact(landscape, theta, *batches, precision="float32")
    print(f"defect {sample.defect:.4g} (rounding floor {sample.floor:.2g})")
    print(f"relative commutator {sample.relative_commutator:.4g}, gradient cosine {sample.gradient_cosine:.4g}")


if __name__ == "__main__":
    main()
