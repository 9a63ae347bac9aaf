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
    from grokscope.sinks.following import Followers

_PANEL = "Telling others"


class ToolChoice(StrEnum):
    """The names of `grokscope.sinks.tools.TOOLS`, as Typer takes them without that module."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    TRACKIO = "trackio"
    MLFLOW = "mlflow"


SinkOption = Annotated[
    list[ToolChoice] | None,
    typer.Option(
        "--sink",
        metavar="|".join(each.value for each in ToolChoice),
        help="Send the numbers to this tool too, while training; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
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


def followers_of(sinks: Sequence[ToolChoice], notify: str | None) -> "Followers | None":
    """The tools and the command that follow a run, where any were asked for; else nothing of them is imported.

    Raises `Unavailable` for a tool that is not installed, `typer.BadParameter` for what is no command.
    """
    if not sinks and notify is None:
        return None
    from grokscope.sinks.following import Followers
    from grokscope.sinks.notify import BadCommand

    try:
        return Followers(sinks, notify)
    except BadCommand as problem:
        raise typer.BadParameter(str(problem), param_hint="--notify") from None


@contextmanager
def following(
    followers: "Followers | None", directory: "RunDirectory", received: Sequence[int], *, quiet: bool
) -> "Iterator[list[Background]]":
    """Yields listeners for a recorder, and waits at the end until they have taken everything, or until one more signal
    is `received`.

    Meanwhile whatever a tool prints goes to stderr, or nowhere if `quiet`: stdout carries data only.
    """
    if followers is None:
        yield []
        return
    with ExitStack() as stack:
        if followers.tools:
            out = stack.enter_context(Path(os.devnull).open("w")) if quiet else sys.stderr
            stack.enter_context(redirect_stdout(out))
        before = len(received)

        def leave() -> bool:
            return len(received) > before

        with followers.following(directory.path, complain, leave) as listeners:
            try:
                yield listeners
            finally:
                before = len(received)


def export_to(directory: "RunDirectory", name: ToolChoice, folder: Path | None) -> None:
    """Tell a tool the whole run, and print where it is there. Raises `Unavailable`, `SinkFailed`."""
    from grokscope.cli.output import say
    from grokscope.cli.shared import events_of, not_stdout
    from grokscope.sinks.tools import TOOLS, ToldTool

    if folder is not None and name is not ToolChoice.TENSORBOARD:
        raise typer.BadParameter(f"{name} knows itself where its runs are; leave out -o", param_hint="-o")
    not_stdout(folder)
    tool = TOOLS[name]
    tool.check()
    told = ToldTool(tool, directory.path, folder)
    with redirect_stdout(sys.stderr):
        told.tell_all(events_of(directory))
    say(told.where)
