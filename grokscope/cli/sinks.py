"""Options that tell other tools of a run: `--sink`, `--notify` and `export --to`."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.exits import complain

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory
    from grokscope.sinks.background import Background
    from grokscope.sinks.tools import Tool

_PANEL = "Telling others"
CLOSE_SECONDS = 120.0
"""Time that a tool may take at the end of a run for what it has not taken yet"""


class ToolChoice(StrEnum):
    """The names of `grokscope.sinks.tools.TOOLS`, as Typer takes them without that module."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    TRACKIO = "trackio"
    MLFLOW = "mlflow"


SinkOption = Annotated[
    list[ToolChoice] | None,
    typer.Option("--sink", help="Send the numbers to this tool too, while training; repeatable.",
                 rich_help_panel=_PANEL),
]  # fmt: skip
NotifyOption = Annotated[
    str | None,
    typer.Option(
        "--notify",
        metavar="COMMAND",
        help="Run COMMAND, with the event as JSON on its stdin, on onset, turned, grokked, regressed, diverged and "
        "finished. NOTIFY_TEXT in its environment says it in words; no shell is used.",
        rich_help_panel=_PANEL,
    ),
]


class Followers:
    """The tools and the command that follow a run."""

    def __init__(self, sinks: Sequence[ToolChoice], notify: str | None) -> None:
        """Raises `Unavailable` for a tool that is not installed, `typer.BadParameter` for what is no command."""
        self._tools: tuple[Tool, ...] = ()
        self._command: list[str] | None = None
        if sinks:
            from grokscope.sinks.tools import TOOLS

            self._tools = tuple(TOOLS[name] for name in dict.fromkeys(sinks))
            for tool in self._tools:
                tool.check()
        if notify is not None:
            from grokscope.sinks.notify import BadCommand, parsed_command

            try:
                self._command = parsed_command(notify)
            except BadCommand as problem:
                raise typer.BadParameter(str(problem), param_hint="--notify") from None

    @contextmanager
    def following(
        self, directory: "RunDirectory", received: Sequence[int], *, quiet: bool
    ) -> "Iterator[list[Background]]":
        """Yields listeners for a recorder; waits at the end until they have taken everything, for `CLOSE_SECONDS` at
        most, and no longer than until one more signal is `received`.

        Meanwhile whatever a tool prints goes to stderr, or nowhere if `quiet`: stdout carries data only.
        """
        with ExitStack() as stack:
            listeners: list[Background] = []
            if self._tools:
                out = stack.enter_context(Path(os.devnull).open("w")) if quiet else sys.stderr
                stack.enter_context(redirect_stdout(out))
            try:
                listeners += self._told_tools(directory)
                listeners += self._notified(directory)
                yield listeners
            finally:
                before = len(received)
                for listener in listeners:
                    if (problem := listener.close(CLOSE_SECONDS, lambda: len(received) > before)) is not None:
                        complain(problem)

    def _told_tools(self, directory: "RunDirectory") -> "Iterator[Background]":
        for tool in self._tools:
            from grokscope.sinks.background import Background
            from grokscope.sinks.tools import ToldTool

            told = ToldTool(tool, directory.path)
            yield Background(tool.name, told.tell, told.close)

    def _notified(self, directory: "RunDirectory") -> "Iterator[Background]":
        if self._command is not None:
            from grokscope.sinks.background import Background
            from grokscope.sinks.notify import Notifier

            yield Background("--notify", Notifier(self._command, directory.path), stubborn=True)


def export_to(directory: "RunDirectory", name: ToolChoice, folder: Path | None) -> None:
    """Tell a tool the whole run, and print where it is there. Raises `Unavailable`, `SinkFailed`."""
    from grokscope.cli.output import say
    from grokscope.cli.shared import events_of
    from grokscope.sinks.tools import TOOLS, ToldTool

    if folder is not None and name is not ToolChoice.TENSORBOARD:
        raise typer.BadParameter(f"{name} knows itself where its runs are; leave out -o", param_hint="-o")
    tool = TOOLS[name]
    tool.check()
    told = ToldTool(tool, directory.path, folder)
    with redirect_stdout(sys.stderr):
        told.tell_all(events_of(directory))
    say(told.where)
