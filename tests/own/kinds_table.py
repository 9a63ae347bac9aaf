"""The kinds of model that the tests train, as a table: does a probe disturb them, is it right, and what does it cost?

python tests/own/kinds_table.py      a minute on one core

`identical`: SHA-256 of parameters, buffers, gradients, optimizer state, random streams, modes and losses of a loop with
the probe and without it. `off`: the defect of two batches in float64, by the probe's products and by differences of
gradients (the paper's form, steps of 1e-4, whose own error that is mostly). `gradients`: a record with one exact sample
in gradients of the same batch, CPU time, median of five; tiny models show what a record costs beside its arithmetic.
GPT-2 of Hugging Face and Lightning are proven in the second environment: `pytest tests/own/test_callbacks.py`.
"""

import importlib.util
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from own_made import KINDS, Kind, perceptron, probing, rows_of, seeded, train, vectors

import grokscope
from grokscope.geometry.commutator import exact, finite_difference
from grokscope.own.adoption import adopted_model


def identical(kind: Kind, **loop: Any) -> bool:
    """Whether a loop comes to the same with a probe at each of its steps."""
    alone = train(*seeded(kind), kind.loss, 4, **loop)
    model, data = seeded(kind)
    with tempfile.TemporaryDirectory() as folder:
        probe = probing(kind, model, data, Path(folder) / "run", every=1, evaluate={"train": data})
        return train(model, data, kind.loss, 4, probe, **loop) == alone


def off(kind: Kind) -> float:
    """Part by which the defect and that of gradients' differences differ; spectral norm in evaluation mode."""
    model, data = seeded(kind)
    wide = [part.double() if part.is_floating_point() else part for part in data] if isinstance(data, tuple) else data
    still = any(torch.nn.utils.parametrize.is_parametrized(each) for each in model.modules())
    adopted = adopted_model(model.double(), kind.loss, mode="eval" if still else "as-is", upcast=False)
    with adopted.looking():
        a, b = (adopted.prepare(rows_of(wide, torch.arange(start, start + 16)), start) for start in (0, 16))
        limit = exact(adopted, adopted.theta, a, b, precision="float64").defect
        differences = finite_difference(adopted, adopted.theta, a, b, precision="float64", eta=1e-4).defect
    return abs(differences / limit - 1)


def gradients(kind: Kind) -> float:
    """A record with one sample, in gradients."""
    model, data = seeded(kind)
    weights = [each for each in model.parameters() if each.requires_grad]
    batch = rows_of(data, torch.arange(32))
    with tempfile.TemporaryDirectory() as folder:
        probe = grokscope.Probe(model, kind.loss, data, run=Path(folder) / "run", batch_size=32, samples=1, every=1)
        pairs = [
            (seconds(lambda: torch.autograd.grad(kind.loss(model, batch), weights)), seconds(probe.step))
            for _ in range(5)
        ]
        probe.finish()
    plain, records = zip(*pairs, strict=True)
    return median(records) / median(plain)


def seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def lines() -> Iterator[str]:
    yield f"{'kind':<24}{'identical':>10}{'off':>10}{'gradients':>11}"
    for name, kind in KINDS.items():
        yield f"{name:<24}{identical(kind)!s:>10}{off(kind):>10.0e}{gradients(kind):>11.1f}"
    yield f"{'by probe.step':<24}{identical(KINDS['MLP'], each=True)!s:>10}"
    yield f"{'gradients accumulate':<24}{identical(KINDS['batch norm'], accumulate=3)!s:>10}"
    compiled = Kind(lambda: torch.compile(perceptron(), backend="aot_eager"), vectors)  # type: ignore[arg-type, return-value]
    yield f"{'torch.compile':<24}{identical(compiled)!s:>10}"
    if importlib.util.find_spec("mlx") is not None:
        mlx = importlib.import_module("test_probe_mlx")
        for name in mlx.KINDS:
            with tempfile.TemporaryDirectory() as folder:
                same = mlx.train(name, 4, Path(folder) / "run") == mlx.train(name, 4)
            yield f"{f'MLX, {name}':<24}{same!s:>10}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", grokscope.ProbeWarning)
    for line in lines():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
