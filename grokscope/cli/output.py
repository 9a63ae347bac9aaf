"""stdout and its one owner. It carries data only, and a reader who leaves early is no error."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any, TextIO

import typer

from grokscope.cli.exits import ExitCode
from grokscope.words.clean import clean, json_text

if TYPE_CHECKING:
    from grokscope.words.table import Table

NARROWEST = 20
"""Columns of the narrowest window that is laid out for."""
LABEL = 12
"""Columns of a label before its text."""
UNBOUNDED = 10_000
"""Columns of what is no window."""


def say(text: str) -> None:
    """Text and a newline on stdout. Each of its lines is cleaned: it may hold what a file or a plugin said."""
    _say_raw("\n".join(clean(line, None) for line in text.split("\n")))


def _say_raw(text: str) -> None:
    with _to_stdout() as out:
        out.write(text + "\n")


def say_wrapped(sentence: str) -> None:
    """A sentence on as many lines of 80 columns as it takes."""
    say(fill(sentence, 80, break_long_words=False, break_on_hyphens=False))


def say_json(value: Any) -> None:
    """One JSON document on stdout, in ASCII."""
    _say_raw(json_text(value, indent=2))


def say_json_line(value: Any) -> None:
    """One JSON document in ASCII on a line of its own, at once."""
    _say_raw(json_text(value))


def say_labelled(lines: Iterable[tuple[str, str]]) -> None:
    """Labels, and what is said under each."""
    for label, text in lines:
        say(f"{label:<{LABEL}} {text}")


def say_table(table: "Table", *, titled: bool = True) -> None:
    """A table under its title, as wide as it likes; in a narrower window its columns give way. Its notes below."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    width = get_terminal_size((UNBOUNDED, 1)).columns  # COLUMNS counts in a pipe too
    heading, *rows = table.terminal(max(width, NARROWEST))
    with console.capture() as captured:
        console.print(heading, style="bold", soft_wrap=True)
    if titled:
        say(table.title)
    _say_raw("\n".join([captured.get().rstrip("\n"), *rows]))
    for note in table.notes:
        say_wrapped(note)


@contextmanager
def written_to(file: Path | None) -> Iterator[TextIO]:
    """`file`, opened for writing, or stdout where there is none."""
    if file is None:
        with _to_stdout() as out:
            yield out
        return
    try:
        out = file.open("w", encoding="utf-8", newline="")
    except OSError as problem:
        raise typer.BadParameter(f"cannot write {file}: {problem.strerror}", param_hint="-o") from None
    with out:
        yield out


@contextmanager
def _to_stdout() -> Iterator[TextIO]:
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
        raise typer.Exit(ExitCode.FINISHED) from None
    except OSError:
        forget_stdout()
        raise


def forget_stdout() -> None:
    """Nobody reads stdout any more: what its buffer still holds would break the pipe once more at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
