"""`grokscope report`: write figures, tables and one HTML page about runs."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.completion import offered_runs, one_of, several
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder, not_stdout


def report(
    runs_wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="RUNS...",
            help="Runs, sweeps, experiments, folders of runs, trajectory tables.",
            autocompletion=offered_runs,
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", callback=not_stdout, metavar="DIR", help="Folder for the page, figures and tables."
        ),
    ],
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="svg,png",
            help="File formats of the figures; none: tables only.",
            autocompletion=several(one_of("svg", "png", "none")),
        ),
    ] = "svg",
    curves: Annotated[
        int, typer.Option(min=0, metavar="N", help="Largest number of runs that get a figure each.")
    ] = 12,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Draw runs on one HTML page, with figures and tables.

    Figures and tables are also written as files beside the page.

    The page shows defect and accuracy against step with all detections; the lead-time law with its nulls; outcomes by
    learning rate; the scoreboard; a backtest of forecasts; and the results of an experiment. If the runs lack the data
    for a part, the page says why the part is missing. The page also lists the commands that made the runs, versions and
    papers. The same runs always give the same files. Figures need Matplotlib (extra plot).
    """
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say, say_json
    from grokscope.cli.progress import tracked
    from grokscope.report.sources import find_source, read_sources
    from grokscope.report.write import write_report

    wanted = _formats(formats)
    if output.exists() and not output.is_dir():
        raise typer.BadParameter(f"{output} is a file; give a folder", param_hint="-o")
    sources = read_sources([find_source(name, runs) for name in runs_wanted], complain)
    if wanted:
        _check_matplotlib()
    written = write_report(sources, output, wanted, curves, tracked)
    if json:
        say_json(
            {
                "page": str(written.page),
                "files": [str(path) for path in written.files],
                "left_out": [{"what": part.what, "why": part.why} for part in written.left_out],
            }
        )
    else:
        say(str(written.page))


def _check_matplotlib() -> None:
    from grokscope.contract.backends import Unavailable
    from grokscope.report.style import require_matplotlib

    try:
        require_matplotlib()
    except Unavailable as missing:
        raise Unavailable(f"{missing}; --format none writes the tables without figures") from None


def _formats(text: str) -> list[str]:
    from grokscope.report.style import FORMATS

    asked = list(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    if asked in (["none"], []):
        return []
    unknown = [word for word in asked if word not in FORMATS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(FORMATS)}, none", param_hint="--format")
    return asked
