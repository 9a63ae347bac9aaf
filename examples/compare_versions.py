"""Whether two installations of grokscope train the same run: a short one of every task on every backend.

    python examples/compare_versions.py OLD/bin/grokscope NEW/bin/grokscope [--task dyck] [--backend torch]

Each pair of runs is compared by the digest of its final parameters and by every number that was evaluated and measured.
The exit code is 1 where one differs.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

TASKS = ("modular", "dyck", "scan")
BACKENDS = ("torch", "mlx")
SMALL = (
    "--preset quick --steps 40 --seed 7 --batch-size 16 --eval-every 20 --measure-every 20 --samples 2 "
    "--set model.width=16 --set model.feed_forward=32 --set model.heads=2 --set measure.baseline_samples=2 "
    "--set backend.threads=1 --set train.stop_after_grok=-1"
)
OPTIONS: Mapping[str, str] = {
    "modular": "--set task.modulus=23",
    "dyck": "--set task.test_size=200",
    "scan": "--set task.train_size=64 --set task.test_size=64",
}
TIMES = frozenset({"seconds"})


def recorded(program: str, task: str, backend: str) -> list[dict[str, Any]]:
    """The events of one short run."""
    with tempfile.TemporaryDirectory() as runs:
        command = [
            program,
            "run",
            task,
            "--backend",
            backend,
            *shlex.split(f"{SMALL} {OPTIONS[task]}"),
            "--runs",
            runs,
            "--json",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as problem:
            sys.exit(f"{program} cannot be run: {problem.strerror}")
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def numbers(events: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The digest and every measured and evaluated number, by name."""
    for event in events:
        if event["event"] == "finished":
            yield "parameters_digest", event["parameters_digest"]
        elif event["event"] in {"evaluated", "measured"}:
            yield from _leaves(event, f"{event['event']} at step {event['step']}")


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in TIMES | {"v", "run", "seq", "time", "event", "step"}:
                yield from _leaves(item, f"{name}: {key}")
    else:
        yield name, value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--task", action="append", choices=TASKS)
    parser.add_argument("--backend", action="append", choices=BACKENDS)
    asked = parser.parse_args()
    differing = 0
    for task in asked.task or TASKS:
        for backend in asked.backend or BACKENDS:
            old, new = (dict(numbers(recorded(program, task, backend))) for program in (asked.old, asked.new))
            changed = sorted(name for name in old if name in new and old[name] != new[name])
            lost = sorted(old.keys() - new.keys())
            differing += len(changed) + len(lost)
            words = f"{len(changed)} differ: {', '.join(changed[-3:])}" if changed else "the same"
            gone = f"; {len(lost)} are gone: {', '.join(lost[:3])}" if lost else ""
            print(f"{task:8} {backend:6} {len(old.keys() & new.keys()):4} numbers: {words}{gone}")
    return int(differing > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
