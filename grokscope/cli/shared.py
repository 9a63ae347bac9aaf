"""Options that several commands share, and how commands read the log of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokscope.cli.exits import complain

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory

RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.", envvar="GROKSCOPE_RUNS")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, a unique prefix, a path, or `latest`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for scripts.")]

DEFAULT_RUNS = Path("runs")


def events_of(directory: "RunDirectory") -> list[dict[str, Any]]:
    """All events of a run. Damaged lines of the log are reported on stderr.

    Raises `Unreadable` if the log has no readable event.
    """
    from grokscope.gate import Unreadable
    from grokscope.runs.log import OddLines, read

    odd = OddLines()
    events = list(read(directory.events, odd))
    if odd.count and not events:
        raise Unreadable(f"{directory.events} holds no event of a run ({odd.first})")
    if odd.count:
        complain(odd.sentence(directory.events))
    return events
