"""Everything that only a GPU can show, in a few minutes: parity with the CPU, costs, replicas, and TF32.

    python examples/gpu_check.py [--device cuda] [--seconds 8] [--replicas 1,15,64,256,1024] [--tests]

Without that device it says so and exits with 6. The exit code is 1 where the device and the CPU disagree. `--tests`
also runs `pytest -m cuda tests/backends` of this checkout.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from grokscope import registry
from grokscope.contract.backends import Unavailable
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import initial_parameters
from grokscope.contract.rectangles import Rectangle
from grokscope.contract.streams import generator
from grokscope.settings.config import read_assignments, resolve

TASKS = ("modular", "dyck", "scan")
PARITY_STEPS = 50
PARITY_LOSS = 1e-2
"""Largest relative difference of a loss within these steps; rounding grows along a run"""
FLOAT32_GRADIENT = 1e-4
"""Largest relative error of a float32 gradient; TF32, with 10 bits, has about 1e-3"""
TIMED_STEPS = 5


class Problem:
    """A task, its data, and sessions on it."""

    def __init__(self, task: str, settings: dict[str, Any]) -> None:
        self.spec = registry.get("backends", "torch")
        plugin = registry.get("tasks", task)
        self.config, options = resolve(plugin, settings, preset="paper")
        data = plugin.load(options, self.config.train.seed)
        self.train, self.model = data.train, self.config.model_of(data.model)
        self.packer = Packer(self.train, self.model)

    def rows(self, seed: int, step: int) -> Any:
        random = generator(seed, "batch", step)
        return random.integers(len(self.train), size=self.config.train.batch_size)

    def session(self, device: str, precision: str = "float32", seed: int = 0) -> Any:
        return self.spec.open(self.model, initial_parameters(self.model, seed), device=device, precision=precision)

    def losses(self, device: str) -> list[float]:
        """Of the first steps."""
        session, optimizer = self.session(device), self.config.optimizer_at(0)
        outcomes = [
            session.step(session.prepare(self.packer.batch(self.rows(0, step))), optimizer)
            for step in range(PARITY_STEPS)
        ]
        return [float(outcome.loss) for outcome in outcomes]

    def gradient_error(self, device: str) -> float:
        """Of a float32 gradient on the device, against float64 on the CPU, as a fraction of its norm."""
        found = []
        for session in (self.session(device), self.session("cpu", "float64")):
            _, gradient = session.gradient(session.parameters, session.prepare(self.packer.batch(self.rows(0, 0))))
            found.append(session.tonumpy(gradient).astype("float64"))
        ours, exact = found
        return float(((ours - exact) ** 2).sum() ** 0.5 / (exact**2).sum() ** 0.5)


def seconds(call: Callable[[], object], synchronize: Callable[[], None]) -> float:
    """Of one call, after two to warm up."""
    for _ in range(2):
        call()
    synchronize()
    began = time.perf_counter()
    for _ in range(TIMED_STEPS):
        call()
    synchronize()
    return (time.perf_counter() - began) / TIMED_STEPS


def replicas(problem: Problem, device: str, counts: Sequence[int]) -> None:
    """A step of each number of replicas, beside one run alone."""
    optimizer = problem.config.optimizer_at(0)
    single = problem.session(device)
    batch = problem.packer.batch(problem.rows(0, 0))
    alone = seconds(lambda: single.step(single.prepare(batch), optimizer), single.synchronize)
    here = single.parameters
    looked = seconds(lambda: single.bracket(here, single.prepare(batch), single.prepare(batch)), single.synchronize)
    print(f"  one run alone: {1e3 * alone:.3g} ms a step, {1e3 * looked:.3g} ms a bracket")
    for count in counts:
        try:
            some_replicas(problem, device, count, alone, looked)
        except (RuntimeError, ImportError, AssertionError) as met:  # out of memory, or no compiler
            print(f"  {count:5} replicas: {type(met).__name__}: {str(met).splitlines()[0][:100]}")


def some_replicas(problem: Problem, device: str, count: int, alone: float, looked: float) -> None:
    """Milliseconds of a step and of a bracket of `count` replicas, and their throughput where a run alone takes `alone`
    and `looked` seconds."""
    rectangle = Rectangle.of(problem.model, problem.config.train.batch_size, [problem.train])
    sessions = [problem.session(device, seed=seed) for seed in range(count)]
    together = problem.spec.together(sessions, rectangle)  # type: ignore[misc]
    batches = [problem.train.take(problem.rows(seed, 0)) for seed in range(count)]
    optimizers = [problem.config.optimizer_at(0)] * count
    step = seconds(lambda: together.step(batches, optimizers, [None] * count), sessions[0].synchronize)
    print(f"  {count:5} replicas: {1e3 * step:8.3g} ms a step, {count * alone / step:6.3g} times the throughput")
    brackets = seconds(lambda: together.brackets(batches, batches), sessions[0].synchronize)
    print(f"        {'bracket':>14}: {1e3 * brackets:8.3g} ms, {count * looked / brackets:6.3g} times the throughput")
    arrays = together.placed(batches)  # type: ignore[attr-defined]
    for name, made in GRADIENTS.items():
        took = seconds(made(together.gradients, arrays), sessions[0].synchronize)  # type: ignore[attr-defined]
        print(f"        {name:>14}: {1e3 * took:8.3g} ms for losses and gradients")


def eager(gradients: Callable[..., Any], arrays: Sequence[torch.Tensor]) -> Callable[[], object]:
    return lambda: gradients(*arrays)


def compiled(gradients: Callable[..., Any], arrays: Sequence[torch.Tensor]) -> Callable[[], object]:
    fast = torch.compile(gradients)
    return lambda: fast(*arrays)


def graphed(gradients: Callable[..., Any], arrays: Sequence[torch.Tensor]) -> Callable[[], object]:
    """One CUDA graph, replayed on the same memory."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            gradients(*arrays)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        gradients(*arrays)
    return graph.replay


