"""The dialog with all parameters of an intervention."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from grokscope.tui.actions import bindings
from grokscope.words.clean import clean
from grokscope.words.numbers import value_text


class ParametersDialog(ModalScreen[dict[str, Any] | None]):
    """One field for each parameter. The result is the parameters, or None after `escape`."""

    CSS_PATH = "../styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")

    def __init__(self, kind: str, parameters: Mapping[str, Any], defaults: Mapping[str, Any], on: bool) -> None:
        super().__init__()
        self._kind, self._parameters, self._defaults, self._on = kind, parameters, defaults, on

    def compose(self) -> ComposeResult:
        when = "now" if self._on else "when it is switched on"
        with Vertical():
            yield Static(Content(f"Parameters of {self._kind}"), id="question")
            with VerticalScroll(can_focus=False):
                for name, value in self._parameters.items():
                    default = self._defaults.get(name)
                    with Horizontal():
                        yield Label(Content(clean(name, 20)), classes="name")
                        yield Input(written_value(value), placeholder="not set", compact=True, name=name)
                        if value != default:
                            yield Label(Content(f"default {value_text(default)}"), classes="default")
            yield Static(Content(f"enter: use them {when}    esc: cancel"), id="how")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        fields = {str(field.name): field.value.strip() for field in self.query(Input)}
        self.dismiss({name: parsed_value(text) for name, text in fields.items() if text})

    def action_leave(self) -> None:
        self.dismiss(None)


def written_value(value: Any) -> str:
    """A value in the syntax of `parsed_value`; empty for None."""
    return "" if value is None else clean(str(value).lower() if isinstance(value, bool) else value)


def parsed_value(text: str) -> Any:
    """A number, true, false, or else the text itself."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text
