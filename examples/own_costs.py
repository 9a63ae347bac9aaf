"""What one record of a probe costs on five models of your own, in gradients of the same batch, on the CPU.

python examples/own_costs.py

The record holds one exact sample: two gradients and two Hessian-vector products. A step of a loop is one gradient
and the optimizer. Time is that which the process computes; the median of five counts.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

import grokscope

CLASSES, LENGTH, WIDTH, ROWS = 64, 32, 128, 256
REPEATS = 5
Batch = tuple[Tensor, Tensor]


class Sequences(nn.Module):
    """Tokens through `body` [rows, length, width] to one class a sequence."""

    def __init__(self, body: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, WIDTH)
        self.body = body
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(self.embedding(tokens))[:, -1])
        return logits


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lstm(x)[0]
        return out


def encoder(dropout: float) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=dropout, batch_first=True)
    return nn.TransformerEncoder(layer, 2)


def perceptron(*norm: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Embedding(CLASSES, WIDTH), nn.Flatten(), nn.Linear(LENGTH * WIDTH, 256), *norm, nn.GELU(),
        nn.Linear(256, CLASSES),
    )  # fmt: skip


def loss(model: nn.Module, batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def processor_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def costs(model: nn.Module, run: Path) -> tuple[float, float]:
    """Milliseconds of a gradient and of a record with one exact sample."""
    data = (torch.randint(CLASSES, (4 * ROWS, LENGTH)), torch.randint(CLASSES, (4 * ROWS,)))
    batch: Batch = (data[0][:ROWS], data[1][:ROWS])
    probe = grokscope.Probe(model, loss, data, run=run, batch_size=ROWS, samples=1, baseline_samples=1, every=1)
    weights = list(model.parameters())

    def gradient() -> object:
        return torch.autograd.grad(loss(model, batch), weights)

    gradients, records = [], []
    with probe:
        for _ in range(REPEATS):
            gradients.append(processor_seconds(gradient))
            records.append(processor_seconds(probe.step))
    return 1e3 * median(gradients), 1e3 * median(records)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "MLP": perceptron,
    "MLP with batch norm": lambda: perceptron(nn.BatchNorm1d(256)),
    "transformer": lambda: Sequences(encoder(0.0)),
    "transformer with dropout": lambda: Sequences(encoder(0.1)),
    "LSTM": lambda: Sequences(Recurrent()),
}


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'model':<26}{'gradient, ms':>14}{'record, ms':>12}{'gradients':>11}")
    for name, make in MODELS.items():
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            gradient, sample = costs(make(), Path(folder) / "run")
        print(f"{name:<26}{gradient:>14.1f}{sample:>12.1f}{sample / gradient:>11.1f}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