GRADIENTS = {"eager": eager}


def counts(text: str) -> list[int]:
    """Numbers between commas. Raises `ValueError`."""
    return [int(each) for each in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each bench")
    parser.add_argument("--replicas", type=counts, default="1,15,64,256,1024")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--tests", action="store_true")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device here, so there is nothing to check; --device cpu tries the script", file=sys.stderr)
        return 6
    if asked.device == "cuda":
        print(torch.cuda.get_device_name(), "PyTorch", torch.__version__)
        GRADIENTS.update({"torch.compile": compiled, "CUDA graph": graphed})
    print(f"TF32 in products: {'on' if torch.backends.cuda.matmul.allow_tf32 else 'off'}")
    settings, wrong = read_assignments(asked.settings), 0
    for task in asked.tasks.split(","):
        try:
            problem = Problem(task, settings)
            ours, theirs = problem.losses(asked.device), problem.losses("cpu")
        except Unavailable as missing:
            print(missing, file=sys.stderr)
            return 6
        apart = max(abs(mine - its) / its for mine, its in zip(ours, theirs, strict=True))
        error = problem.gradient_error(asked.device)
        wrong += apart > PARITY_LOSS or error > FLOAT32_GRADIENT
        print(f"{task}: losses of {PARITY_STEPS} steps agree with the CPU to {apart:.1e}, a gradient to {error:.1e}")
        replicas(problem, asked.device, asked.replicas)
        command = [sys.executable, "-m", "grokscope", "bench", task, "--backend", "torch", "--device", asked.device]
        sets = [part for each in asked.settings for part in ("--set", each)]
        sys.stdout.flush()
        wrong += subprocess.run([*command, "--seconds", str(asked.seconds), *sets], check=False).returncode != 0
    if asked.tests:
        tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "cuda", "tests/backends"]
        wrong += subprocess.run([sys.executable, *tests], check=False).returncode != 0
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (registry.NoSuchPlugin, ValueError, KeyboardInterrupt) as problem:
        sys.exit(str(problem) or "interrupted")
