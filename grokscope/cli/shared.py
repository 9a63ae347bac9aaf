"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder of the runs.", envvar="GROKSCOPE_RUNS")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, a unique prefix, a path, or `latest`.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for scripts.")]

DEFAULT_RUNS = Path("runs")
