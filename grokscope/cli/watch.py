"""`grokscope watch`: open the TUI on a run or on the bundled demo, or write the TUI as a picture."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.completion import offered_runs, offered_themes
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, RunsFolder, not_stdout

if TYPE_CHECKING:
    from grokscope.runs.directory import RunDirectory


def _known_theme(theme: str) -> str:
    if theme:
        from grokscope.tui.themes import known_themes

        if theme not in known_themes():
            raise typer.BadParameter(f"there is no theme {theme!r}; there are: {', '.join(known_themes())}")
    return theme


def watch(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's name, a unique prefix, a path, or `latest` (the default); or a sweep's name.",
            autocompletion=offered_runs,
        ),
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    demo: Annotated[bool, typer.Option("--demo", help="Replay the recorded run that comes with grokscope.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Replay the run from its start.")] = False,
    at: Annotated[int | None, typer.Option(min=0, metavar="STEP", help="Open a replay, stopped at this step.")] = None,
    pick: Annotated[bool, typer.Option("--pick", help="Choose from the list of runs first.")] = False,
    theme: Annotated[
        str,
        typer.Option(
            "--theme",
            callback=_known_theme,
            autocompletion=offered_themes,
            help="grokscope-dark, -light, -contrast, -okabe-ito …",
        ),
    ] = "",
    ascii_mode: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    export_svg: Annotated[
        Path | None,
        typer.Option(
            "--export-svg", callback=not_stdout, metavar="FILE", help="Write a picture instead of opening the TUI."
        ),
    ] = None,
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Size of the picture, in cells.")] = "160x45",
) -> None:
    """Watch a run in the terminal: live, finished or crashed.

    A sweep opens as a grid of its runs. A run whose folder has no record yet is waited for. Closing the TUI does not
    stop the training.
    """
    from grokscope.runs.directory import NoSuchRun, find_group, runs_in
    from grokscope.runs.state import read_state
    from grokscope.tui.demo import DEMO

    if demo and run is not None:
        raise typer.BadParameter("--demo replays its own recording; leave out the run", param_hint="RUN")
    sweep = None if run in {None, "latest"} else find_group(str(run), runs)
    if sweep is not None and (replay or at is not None):
        raise typer.BadParameter("a replay is of one run; name a run of the sweep", param_hint="RUN")
    wanted = run or "latest" if sweep is None else str(runs_in(sweep)[0].path)
    directory = _watched(str(DEMO) if demo else wanted, runs, waiting=export_svg is None)
    state = read_state(directory, listed=True)
    if sweep is None and state.condition == "unreadable":
        raise NoSuchRun(state.problem)
    if export_svg is not None:
        from grokscope.tui.picture import write_picture

        try:
            write_picture(directory, export_svg, size, theme, at, sweep)
        except ValueError as wrong:
            raise typer.BadParameter(str(wrong)) from None
        return
    if not sys.stdout.isatty():
        complain("the TUI needs a terminal, and stdout is not a terminal; use `grokscope show` instead")
        raise typer.Exit(ExitCode.USAGE)
    from grokscope.tui.app import open_app as open_tui

    open_tui(
        directory.path, theme=theme, ascii_mode=ascii_mode, replaying=demo or replay, at=at, pick=pick, sweep=sweep
    )


def _watched(wanted: str, runs: Path, *, waiting: bool) -> "RunDirectory":
    """The run, also one that has no record yet, if somebody waits for it. Raises `NoSuchRun`."""
    from grokscope.runs.directory import NoRecordYet, RunDirectory, find_run

    try:
        return find_run(wanted, runs)
    except NoRecordYet as empty:
        if not waiting:
            raise
        return RunDirectory(empty.path)
