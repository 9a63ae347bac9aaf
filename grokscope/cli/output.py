"""The only module that writes to stdout. stdout carries data only; a reader that stops early is no error."""

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
from grokscope.gate import remove_part, writing
from grokscope.words.clean import clean, json_text

if TYPE_CHECKING:
    from grokscope.words.table import Table

NARROWEST = 20
"""Columns of the narrowest window for which tables are laid out"""
LABEL = 12
"""Columns of a label before its text"""
UNBOUNDED = 10_000
"""Columns assumed for a pipe or a file"""


def say(text: str) -> None:
    """Write text and a newline to stdout. Each line is cleaned, because text may come from a file or a plugin."""
    _say_raw("\n".join(clean(line, None) for line in text.split("\n")))


def _say_raw(text: str) -> None:
    with _to_stdout() as out:
        out.write(text + "\n")


def say_wrapped(sentence: str) -> None:
    """Write a sentence, wrapped at 80 columns."""
    say(fill(sentence, 80, break_long_words=False, break_on_hyphens=False))


def say_json(value: Any) -> None:
    """Write one indented JSON document in ASCII."""
    _say_raw(json_text(value, indent=2))


def say_json_line(value: Any) -> None:
    """Write one JSON document in ASCII on one line, and flush it."""
    _say_raw(json_text(value))


def say_labelled(lines: Iterable[tuple[str, str]]) -> None:
    """Write lines of a label and its text."""
    for label, text in lines:
        say(f"{label:<{LABEL}} {text}")


def say_table(table: "Table", *, titled: bool = True) -> None:
    """Write a table: its title, its rows, its notes. Columns that do not fit in the window are left out."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    width = get_terminal_size((UNBOUNDED, 1)).columns  # the variable COLUMNS is respected in a pipe too
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
    """Yields `file`, opened for writing, or stdout for `-` and for None. No part of a file stays where the block fails.

    Raises `typer.BadParameter` if `file` cannot be opened, otherwise the errors of `grokscope.gate.writing`."""
    if file is None or file == Path("-"):
        with _to_stdout() as out:
            yield out
        return
    with writing(file):
        try:
            out = file.open("w", encoding="utf-8", newline="")
        except OSError as problem:
            raise typer.BadParameter(f"cannot write {file}: {problem.strerror}", param_hint="-o") from None
        with out:
            try:
                yield out
            except BaseException:  # an interrupt too
                remove_part(file)
                raise


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
    """Redirect stdout to the null device: nobody reads it, and flushing the buffer at exit would fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
