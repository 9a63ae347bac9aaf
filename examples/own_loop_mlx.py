"""Probe a model of your own in a loop of your own: an MLP that learns addition modulo 59, in MLX.

python examples/own_loop_mlx.py [STEPS] [RUN]      then, meanwhile or afterwards: grokscope watch RUN

The same as own_loop.py. MLX tells nobody of its steps, so the loop has one line for the probe.
"""

import argparse
import sys
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

import grokscope

MODULUS = 59


class Adder(nn.Module):
    """The residues of two embedded numbers, joined; nothing of it knows grokscope."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(MODULUS, width)
        self.layers = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, MODULUS))

    def __call__(self, pairs: mx.array) -> mx.array:
        return self.layers(self.embedding(pairs).flatten(1))


def loss(model: Any, batch: tuple[mx.array, mx.array]) -> mx.array:
    pairs, sums = batch
    return nn.losses.cross_entropy(model(pairs), sums, reduction="mean")


def main(steps: int, run: str) -> None:
    mx.random.seed(0)
    numbers = mx.arange(MODULUS)
    pairs = mx.stack([mx.repeat(numbers, MODULUS), mx.tile(numbers, MODULUS)], axis=1)
    order = mx.random.permutation(len(pairs))
    pairs, sums = pairs[order], (pairs.sum(1) % MODULUS)[order]
    half = len(pairs) // 2
    train, test = (pairs[:half], sums[:half]), (pairs[half:], sums[half:])
    model = Adder()
    optimizer = optim.AdamW(learning_rate=3e-3, weight_decay=1.0, betas=[0.9, 0.98], bias_correction=True)
    gradients_of = nn.value_and_grad(model, loss)

    with grokscope.Probe(
        model, loss, train, run=run, optimizer=optimizer, every=50, batch_size=256, steps=steps,
        evaluate={"train": train, "test": test},
        task="modular", facts={
            "task.modulus": MODULUS, "task.operation": "add", "task.train_fraction": 0.5, "model.width": 64,
        },
    ) as probe:  # fmt: skip
        for _ in range(steps):
            rows = mx.random.randint(0, half, (256,))
            value, gradients = gradients_of(model, (train[0][rows], train[1][rows]))
            optimizer.update(model, gradients)
            mx.eval(model.parameters(), optimizer.state)
            if not probe.step(loss=value):  # somebody asked: grokscope control RUN stop
                break

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
    parser.add_argument("run", nargs="?", default="runs/own-loop-mlx")
    asked = parser.parse_args()
    try:
        main(asked.steps, asked.run)
    except (grokscope.CannotProbe, KeyboardInterrupt) as problem:
        sys.exit(str(problem) or "interrupted")
