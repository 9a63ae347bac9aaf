"""`grokscope`: the commands, and the one place where errors become sentences and exit codes."""

import os
import sys
from typing import Annotated

import click
import typer

from grokscope.cli.exits import complain, leave
from grokscope.cli.run import run

app = typer.Typer(
    name="grokscope",
    help="Watch a small transformer grok: the commutator defect measured right, live, in a terminal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from grokscope import __version__

        typer.echo(f"grokscope {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="GROKSCOPE_DEBUG")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    if debug:
        os.environ["GROKSCOPE_DEBUG"] = "1"


app.command()(run)


def main() -> None:
    """Run the command line and exit with one of `ExitCode`."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:  # accepted anywhere on the line, for that is where one adds it after a failure
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="grokscope", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        code = 2
    except click.ClickException as wrong:
        where = f" (see `{wrong.ctx.command_path} --help`)" if isinstance(wrong, click.UsageError) and wrong.ctx else ""
        complain(f"{wrong.format_message().rstrip('.')}{where}")
        code = 2
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        code = 130
    except Exception as error:
        if os.environ.get("GROKSCOPE_DEBUG"):
            raise
        code = leave(error)
    sys.exit(code or 0)
