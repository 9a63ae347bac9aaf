"""What a probe with `max_overhead=0.05` costs three models: the same loop with it and without it, on the CPU.

python examples/own_overhead.py [REPEATS]      minutes on one core; REPEATS (3) is how often each loop runs

Time is that which the process computes, which a busy machine does not change much; the least of the repeats counts.
`share` is seen from outside: all that the probe adds, from its constructor to its end, over the loop without it; it is
as exact as two runs of one loop are alike. `said` is the account that the last probe keeps itself.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

import grokscope
from grokscope import Probe  # here, so that the import is not timed

ASKED = 0.05
CLASSES = 64
WIDTH = 32
STEPS = 6000
Batch = tuple[Tensor, Tensor]


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(self.embedding(tokens))[:, -1])
        return logits


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.lstm(self.embedding(tokens))[0][:, -1])
        return logits


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Embedding(CLASSES, WIDTH), nn.Flatten(), nn.Linear(8 * WIDTH, 256), nn.GELU(), nn.Linear(256, CLASSES)
    )


MODELS: dict[str, Callable[[], nn.Module]] = {"MLP": perceptron, "transformer": Transformer, "LSTM": Recurrent}


def loss(model: nn.Module, batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def train(model: nn.Module, optimizer: torch.optim.Optimizer, data: Batch) -> None:
    """A loop of somebody's own."""
    for _ in range(STEPS):
        rows = torch.randint(len(data[0]), (64,))
        optimizer.zero_grad()
        loss(model, (data[0][rows], data[1][rows])).backward()
        optimizer.step()


@contextmanager
def computed(spent: list[float]) -> Iterator[None]:
    before = time.process_time()
    yield
    spent.append(time.process_time() - before)


def run(name: str, probed: Path | None, spent: list[float]) -> float:
    """The share that the probe keeps account of itself."""
    torch.manual_seed(0)
    model, data = MODELS[name](), (torch.randint(CLASSES, (2048, 8)), torch.randint(CLASSES, (2048,)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with computed(spent):
        probe = nullcontext() if probed is None else Probe(
            model, loss, data, run=probed, optimizer=optimizer, batch_size=64, every=50, max_overhead=ASKED,
            evaluate={"test": (data[0][:256], data[1][:256])},
        )  # fmt: skip
        with probe:
            train(model, optimizer, data)
    return probe.overhead if isinstance(probe, Probe) else 0.0


def main(repeats: int) -> None:
    torch.set_num_threads(1)
    print(f"{STEPS:,} steps, asked for {ASKED:.0%}")
    print(f"{'model':<12} {'alone, s':>9} {'probed, s':>10} {'share':>6} {'said':>6}  {'measured at steps'}")
    for name in MODELS:
        alone: list[float] = []
        probed: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            for repeat in range(repeats):
                run(name, None, alone)
                said = run(name, Path(folder) / f"run-{repeat}", probed)
            recorded = grokscope.open(Path(folder) / f"run-{repeats - 1}")
            measured = [event["step"] for event in recorded.events("measured")]
        share = min(probed) / min(alone) - 1
        print(f"{name:<12} {min(alone):>9.2f} {min(probed):>10.2f} {share:>6.1%} {said:>6.1%}  {measured}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
