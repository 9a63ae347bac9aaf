"""What all campaigns share: a call of the command line, what must hold of it whatever was given, a tally of what came.

A campaign gives grokscope thousands of inputs that are wrong, each made from a sound one by a few changes. Whatever the
input, the answer is an exit code that is documented and one sentence; never a traceback, never silence for ever.
"""

import io
import json
import os
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from traceback import walk_tb
from typing import Any
from unittest.mock import patch

import pytest
import typer
from cli_process import environment
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from grokscope.cli import main as command_line

SECONDS = 60
"""That one call may take before it counts as hanging; what it waited for a processor that others had does not count"""
MEMORY = 4 << 30
"""Bytes that one call may take beyond what the tests hold already"""

WRONG_INPUT = frozenset({0, 2, 3, 6})
"""Exit codes of a call whose input may be wrong and whose machine is sound; 1 would be a fault of ours"""


def lengths(short: int, long: int) -> pytest.MarkDecorator:
    """A test that takes `inputs`: a few always, many with `pytest -m campaign`."""
    many = pytest.param(long, marks=[pytest.mark.campaign, pytest.mark.timeout(0)])
    return pytest.mark.parametrize("inputs", [short, many])


def campaign(inputs: int, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:
    """Call a function with `inputs` draws of the strategies; on a failure print the smallest input that fails.

    CI draws the same every time; elsewhere `GROKSCOPE_CAMPAIGN_SEED` repeats a campaign.
    """
    phases = (Phase.generate, Phase.shrink)
    checks = list(HealthCheck)
    number = int(os.environ.get("GROKSCOPE_CAMPAIGN_SEED", "0" if "CI" in os.environ else str(os.getpid())))

    def run(check: Callable[..., None]) -> None:
        print(f"GROKSCOPE_CAMPAIGN_SEED={number}")  # noqa: T201
        limits = settings(max_examples=inputs, phases=phases, suppress_health_check=checks, print_blob=False)
        limits(seed(number)(given(*strategies)(check)))()

    return run


# --- one call ---------------------------------------------------------------------------------------------------------


class Hang(Exception):
    """A call took longer than `SECONDS`."""


@dataclass(frozen=True)
class Ended:
    """A call of the command line that has ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    origin: str = ""
    """Where the error came from that ended it: exception, module, function"""

    @property
    def shape(self) -> str:
        """stderr without what is particular to one input."""
        return _shape(self.err)

    def __str__(self) -> str:
        arguments = " ".join(map(repr, self.arguments))
        return f"grokscope {arguments}\nexit code {self.code}, {self.origin or 'no error'}\n{self.err[:2000]}"


built = cache(typer.main.get_command)
"""The commands with their options; building them takes nine tenths of a call"""


def call(*arguments: str, folder: Path, variables: Mapping[str, str] = {}) -> Ended:
    """`grokscope ARGUMENTS` in this process, in `folder`. Raises `Hang`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True, newline="") for _ in range(2))
    origins: list[str] = []
    here = Path.cwd()
    os.chdir(folder)
    try:
        with (
            patch.object(typer.main, "get_command", built),
            patch.object(sys, "argv", ["grokscope", *arguments]),
            patch.object(sys, "stdout", out),
            patch.object(sys, "stderr", err),
            patch.dict(os.environ, environment(variables), clear=True),
            _noting(origins),
            bounded(),
        ):
            command_line.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        os.chdir(here)
    return Ended(arguments, code, _text(out), _text(err), origins[-1] if origins else "")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    data: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return data.decode("utf-8", "surrogateescape")


@contextmanager
def _noting(origins: list[str]) -> Iterator[None]:
    """Remember where the errors came from that the command line makes sentences of."""

    def noting(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(error: BaseException) -> Any:
            frames = [frame for frame, _ in walk_tb(error.__traceback__)]
            ours = [frame for frame in frames if frame.f_globals.get("__name__", "").startswith("grokscope")]
            where = (ours or frames)[-1]
            origins.append(f"{type(error).__name__} {where.f_globals['__name__']}.{where.f_code.co_name}")
            return function(error)

        return noted

    with (
        patch.object(command_line, "leave", noting(command_line.leave)),
        patch.object(command_line, "_usage", noting(command_line._usage)),
    ):
        yield


@contextmanager
def bounded() -> Iterator[None]:
    """A block that may take so much time and memory. Raises `Hang`, `MemoryError`."""

    began = time.monotonic() - _seconds_in_line()

    def give_up(number: int, frame: object) -> None:
        left = began + SECONDS - (time.monotonic() - _seconds_in_line())
        if left <= 0:
            raise Hang(f"nothing came in {SECONDS} s")
        signal.setitimer(signal.ITIMER_REAL, left)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _seconds_in_line() -> float:
    """That this process could have run and did not, since it began; 0 where the system does not say."""
    file = Path("/proc/self/schedstat")
    return int(file.read_text().split()[1]) / 1e9 if file.exists() else 0.0


# --- what must hold ---------------------------------------------------------------------------------------------------

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control and bidirectional characters: no file may put them onto a terminal"""


def assert_sound(ended: Ended, codes: frozenset[int] = WRONG_INPUT) -> None:
    """A documented code, a sentence of ours where it is not 0, nothing that a terminal would obey."""
    assert ended.code in codes, str(ended)
    assert "Traceback" not in ended.err, str(ended)
    assert "internal error" not in ended.err, str(ended)
    lines = ended.err.splitlines()
    assert all(line.startswith("grokscope: ") for line in lines) or lines[0].startswith("Usage: "), str(ended)
    assert ended.code == 0 or lines, str(ended)
    for text in (ended.out, ended.err):
        odd = FORBIDDEN.search(text)
        assert odd is None, f"{odd[0]!r} reaches the terminal:\n{ended}\n{text[max(0, odd.start() - 80) :][:160]!r}"
    if "--json" in ended.arguments and ended.code == 0 and not ended.out.startswith(("Usage: ", "grokscope ")):
        for document in ended.out.splitlines() if ended.out.startswith('{"v"') else filter(None, [ended.out]):
            json.loads(document, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


# --- what came --------------------------------------------------------------------------------------------------------


def _shape(text: str) -> str:
    """A sentence with a place holder for each quotation, path and number in it."""
    text = re.sub(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`[^`\n]*`", "'…'", text)
    text = re.sub(r"\S*/\S*|\S+\.(?:jsonl|json|toml|csv|safetensors|gz)\b", "FILE", text)
    text = re.sub(r"[-+]?\d[\d,._e+-]*", "0", text)
    return re.sub(r"\s+", " ", text).strip()[:200]


@dataclass
class Tally:
    """How often each outcome came: exit code, shape of the sentence, origin of the error."""

    came: Counter[tuple[int, str, str]] = field(default_factory=Counter)

    def note(self, ended: Ended) -> None:
        self.came[ended.code, ended.shape, ended.origin] += 1

    def lines(self) -> list[str]:
        """The outcomes, the most frequent first."""
        return [
            f"{times:>7,} × {code:>3}  {origin or '-'}  {shape}"
            for (code, shape, origin), times in self.came.most_common()
        ]
