"""`grokscope`: all commands, and the one place where errors become sentences and exit codes."""

import codecs
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any

import typer

from grokscope.cli.bench import bench
from grokscope.cli.command import PlainHelpCommand, PlainHelpGroup
from grokscope.cli.doctor import doctor
from grokscope.cli.exits import ExitCode, complain, leave
from grokscope.cli.forecast import forecast
from grokscope.cli.imports import import_files
from grokscope.cli.intervene import intervene
from grokscope.cli.law import law
from grokscope.cli.pca import pca
from grokscope.cli.plugins import backends, interventions, schema, signals, tasks
from grokscope.cli.removal import mv, rm
from grokscope.cli.report import report
from grokscope.cli.reproduce import reproduce
from grokscope.cli.run import run
from grokscope.cli.runs import control, events, export, ls
from grokscope.cli.show import show
from grokscope.cli.sweep import sweep
from grokscope.cli.synonyms import option_meant
from grokscope.cli.watch import watch

# Newer versions of Typer bundle their own Click. Typer does not export its exception class, so it is found by name.
_ClickException: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

_COLUMNS = shutil.get_terminal_size().columns
_NARROW = 52
"""Click writes no help narrower than 50 columns, unless it is told the width"""

app = typer.Typer(
    name="grokscope",
    cls=PlainHelpGroup,
    help="Watch a small transformer grok: train it, measure its commutator defect, forecast its grok step.",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "terminal_width": _COLUMNS if _COLUMNS < _NARROW else None,
    },
)


def _version(asked: bool) -> None:
    if asked:
        from grokscope import __version__

        typer.echo(f"grokscope {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="GROKSCOPE_DEBUG")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    if debug:
        os.environ["GROKSCOPE_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)


COMMANDS: Mapping[str, tuple[typer.Typer | Callable[..., None], ...]] = {
    "Train": (run, sweep, intervene, reproduce, control),
    "Look": (watch, ls, show, pca, report),
    "Keep": (mv, rm),
    "Forecast": (forecast, law),
    "Exchange": (export, events, import_files, schema),
    "Plugins and machine": (tasks, signals, interventions, backends, doctor, bench),
}
"""All commands, under the headings of `grokscope --help`"""

for heading, commands in COMMANDS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=heading)
        else:
            name = command.__name__.removesuffix("_files")
            app.command(name=name, cls=PlainHelpCommand, rich_help_panel=heading)(command)


def main() -> None:
    """Run the command line and exit with one of `ExitCode`."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a letter that the terminal cannot encode must not cause a traceback
            stream.reconfigure(errors="replace")
            if stream.isatty() and "PYTHONIOENCODING" not in os.environ:
                _write_ascii_where_asked(stream)
    if not sys.warnoptions and "--debug" not in sys.argv:  # a result out of range says so itself
        warnings.filterwarnings("ignore", category=RuntimeWarning)
    sys.exit(exit_code(sys.argv[1:]))


def _write_ascii_where_asked(stream: Any) -> None:
    """On a terminal whose locale has no other letters, write ASCII in as many cells."""
    from grokscope.words.ascii import ascii_for, locale_is_ascii

    if locale_is_ascii():
        codecs.register_error("ascii-cells", ascii_for)
        stream.reconfigure(encoding="ascii", errors="ascii-cells")


def exit_code(arguments: list[str]) -> int:
    """Run one command. Returns one of `ExitCode`; an error is a sentence on stderr by then."""
    if "--debug" in arguments:  # accepted anywhere: after a failure, people append it to the line
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    try:
        code = _command().main(arguments, prog_name="grokscope", standalone_mode=False)
    except _ClickException as wrong:
        complain(_usage(wrong))
        code = ExitCode.USAGE
    except (typer.Abort, KeyboardInterrupt):
        complain("interrupted")
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if os.environ.get("GROKSCOPE_DEBUG"):
            raise
        code = leave(error)
    return code or 0


@cache
def _command() -> Any:
    """All commands as Click takes them; making them takes Typer a tenth of a second."""
    return typer.main.get_command(app)


def _open_streams() -> None:
    """Open the null device for each standard stream that the process was started without.

    Otherwise the next file that the process opens, such as a log, would get the descriptor of stdout or stderr.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        complain("stdout is closed, so the output of this command is lost")


def _usage(wrong: Any) -> str:
    """Click's message, and the command that prints the help."""
    context = getattr(wrong, "ctx", None)
    option = getattr(wrong, "option_name", None)
    if context and isinstance(option, str):
        known = [name for parameter in context.command.params for name in parameter.opts]
        if ours := option_meant(option, known):
            return f"there is no option {option}; here it is {ours} (see `{context.command_path} --help`)"
    where = f" (see `{context.command_path} --help`)" if context else ""
    said = wrong.format_message().rstrip(".").replace(": Value error, ", ": ")
    return f"{said}{where}"
