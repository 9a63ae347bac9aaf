"""Measure the commutator defect of any PyTorch model: your module, your loss, two batches, and one call.

python examples/own_landscape.py
"""

import torch

import grokscope

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.GELU(), torch.nn.Linear(32, 3))
batch_a, batch_b = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in "AB"]


def loss(model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])


print("defect", grokscope.defect(model, loss, batch_a, batch_b))
