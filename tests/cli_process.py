"""grokscope as a process, from the outside: its arguments, its streams, its exit code, its death."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

PATIENCE = 240.0
"""Seconds to wait for what takes a fraction of one on an idle machine; less than a test may take in all."""

TINY = (
    "--backend=torch", "--set=backend.threads=1", "--set=model.width=16", "--set=model.heads=2", "--set=model.layers=1",
    "--set=model.feed_forward=16", "--set=measure.baseline_samples=2", "--samples=1", "--set=log.every=5",
)  # fmt: skip
"""Settings of a model that trains in milliseconds."""

TASKS = {
    "modular": ("--set=task.modulus=11", "--batch-size=8"),
    "dyck": ("--set=task.test_size=20", "--set=task.ood_size=20", "--batch-size=4"),
    "scan": ("--set=task.train_size=40", "--set=task.test_size=20", "--batch-size=4"),
}
"""And of small data, by task."""


def tiny(task: str = "modular", *more: str) -> list[str]:
    """Arguments of a small run that evaluates and measures every 10 steps."""
    return ["run", task, *TINY, *TASKS[task], "--eval-every=10", "--measure-every=10", *more]


@dataclass(frozen=True)
class Outcome:
    """A process that has ended."""

    code: int
    """As a shell has it, but minus the signal where one killed it"""
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(changes: Mapping[str, str] = {}) -> dict[str, str]:
    """What a process gets to see: nothing of this terminal, nothing of this user's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "COLUMNS": "100", "LANG": "C.UTF-8", **changes}


def grokscope(*arguments: str, folder: Path, variables: Mapping[str, str] = {}) -> Outcome:
    """`python -m grokscope` from scratch."""
    done = subprocess.run(
        [sys.executable, "-m", "grokscope", *arguments],
        capture_output=True, text=True, cwd=folder, env=environment(variables), timeout=PATIENCE, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


class Process:
    """A process of the nursery."""

    def __init__(self, nursery: "Nursery", number: int, out: Path, err: Path) -> None:
        self.nursery = nursery
        self.number = number
        self.out = out
        self.err = err

    def signal(self, number: int) -> None:
        os.kill(self.number, number)

    def wait(self, patience: float = PATIENCE) -> Outcome:
        """Until it ends."""
        code = self.nursery.code_of(self.number, patience)
        return Outcome(code, self.out.read_text() if self.out.is_file() else "", self.err.read_text())

    def kill(self) -> Outcome:
        """`kill -9`; also where it has ended already."""
        if self.number not in self.nursery.codes:
            self.signal(signal.SIGKILL)
        return self.wait()

    @property
    def alive(self) -> bool:
        self.nursery.listen(0)
        return self.number not in self.nursery.codes


class Nursery:
    """Starts processes; see `cli_nursery`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.codes: dict[int, int] = {}
        self._numbers = count()
        self._born: list[int] = []
        self._heard = b""
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("cli_nursery.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._ask, self._answers = self._server.stdin, self._server.stdout
        os.set_blocking(self._answers.fileno(), False)

    def start(
        self,
        *arguments: str,
        folder: Path,
        variables: Mapping[str, str] = {},
        out: Path | None = None,
        file_bytes: int | None = None,
        moment: Mapping[str, Any] | None = None,
    ) -> Process:
        """Begin `grokscope ARGUMENTS` in `folder`.

        No file that it writes may grow past `file_bytes`. `moment`: when it is sent which signals, see `cli_moments`.
        """
        number = next(self._numbers)
        out, err = out or self.folder / f"{number}.out", self.folder / f"{number}.err"
        request = {
            "arguments": arguments, "folder": str(folder), "environment": environment(variables),
            "stdout": str(out), "stderr": str(err), "file_bytes": file_bytes, "moment": moment,
        }  # fmt: skip
        err.touch()  # a process may be killed before it opens it
        self._ask.write(json.dumps(request).encode() + b"\n")
        self._ask.flush()
        until = time.monotonic() + PATIENCE
        while not self._born:
            self.listen(0.002)
            assert time.monotonic() < until, "the nursery does not answer"
        return Process(self, self._born.pop(), out, err)

    def run(self, *arguments: str, folder: Path, variables: Mapping[str, str] = {}, **more: Any) -> Outcome:
        """The same, to its end."""
        return self.start(*arguments, folder=folder, variables=variables, **more).wait()

    def code_of(self, process: int, patience: float) -> int:
        until = time.monotonic() + patience
        while process not in self.codes:
            self.listen(0.002)
            assert time.monotonic() < until, f"the process still runs after {patience:g} s"
        return self.codes[process]

    def listen(self, seconds: float) -> None:
        """Take in what the server tells, or sleep."""
        data = self._answers.read()
        if not data:
            time.sleep(seconds)
            return
        *facts, self._heard = (self._heard + data).split(b"\n")
        for fact in map(json.loads, facts):
            if "born" in fact:
                self._born.append(fact["born"])
            elif "died" in fact:
                self.codes[fact["died"]] = fact["code"]

    def close(self) -> None:
        self._ask.close()
        self._server.wait(PATIENCE)
        self._answers.close()


def read_log(run: Path) -> list[dict[str, Any]]:
    """Every line of a run's log; fails on a torn or unreadable one."""
    text = (run / "events.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def assert_whole(run: Path) -> list[dict[str, Any]]:
    """A log without gaps that ends in `finished`; returns its events."""
    events = read_log(run)
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["event"] == "finished"
    steps = [event["step"] for event in events if event["event"] == "evaluated"]
    assert steps == sorted(set(steps))
    return events


def until_logged(run: Path, kind: str, patience: float = PATIENCE, after: int = -1) -> dict[str, Any]:
    """Wait for an event of this kind behind `after` and return it."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        file = run / "events.jsonl"
        whole = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        for line in whole:
            event = json.loads(line) if line.endswith(b"\n") else {}
            if event.get("event") == kind and event["seq"] > after:
                return event
        time.sleep(0.01)
    raise AssertionError(f"no {kind} event in {run.name} after {patience:g} s")
