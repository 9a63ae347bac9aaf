"""Probe a model of your own in a loop of your own: an MLP that learns addition modulo 59, in PyTorch.

python examples/own_loop.py [STEPS] [RUN]      then, meanwhile or afterwards: grokscope watch RUN

2,500 steps take less than a minute; it groks at step 2,150. Its settings are those of the shipped bank, which holds
transformers: the first forecast is about step 1,700. Whether it groks is refused: too few runs there are like it.
Another modulus or batch size would be outside of the bank, and everything refused by name.
"""

import argparse
import sys

import torch
from torch import Tensor, nn

import grokscope

MODULUS = 59


class Adder(nn.Module):
    """The residues of two embedded numbers, joined; nothing of it knows grokscope."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(MODULUS, width)
        self.layers = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, MODULUS))

    def forward(self, pairs: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.embedding(pairs).flatten(1))
        return logits


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    pairs, sums = batch
    return nn.functional.cross_entropy(model(pairs), sums)


def main(steps: int, run: str) -> None:
    torch.manual_seed(0)
    pairs = torch.cartesian_prod(torch.arange(MODULUS), torch.arange(MODULUS))
    order = torch.randperm(len(pairs))
    pairs, sums = pairs[order], (pairs.sum(1) % MODULUS)[order]
    half = len(pairs) // 2
    train, test = (pairs[:half], sums[:half]), (pairs[half:], sums[half:])
    model = Adder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1.0, betas=(0.9, 0.98))

    with grokscope.Probe(
        model, loss, train, run=run, optimizer=optimizer, every=50, batch_size=256, steps=steps,
        evaluate={"train": train, "test": test},
        task="modular", facts={
            "task.modulus": MODULUS, "task.operation": "add", "task.train_fraction": 0.5, "model.width": 64,
        },
    ):  # fmt: skip
        for _ in range(steps):  # from here on it is your loop, as it was
            rows = torch.randint(half, (256,))
            optimizer.zero_grad()
            loss(model, (train[0][rows], train[1][rows])).backward()
            optimizer.step()

    recorded = grokscope.open(run)
    print(f"{recorded.state.word} after {recorded.state.step:,} steps; recorded in {recorded.path}")
    for found in recorded.detections():
        if found.step is not None:
            print(f"{found.kind} at step {found.step:,} by {found.rule}")
    for said in recorded.events("forecast"):  # from the runs that grokscope ships, or refused by name
        when, whether = said["when"], said["generalizes"]
        step = f"step {when['grok_step']:,.0f}" if when["grok_step"] else f"no step ({when['abstained']})"
        chance = (
            f"{whether['probability']:.0%}" if whether["abstained"] is None else f"no chance ({whether['abstained']})"
        )
        print(f"forecast at step {said['step']:,}: {step}, {chance}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=int, default=300)
    parser.add_argument("run", nargs="?", default="runs/own-loop")
    asked = parser.parse_args()
    try:
        main(asked.steps, asked.run)
    except (grokscope.CannotProbe, KeyboardInterrupt) as problem:
        sys.exit(str(problem) or "interrupted")
