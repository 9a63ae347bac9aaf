"""What signals do while a command works."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_noted: list[int] = []
"""Interrupts that nobody has acted on yet"""


def note_interrupts() -> None:
    """From now on an interrupt is remembered, and raises `KeyboardInterrupt` as ever. In the callbacks that an import
    runs Python prints an exception and swallows it; there the memory alone stays."""

    def note(number: int, frame: object) -> None:
        _noted.append(number)
        raise KeyboardInterrupt

    _noted.clear()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, note)
        sys.unraisablehook = _report_others


def _report_others(swallowed: Any) -> None:
    if not issubclass(swallowed.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(swallowed)


def interrupted() -> bool:
    """Whether an interrupt came that nobody has acted on."""
    return bool(_noted)


@contextmanager
def on_signals(act: Callable[[int], None], *numbers: signal.Signals) -> Iterator[None]:
    """Call `act` with the number of each of these signals that comes, or came while commands loaded. `nohup` and `&`
    ignore signals on purpose: those stay ignored."""
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda received, frame: act(received))
    if _noted and signal.SIGINT in before:
        act(_noted[0])
        _noted.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
