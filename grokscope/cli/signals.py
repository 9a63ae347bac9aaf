"""What signals do while a command works."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_signals(act: Callable[[int], None], *numbers: signal.Signals) -> Iterator[None]:
    """Call `act` with the number of each of these signals that comes. `nohup` and `&` ignore signals on purpose: those
    stay ignored."""
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda received, frame: act(received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
