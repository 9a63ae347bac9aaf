"""How seldom a probe looks up, by a clock and an inbox that the test turns."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from grokscope.own import lookout
from grokscope.own.lookout import FARTHEST, Lookout
from grokscope.training.control import Control


@dataclass
class Inbox:
    """Stands for `Control`: when it is to be read."""

    idle: bool = True


class Loop:
    """A loop that counts at which of its steps the clock was read, and at which something was due."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.step = 0.0, 0
        self.inbox = Inbox()
        monkeypatch.setattr(lookout.time, "monotonic", lambda: self.now)
        self.lookout = Lookout(cast(Control, self.inbox), 0)
        self.looks: list[int] = []
        self.dues: list[int] = []

    def run(self, steps: int, seconds: float, *distances: int) -> None:
        for _ in range(steps):
            self.step += 1
            self.now += seconds
            if self.step >= self.lookout.next:
                self.looks.append(self.step)
                if self.lookout.due(self.step, distances):
                    self.dues.append(self.step)
                    self.lookout.look_again(self.step, distances)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def test_most_steps_of_a_fast_loop_cost_one_comparison(loop: Loop) -> None:
    loop.run(1600, 1e-3, 100, 0)
    assert loop.dues == list(range(100, 1601, 100))
    assert len(loop.looks) <= 1600 // FARTHEST + 2 * len(loop.dues)


def test_nothing_due_is_missed(loop: Loop) -> None:
    loop.run(60, 1e-3, 7, 10)
    assert loop.dues == [step for step in range(1, 61) if step % 7 == 0 or step % 10 == 0]


def test_a_loop_that_becomes_slow_is_looked_at_each_step(loop: Loop) -> None:
    loop.run(100, 1e-4, 1000)
    loop.looks.clear()
    loop.run(40, 10.0, 1000)
    assert loop.looks[0] <= 100 + FARTHEST
    assert loop.looks == list(range(loop.looks[0], 141))


def test_an_inbox_that_is_to_be_read_is_due_at_the_next_look(loop: Loop) -> None:
    loop.run(100, 1e-3, 1000)
    loop.inbox.idle = False
    loop.run(FARTHEST, 1e-3, 1000)
    assert loop.dues
    after: Any = loop.dues[0]
    assert loop.dues == list(range(after, 100 + FARTHEST + 1))


def test_nothing_is_due_behind_the_end(loop: Loop) -> None:
    loop.lookout.end()
    loop.run(100, 1.0, 10)
    assert loop.looks == []
