"""Measure the commutator defect of any PyTorch model: your module, your loss, your batches.

python examples/own_landscape.py
"""

import torch
from torch import nn

import grokscope


def main() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 3))
    batch_a, batch_b = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in "AB"]
    defect = grokscope.defect(
        module, lambda m, batch: nn.functional.cross_entropy(m(batch[0]), batch[1]), batch_a, batch_b
    )
    print(f"defect {defect:.4g} (rounding floor {defect.floor:.2g})")
    sample = defect.sample
    print(f"relative commutator {sample.relative_commutator:.4g}, gradient cosine {sample.gradient_cosine:.4g}")


if __name__ == "__main__":
    main()
