"""The defect against curvlinops, whose Hessian is somebody else's: float64, and several kinds of model."""

import math
from typing import Any

import pytest
import torch
from own_made import KINDS, Kind, rows_of, seeded
from torch import nn

import grokscope

curvlinops = pytest.importorskip("curvlinops")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what curvlinops uses


def by_curvlinops(kind: Kind, model: nn.Module, batch_a: Any, batch_b: Any) -> float:
    """‖H_B g_A − H_A g_B‖ / (‖g_A‖ ‖g_B‖) with the Hessians of `HessianLinearOperator`."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    predicting = nn.Sequential(model, nn.Flatten(0, -2))
    hessians, gradients = [], []
    for inputs, labels in (batch_a, batch_b):
        data = [(inputs, labels.flatten())]
        hessians.append(curvlinops.HessianLinearOperator(predicting, nn.CrossEntropyLoss(), parameters, data))
        parts = torch.autograd.grad(kind.loss(model, (inputs, labels)), parameters)
        gradients.append(torch.cat([part.flatten() for part in parts]))
    gradient_a, gradient_b = gradients
    commutator = hessians[1] @ gradient_a - hessians[0] @ gradient_b
    return float(commutator.norm() / (gradient_a.norm() * gradient_b.norm()))


@pytest.mark.parametrize("name", ["MLP", "tied weights", "frozen parts", "LSTM", "float64"])
def test_the_defect_is_that_of_curvlinops(name: str) -> None:
    kind = KINDS[name]
    model, data = seeded(kind)
    model = model.double()
    inputs, labels = data
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    batches = [rows_of((inputs, labels), torch.arange(start, start + 16)) for start in (0, 16)]
    found = grokscope.defect(model, kind.loss, *batches)
    assert found > 1e-3
    assert math.isclose(found, by_curvlinops(kind, model, *batches), rel_tol=1e-9)
