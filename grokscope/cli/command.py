"""Help in plain text: options and commands stand under the headings of their `rich_help_panel`.

Typer's Rich help is not used because its imports take 0.2 s, three times as long as the rest of `grokscope --help`.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainHelpCommand(TyperCommand):
    """A command whose help groups options by `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                title = getattr(parameter, "rich_help_panel", None) or default
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class PlainHelpGroup(TyperGroup):
    """A group whose help lists commands by `rich_help_panel`, in the order of their registration."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            title = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(title, []).append((name, command.get_short_help_str(limit=100)))
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class DefaultsToRun(TyperGroup):
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
