"""Exit codes, and which error means which."""

import sys
from enum import IntEnum

import typer


class ExitCode(IntEnum):
    FINISHED = 0
    """Whether the run grokked is in its result, not in the code."""
    FAULT = 1
    """A fault of ours, a disk that is full, or a `doctor --verify` past its tolerance."""
    USAGE = 2
    """A flag, a setting or a configuration file is wrong."""
    NO_RUN = 3
    """No such run, one that cannot be read, or one that has no trainer to talk to."""
    DIVERGED = 4
    """Training reached a loss that is not finite."""
    NOT_GROKKED = 5
    """`--fail-on not-grokked` was asked for, and it did not grok."""
    UNAVAILABLE = 6
    """The backend or device is not there; the message says how to install it."""
    INTERRUPTED = 130
    """Ctrl-C, after writing a checkpoint."""
    TERMINATED = 143
    """SIGTERM or a closed terminal, after writing a checkpoint."""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """The code of an error that a user can do something about; None for a fault of ours."""
    from grokscope.contract.backends import Unavailable
    from grokscope.gate import Unreadable
    from grokscope.imports.sheets import Unimportable
    from grokscope.registry import BrokenPlugin, NoSuchPlugin
    from grokscope.runs.directory import BadRunName, NoSuchRun
    from grokscope.runs.inbox import TooLong
    from grokscope.runs.log import RunBusy
    from grokscope.runs.request import NotListening
    from grokscope.settings.config import ConfigError

    meanings: list[tuple[tuple[type[BaseException], ...], ExitCode]] = [
        ((KeyboardInterrupt,), ExitCode.INTERRUPTED),
        ((NoSuchRun, Unreadable, NotListening), ExitCode.NO_RUN),
        ((Unavailable,), ExitCode.UNAVAILABLE),
        ((ConfigError, NoSuchPlugin, BadRunName, RunBusy, TooLong, Unimportable), ExitCode.USAGE),
        ((OSError,), ExitCode.FAULT),
    ]
    if isinstance(error, BrokenPlugin):
        return ExitCode.UNAVAILABLE if error.kind == "backends" else ExitCode.USAGE
    return next((code for kinds, code in meanings if isinstance(error, kinds)), None)


def complain(sentence: str) -> None:
    """One sentence on stderr, on one line, whatever the names are made of that it repeats."""
    from grokscope.words.clean import clean

    typer.echo(f"grokscope: {clean(sentence)}", err=True)


def leave(error: BaseException) -> int:
    """Say what went wrong in one sentence, and return the code to exit with."""
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # whoever read us has gone: nothing is left to say, also not by the interpreter
        return ExitCode.FINISHED
    if isinstance(error, MemoryError):
        complain("there is not enough memory for this")
        return ExitCode.FAULT
    try:
        code = exit_code_of(error)
    except (ImportError, MemoryError, OSError):  # to know what an error means takes memory, which may be what is short
        complain(_sentence(error))
        return ExitCode.FAULT
    if code is None:
        complain(f"internal error: {type(error).__name__}: {error} (run again with --debug to see where)")
        return ExitCode.FAULT
    complain("interrupted" if isinstance(error, KeyboardInterrupt) else _sentence(error))
    return code


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error.args[0]) if error.args else str(error)
