"""Exit codes, and the exit code of each error."""

import errno
import sys
from enum import IntEnum

import typer


class ExitCode(IntEnum):
    FINISHED = 0
    """The command succeeded. The result of a run says whether the run grokked; the code does not."""
    FAULT = 1
    """A fault in grokscope, a full disk, or an error of `doctor --verify` above its tolerance."""
    USAGE = 2
    """A flag, a setting or a configuration file is wrong."""
    NO_RUN = 3
    """The run does not exist, cannot be read, or has no trainer to control."""
    DIVERGED = 4
    """Training diverged: the loss is not finite."""
    NOT_GROKKED = 5
    """`--fail-on not-grokked` was given, and the run did not grok."""
    UNAVAILABLE = 6
    """The backend or device is not available; the message says how to install it."""
    INTERRUPTED = 130
    """Ctrl-C, after writing a checkpoint."""
    TERMINATED = 143
    """SIGTERM or a closed terminal, after writing a checkpoint."""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """The exit code of an error that a user can correct; None for a fault in grokscope."""
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
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return ExitCode.USAGE  # only a person gives such a name
    return next((code for kinds, code in meanings if isinstance(error, kinds)), None)


def complain(sentence: str) -> None:
    """Write one sentence as one line on stderr. Control characters in the sentence are removed."""
    from grokscope.words.clean import clean

    typer.echo(f"grokscope: {clean(sentence)}", err=True)


def leave(error: BaseException) -> int:
    """Report an error in one sentence on stderr, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader has gone; the interpreter must not report the broken pipe at exit
        return ExitCode.FINISHED
    if isinstance(error, MemoryError):
        complain("there is not enough memory for this command")
        return ExitCode.FAULT
    try:
        code = exit_code_of(error)
    except (ImportError, MemoryError, OSError):  # `exit_code_of` imports modules, which fails when memory is short
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
