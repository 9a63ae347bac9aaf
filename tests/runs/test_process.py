"""Whether the process that a run names is there."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokscope.runs.process import process_lives, this_process

NOBODY = 2**22 + 1
"""No process has such a number."""

told = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system tells no more than a number")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_by_its_number_alone() -> None:
    here = socket.gethostname()
    assert process_lives({"host": here, "process": os.getpid()}) is True
    assert process_lives({"host": here, "process": NOBODY}) is False
    assert process_lives({"host": "elsewhere", "process": NOBODY}) is None
    for odd in (-1, 1 << 70, "x", None):
        assert process_lives({"host": here, "process": odd}) is None
    assert process_lives({}) is None


def test_this_process_lives() -> None:
    assert process_lives(this_process()) is True


@told
@pytest.mark.parametrize("stopped", [False, True])
def test_a_killed_process_is_gone_before_its_parent_asks(child: subprocess.Popen[bytes], stopped: bool) -> None:
    """It keeps its number until then. A kill counts from the moment it is sent, however long its end takes."""
    named = {"host": socket.gethostname(), "process": child.pid}
    assert process_lives(named) is True
    if stopped:
        child.send_signal(signal.SIGSTOP)
        assert process_lives(named) is True
    child.kill()
    assert process_lives(named) is False
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still there for its parent to ask
    assert process_lives(named) is False


@told
def test_a_number_that_was_given_away_again(child: subprocess.Popen[bytes]) -> None:
    """Another process has it now: one that began at another moment."""
    named = {**this_process(), "process": child.pid}
    assert process_lives(named) is False


@told
def test_numbers_of_another_container_say_nothing() -> None:
    """Its host may be called like this one."""
    assert process_lives({**this_process(), "place": "another boot pid:[1]", "process": NOBODY}) is None
