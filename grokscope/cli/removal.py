"""`grokscope rm` and `mv`: remove and rename runs and sweeps that no trainer is writing."""

import sys
from typing import Annotated

import typer

from grokscope.cli.completion import offered_runs
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, RunsFolder, WholeRunName


def rm(
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Whole names of runs or sweeps, paths, or `latest`.", autocompletion=offered_runs
        ),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs: RunsFolder = DEFAULT_RUNS,
) -> None:
    """Remove runs or whole sweeps: log, snapshots, checkpoints.

    The command lists what it would remove, and asks. It never removes a run that is being trained, nor a file that is
    not part of a run.
    """
    from grokscope.contract.memory import bytes_in_words
    from grokscope.runs.removal import find_removable
    from grokscope.words.numbers import counted

    places = {place.path: place for place in (find_removable(each, runs) for each in wanted)}
    for place in places.values():
        place.check()
    if not yes:
        if not sys.stdin.isatty():
            complain("rm asks before it removes, and stdin is not a terminal; give --yes")
            raise typer.Exit(ExitCode.USAGE)
        for place in places.values():
            what = counted(len(place.runs), "run") if place.is_group else "a run"
            complain(f"{place.path}: {what}, {bytes_in_words(place.bytes)}")
        if not typer.confirm("remove?", err=True):
            raise typer.Exit(ExitCode.FINISHED)
    for place in places.values():
        place.remove()
        complain(f"removed {place.path}")


def mv(
    run: WholeRunName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name: letters, digits, `.`, `_` and `-`.")],
    *,
    runs: RunsFolder = DEFAULT_RUNS,
) -> None:
    """Rename a run or a sweep, and print its new path.

    Runs of a sweep keep their names, because the sweep finds them by these.
    """
    from grokscope.cli.output import say
    from grokscope.runs.removal import find_removable

    say(str(find_removable(run, runs).rename(name)))
