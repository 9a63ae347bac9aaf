"""What a run is asked for through its inbox, obeyed between two steps.

A command is removed from the inbox when what it asked for is done and stands in the log, on the disk. What is found
there when a trainer begins was sent to the one before it: it is refused, by name, for it was meant for another moment.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator

from grokscope.events import Event, Intervened, Paused, Resumed, Warned
from grokscope.runs.inbox import Command, Inbox, Letter
from grokscope.training.interruption import Interruption

PAUSED_POLL_SECONDS = 0.05
INBOX_POLL_SECONDS = 0.2

LONGEST_REASON = 500
"""Characters: whoever sent a command may have written anything"""

_ASKED = "asked for through the control inbox"
_STALE = "it was sent to the trainer before this one"


class Control:
    """The inbox of one run, and what it has brought about."""

    def __init__(
        self, inbox: Inbox, emit: Callable[[Event], None], flush: Callable[[], None], interruption: Interruption
    ) -> None:
        """`emit` records an event, `flush` makes what was recorded safe."""
        self.stopped = False
        """Whether the end was asked for"""
        self.paused = False
        self.impossible: dict[str, str] = {}
        """Actions that this loop cannot obey, and why"""
        self.patience = 1.0
        """How many times as seldom as in our own loop the inbox is read"""
        self._inbox = inbox
        self._emit = emit
        self._flush = flush
        self._interruption = interruption
        self._steps = 0
        """Still to be taken while paused"""
        self._read = -math.inf
        self._pending: list[str] = []
        """Commands whose answer will come later: `stop`, `step`"""
        self._stale = list(inbox.letters())

    @property
    def idle(self) -> bool:
        """Whether `commands` would do nothing now: the inbox was read a moment ago, and no steps are counted."""
        return not self._steps and not self.paused and self._read_lately

    @property
    def _read_lately(self) -> bool:
        return time.monotonic() - self._read < self.patience * INBOX_POLL_SECONDS

    def refuse_stale(self, step: int, answered: Collection[str]) -> None:
        """Refuse what was there before this process came, but for the commands `answered` in the log."""
        for letter in self._stale:
            if letter.name not in answered:
                self.refuse(letter, _STALE, step)
            self._settle(letter)
        self._stale.clear()

    def refuse(self, letter: Letter, reason: str, step: int) -> None:
        """Answer that it will not be done."""
        command = letter.command
        if command is not None and command.action == "intervene":
            self._emit(refused(step, command.kind, reason, letter.name))
        else:
            what = letter.trouble if command is None else f"{command.action} was refused: {reason}"
            self._emit(Warned(step=step, reason=what, command=letter.name))

    def commands(self, step: int) -> Iterator[Letter]:
        """What somebody asks of a run that has taken `step` steps and only its loop can do: `snapshot`, `intervene`.

        A command counts as done when the next one is asked for. The inbox is read now and then; while the run is
        paused, this stays here.
        """
        if self._steps:
            self._steps -= 1
            if not self._steps:
                self._emit(Paused(step=step, reason="the steps asked for are taken"))
                self.settle()
        if not self.paused and self._read_lately:
            return
        while True:
            self._read = time.monotonic()
            for letter in self._inbox.letters():
                if letter.command is None or letter.command.action in self.impossible:
                    why = "" if letter.command is None else self.impossible[letter.command.action]
                    self.refuse(letter, why or letter.trouble, step)
                elif letter.command.action in {"snapshot", "intervene"}:
                    yield letter
                elif not self._obeyed(letter, letter.command, step):
                    self._pending.append(letter.name)
                    continue
                self._settle(letter)
            if self._interruption.asked or self.stopped or not self.paused or self._steps:
                return
            time.sleep(PAUSED_POLL_SECONDS)

    def settle(self) -> None:
        """What was asked for and took its time is done."""
        self._flush()
        for name in self._pending:
            self._inbox.remove(name)
        self._pending.clear()

    def _obeyed(self, letter: Letter, command: Command, step: int) -> bool:
        """Do what is asked; whether it is answered already."""
        match command.action:
            case "pause" if not self.paused:
                self.paused = True
                self._emit(Paused(step=step, reason=_ASKED, command=letter.name))
            case "resume" if self.paused:
                self.paused, self._steps = False, 0
                self._emit(Resumed(step=step, reason=_ASKED, command=letter.name))
                self.settle()
            case "step" if self.paused:
                self._steps += command.count
                return False
            case "stop":
                self.stopped = True
                return False
            case _:
                self.refuse(letter, f"the run is {'paused' if self.paused else 'running'}", step)
        return True

    def _settle(self, letter: Letter) -> None:
        self._flush()
        if letter.name:
            self._inbox.remove(letter.name)


def refused(step: int, kind: str | None, reason: str, command: str | None = None) -> Intervened:
    """What is said of a switch that was not made, by command or by schedule."""
    return Intervened(
        step=step,
        kind=kind or "unnamed",
        state="refused",
        source="schedule" if command is None else "control",
        reason=reason[:LONGEST_REASON],
        command=command,
    )
