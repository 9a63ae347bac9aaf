"""Exit codes, and the exit code of each error."""

import errno
import sys
from collections.abc import Mapping
from enum import IntEnum

import typer


class ExitCode(IntEnum):
    """Exit codes; `EXIT_CODES_IN_WORDS` says what they mean."""

    FINISHED = 0
    FAULT = 1
    USAGE = 2
    NO_RUN = 3
    DIVERGED = 4
    NOT_GROKKED = 5
    UNAVAILABLE = 6
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODES_IN_WORDS: Mapping[ExitCode, str] = {
    ExitCode.FINISHED: "finished; whether a run grokked is in its result, not in the code",
    ExitCode.FAULT: "a fault of grokscope, a full disk, or arithmetic that `doctor --verify` does not pass",
    ExitCode.USAGE: "a wrong flag, setting or file",
    ExitCode.NO_RUN: "no such run, an unreadable one, or one without a trainer to control",
    ExitCode.DIVERGED: "training diverged: the loss is not finite",
    ExitCode.NOT_GROKKED: "`--fail-on not-grokked`, and the run did not grok",
    ExitCode.UNAVAILABLE: "backend, device or tool not available; the message says how to install it",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C), after writing a checkpoint",
    ExitCode.TERMINATED: "terminated, after writing a checkpoint",
}
"""What each code means, for the help and the documentation"""


_OF_A_NAME = frozenset({
    errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EACCES, errno.EPERM, errno.EROFS,
})  # fmt: skip
"""Problems of a file that a person has named: it cannot have this name, or may not be written"""


def exit_code_of(error: BaseException) -> ExitCode | None:
    """The exit code of an error that a user can correct; None for a fault in grokscope."""
    from grokscope.contract.backends import Unavailable
    from grokscope.gate import Unreadable
    from grokscope.imports.sheets import Unimportable
    from grokscope.registry import BrokenPlugin, NoSuchPlugin
    from grokscope.runs.directory import BadRunName, NoSuchRun
    from grokscope.runs.inbox import TooLong
    from grokscope.runs.log import RunBusy
    from grokscope.runs.removal import NotRemovable
    from grokscope.runs.request import NotListening
    from grokscope.settings.config import ConfigError
    from grokscope.sinks.tools import SinkFailed

    meanings: list[tuple[tuple[type[BaseException], ...], ExitCode]] = [
        ((KeyboardInterrupt,), ExitCode.INTERRUPTED),
        ((NoSuchRun, Unreadable, NotListening), ExitCode.NO_RUN),
        ((Unavailable, SinkFailed), ExitCode.UNAVAILABLE),
        ((ConfigError, NoSuchPlugin, BadRunName, NotRemovable, RunBusy, TooLong, Unimportable), ExitCode.USAGE),
        ((OSError,), ExitCode.FAULT),
    ]
    if isinstance(error, BrokenPlugin):
        return ExitCode.UNAVAILABLE if error.kind == "backends" else ExitCode.USAGE
    if isinstance(error, OSError) and error.errno in _OF_A_NAME:
        return ExitCode.USAGE
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
