"""`grokscope report`: figures, tables and one page."""

from pathlib import Path
from typing import Annotated

import typer

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder


def report(
    runs_wanted: Annotated[
        list[str],
        typer.Argument(metavar="RUNS...", help="Runs, sweeps, experiments, folders of runs, trajectory tables."),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for all of it.")],
    formats: Annotated[
        str, typer.Option("--format", metavar="svg,png", help="Of the files of the figures; none: tables alone.")
    ] = "svg",
    curves: Annotated[
        int, typer.Option(min=0, metavar="N", help="Runs with a figure of their own, chosen among more.")
    ] = 12,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Draw runs on one HTML page, with figures and tables.

    Figures and tables are also files beside the page.

    Defect and accuracy against step with every detection; the lead-time law with its nulls; outcomes by learning rate;
    the scoreboard; a backtest of forecasts; the results of an experiment. What the runs do not carry is left out, and
    the page says why. It also has the commands that made the runs, versions, and the papers. Dates are those of the
    runs: the same runs make the same files. Figures need Matplotlib: pip install 'grokscope[plot]'.
    """
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say, say_json
    from grokscope.report.sources import find_source, read_sources
    from grokscope.report.write import write_report

    wanted = _formats(formats)
    if output.exists() and not output.is_dir():
        raise typer.BadParameter(f"{output} is a file", param_hint="-o")
    sources = read_sources([find_source(name, runs) for name in runs_wanted], complain)
    if wanted:
        _check_matplotlib()
    written = write_report(sources, output, wanted, curves)
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
        raise Unavailable(f"{missing}; --format none writes the tables without") from None


def _formats(text: str) -> list[str]:
    from grokscope.report.style import FORMATS

    asked = list(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    if asked in (["none"], []):
        return []
    unknown = [word for word in asked if word not in FORMATS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(FORMATS)}, none", param_hint="--format")
    return asked
