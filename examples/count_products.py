"""How much arithmetic a step, an evaluation and a defect need, beside the plain way: what no faster code can leave out.

    python examples/count_products.py [modular] [dyck] [scan]

Counted are the multiplications and additions of matrix products on PyTorch, in GFLOP, preset `paper`. Both ways run
these at about the same speed, so that the last column is about as many times as an operation can be faster.
"""

import argparse
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from grokscope import registry
from grokscope.machine.bench import PLAIN_TWINS, operations_of
from grokscope.settings.config import resolve


def main(tasks: list[str]) -> None:
    torch.backends.mha.set_fastpath_enabled(False)  # the fused evaluation of a plain module hides its products
    print(f"{'task':8}  {'operation':36}  {'GFLOP':>8}  {'plain':>8}  ratio")
    for name in tasks:
        task = registry.get("tasks", name)
        config, options = resolve(task, {"backend.name": "torch", "backend.threads": 1}, preset="paper")
        ready = operations_of(config, task, options).ready
        for operation, twin in PLAIN_TWINS.items():
            if operation in ready:
                own, plain = (_gigaflops(ready[each](0)) for each in (operation, twin))
                print(f"{name:8}  {operation:36}  {own:8.2f}  {plain:8.2f}  {plain / own:5.2f}")


def _gigaflops(call: object) -> float:
    assert callable(call)
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="*", default=["modular", "dyck", "scan"])
    try:
        main(parser.parse_args().task)
    except (registry.NoSuchPlugin, KeyboardInterrupt) as problem:
        sys.exit(str(problem) or "interrupted")
