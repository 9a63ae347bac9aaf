"""A signal to a process at a moment that can be counted: at the n-th call of a function, or at the n-th use of a file.

Sleeping and hoping hits the long phases and misses the short ones, where files are renamed and states are half changed.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

FILE_OPERATIONS = frozenset({
    "open", "write", "writelines", "flush", "fsync", "ftruncate", "truncate", "rename", "replace", "unlink", "remove",
    "mkdir", "rmdir", "link", "close",
})  # fmt: skip
"""Built-in functions by which files change"""


def place(function: Callable[..., Any]) -> str:
    """How a moment names a function: `module:qualified name`. One that was renamed cannot be named any more."""
    return f"{function.__module__}:{function.__qualname__}"


def arm(moment: dict[str, Any]) -> None:
    """From now on watch this process.

    `function`: a `place`, or `files` for any file operation. `time`: at which of its calls, from 1. `signals`: sent one
    after the other; none to count alone. `told`: a file that gets the number of calls when the process ends.
    """
    module, _, qualified = moment["function"].partition(":")
    calls = 0

    def called() -> None:
        nonlocal calls
        calls += 1
        if calls == moment["time"]:
            for number in moment["signals"]:
                os.kill(os.getpid(), number)

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if module == "files":
            if event == "c_call" and argument.__name__ in FILE_OPERATIONS:
                called()
        elif event == "call" and frame.f_code.co_qualname == qualified and frame.f_globals.get("__name__") == module:
            called()

    if moment.get("told"):
        _at_exit(lambda: Path(moment["told"]).write_text(str(calls)))
    sys.setprofile(watch)


def arm_import(moment: str, number: int, *, swallowed: bool) -> None:
    """A signal as soon as the module `moment` begins to be imported, or the import of that number, from 1.

    `swallowed`: where Python swallows the exception that it raises, as it does in callbacks of its own imports.
    """
    imports, sent = 0, False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal imports, sent
        if event != "import" or sent:
            return
        imports += 1
        if moment in (arguments[0], str(imports)):
            sent = True
            if swallowed:
                _Gone().number = number
            else:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)


class _Gone:
    number: int

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


def _at_exit(tell: Callable[[], object]) -> None:
    def told() -> None:
        sys.setprofile(None)
        tell()

    atexit.register(told)


if __name__ == "__main__":  # `python cli_moments.py MOMENT SIGNAL raised|swallowed ARGUMENTS…`: hit while it imports
    moment, number, how, *arguments = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from grokscope.__main__ import start

    arm_import(moment, int(number), swallowed=how == "swallowed")
    sys.argv = ["grokscope", *arguments]
    start()
