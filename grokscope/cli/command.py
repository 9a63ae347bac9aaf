"""Help in plain text, options under the headings that commands give them.

Typer's own Rich help costs 0.2 s of imports, three times as much as the rest of `grokscope --help`.
"""

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
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
