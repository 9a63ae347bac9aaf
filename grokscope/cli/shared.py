"""Options that several commands share, and how commands read the log of a run."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokscope.cli.completion import offered_runs
from grokscope.cli.exits import complain

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory
    from grokscope.runs.lines import LogEvent

RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.", envvar="GROKSCOPE_RUNS")]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's name, a unique prefix, a path, or `latest`.", autocompletion=offered_runs
    ),
]
WholeRunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The whole name of a run or a sweep, a path, or `latest`.", autocompletion=offered_runs
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for scripts.")]

DEFAULT_RUNS = Path("runs")


def not_stdout(output: Path | None) -> Path | None:
    """Callback of options that name what cannot be written to stdout, which is what `-` means."""
    if output == Path("-"):
        raise typer.BadParameter("this cannot be written to stdout, which `-` stands for; give a name")
    return output


def collect_seldom() -> None:
    """Have Python look for circles of objects less often. What a command reads makes millions of objects and no circle:
    looking for them took a third of the time."""
    gc.set_threshold(100_000, 50, 100)


def events_of(directory: "RunDirectory") -> Iterator[dict[str, Any]]:
    """The events of a run, one by one. Damaged lines of the log are reported on stderr, at the end.

    Raises `Unreadable` if the log has no readable event.
    """
    from grokscope.runs.lines import as_dictionaries

    for batch in batches_of(directory):
        yield from as_dictionaries(batch)


def batches_of(directory: "RunDirectory") -> "Iterator[list[LogEvent]]":
    """The same events as `grokscope.runs.log.read_batches` has them. Raises `Unreadable` as `events_of` does."""
    from grokscope.gate import Unreadable
    from grokscope.runs.log import OddLines, read_batches

    collect_seldom()
    odd, found = OddLines(), False
    for batch in read_batches(directory.events, odd):
        found = found or bool(batch)
        yield batch
    if odd.count and not found:
        raise Unreadable(f"{directory.events} holds no event of a run ({odd.first})")
    if odd.count:
        complain(odd.sentence(directory.events))
