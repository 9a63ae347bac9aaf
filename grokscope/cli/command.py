"""Help in plain text: options and commands stand under the headings of their `rich_help_panel`, examples at the end.

Typer's Rich help is not used because its imports take 0.2 s, three times as long as the rest of `grokscope --help`.
"""

import re
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from grokscope.cli.examples import EXAMPLES
from grokscope.cli.exits import EXIT_CODES_IN_WORDS, ExitCode, complain
from grokscope.cli.synonyms import COMMANDS_MEANT

_PLACEHOLDERS = {
    "int": "N",
    "int range": "N",
    "float": "X",
    "float range": "X",
    "str": "TEXT",
    "path": "PATH",
    "list[int]": "N",
}
"""What stands for the value of an option, by Typer's name of its type"""


def _write_sections(formatter: Any, sections: Mapping[str, list[tuple[str, str]]]) -> None:
    """Terms and what they mean, under headings; in a narrow window the terms leave half of it."""
    for title, records in sections.items():
        with formatter.section(title):
            formatter.write_dl(records, col_max=min(30, formatter.width // 2 - 8))


class PlainHelpCommand(TyperCommand):
    """A command whose help groups options by `rich_help_panel`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = (each for each in self.get_params(ctx) if each.param_type_name == "argument")
        return ["[OPTIONS]", *map(_place, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                title = getattr(parameter, "rich_help_panel", None) or ("Arguments" if is_argument else "Options")
                term = _place(parameter) if is_argument else _without_types(record[0])
                sections.setdefault(title, []).append((term, record[1].replace("  [required]", "")))
        _write_sections(formatter, sections)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write_examples(ctx, formatter)


class PlainHelpGroup(TyperGroup):
    """A group whose help lists commands by `rich_help_panel`, in the order of their registration."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Of an interrupt, Typer would make an exit code without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(ExitCode.INTERRUPTED) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and (ours := COMMANDS_MEANT.get(args[0])):
            ctx.fail(f"there is no command {args[0]}; it is `{ours}`")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            title = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(title, []).append((name, command.get_short_help_str(limit=100)))
        _write_sections(formatter, sections)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write_examples(ctx, formatter)


class DefaultsToRun(PlainHelpGroup):
    """A group with `run` as its default command: `sweep TASK …` means `sweep run TASK …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        [task] = [each for each in self.commands["run"].params if each.name == "task"]
        return ["TASK" if task.required else "[TASK]", "[OPTIONS]", "|", "COMMAND"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.commands["run"].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def write_examples(ctx: Any, formatter: Any) -> None:
    """The examples of a command; one that is longer than the window is not wrapped, so that it can be copied. Behind
    the list of all commands stand the exit codes."""
    if ctx.parent is None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), words) for code, words in EXIT_CODES_IN_WORDS.items()])
    examples = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"  {example}\n")


def _place(argument: Any) -> str:
    """An argument in a usage line: `RUN`, `RUN...`, `[RUN]`, `[RUN]...`."""
    name = (argument.metavar or argument.name.upper()).strip("[].")
    return (name if argument.required else f"[{name}]") + ("..." if argument.nargs == -1 else "")


def _without_types(term: str) -> str:
    """An option's term with a short word for its value; choices stay."""
    return re.sub(r"<([^<>]+)>", lambda found: _PLACEHOLDERS.get(found[1], found[0]), term)
