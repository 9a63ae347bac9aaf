"""What a probe with `max_overhead=0.05` costs three models, seen from outside: a loop with it beside two without it.

python examples/own_overhead.py [STEPS] [REPEATS]      ten minutes on one core; STEPS (6,000) a loop, REPEATS (3)

The three loops are processes of their own, which take turns of 20 steps, so that whatever else the machine does meets
all of them. Time is that which they compute. `share` is all that the probe adds, from its constructor on, over the
loop alone; `noise` is what the second loop without a probe adds, which is how exact `share` is. `said` is the account
that the probe keeps itself, after the same steps. Each is a median, and in brackets the least and the largest.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

import grokscope
from grokscope import Probe  # here, so that the import is not timed

ASKED = 0.05
CLASSES = 64
WIDTH = 32
TURN = 20
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


def loop(turns: Connection, name: str, run: Path | None) -> None:
    """A loop of somebody's own, some steps a turn; it says the seconds that it has computed so far, and the share that
    a probe says. An empty turn ends it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, data = MODELS[name](), (torch.randint(CLASSES, (2048, 8)), torch.randint(CLASSES, (2048,)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    began = time.process_time()
    probe = nullcontext() if run is None else Probe(
        model, loss, data, run=run, optimizer=optimizer, batch_size=64, every=TURN, max_overhead=ASKED,
        evaluate={"test": (data[0][:256], data[1][:256])},
    )  # fmt: skip
    with probe:
        while steps := turns.recv():
            for _ in range(steps):
                rows = torch.randint(len(data[0]), (64,))
                optimizer.zero_grad()
                loss(model, (data[0][rows], data[1][rows])).backward()
                optimizer.step()
            turns.send((time.process_time() - began, probe.overhead if isinstance(probe, Probe) else 0.0))


def in_turns(name: str, steps: int, run: Path) -> list[tuple[float, float]]:
    """Seconds and the share said, of the loop alone, again alone, and probed."""
    spawn, told = get_context("spawn"), [(0.0, 0.0)] * 3
    pipes = [spawn.Pipe() for _ in told]
    loops = [
        spawn.Process(target=loop, args=(there, name, where), daemon=True)
        for (_, there), where in zip(pipes, (None, None, run), strict=True)
    ]
    answering = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the loops inherit it: Ctrl-C is answered here alone
    for process in loops:
        process.start()
    signal.signal(signal.SIGINT, answering)
    lines = [here for here, _ in pipes]
    try:
        for turn in range(steps // TURN):
            for number in range(3):
                number = (number + turn) % 3
                lines[number].send(TURN)
                told[number] = lines[number].recv()
        for line, process in zip(lines, loops, strict=True):
            line.send(0)
            process.join()
    finally:  # of loops that wait for a turn which does not come
        for process in loops:
            process.kill()
    return told


def spread(values: list[float]) -> str:
    return f"{median(values):.1%} [{min(values):.1%}, {max(values):.1%}]"


def main(steps: int, repeats: int) -> None:
    print(f"{steps:,} steps, {repeats} times, asked for {ASKED:.0%}")
    print(f"{'model':<12} {'alone, s':>8}  {'share':<22} {'noise':<22} {'said':<22} records")
    for name in MODELS:
        seconds, shares, noises, said, records = [], [], [], [], []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                (alone, _), (again, _), (probed, account) = in_turns(name, steps, Path(folder) / "run")
                records.append(len(list(grokscope.open(Path(folder) / "run").events("measured"))))
            seconds.append(alone)
            shares.append(probed / alone - 1)
            noises.append(again / alone - 1)
            said.append(account)
        columns = [f"{spread(each):<22}" for each in (shares, noises, said)]
        print(f"{name:<12} {median(seconds):>8.2f}  {' '.join(columns)} {records}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=int, default=6000)
    parser.add_argument("repeats", nargs="?", type=int, default=3)
    asked = parser.parse_args()
    try:
        main(asked.steps, asked.repeats)
    except KeyboardInterrupt:
        sys.exit("interrupted")
