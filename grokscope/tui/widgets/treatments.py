"""The interventions panel: for each kind a toggle, the acknowledged state, and editable parameters."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Checkbox, Input, Static

from grokscope.tui.actions import bindings
from grokscope.tui.control import ToggleState, standing
from grokscope.tui.frame import Frame
from grokscope.tui.view import Treated
from grokscope.tui.widgets.base import ShowsFrame
from grokscope.words.clean import clean
from grokscope.words.numbers import assigned, count, number

_GLYPHS = {"requested": "…", "off": "○", "on": "●", "changed": "●"}
_TITLE = "5 interventions"
_HOW = "tab, then space: on or off"


class Treatments(VerticalScroll, ShowsFrame, can_focus=True):
    """All interventions that the run's trainer offers, and their history."""

    ALLOW_MAXIMIZE = True

    class Asked(Message):
        """The user wants to switch an intervention on or off, with these parameters."""

        def __init__(self, kind: str, on: bool, parameters: Mapping[str, Any]) -> None:
            super().__init__()
            self.kind = kind
            self.on = on
            self.parameters = parameters

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.entitle(_TITLE)

    def compose(self) -> ComposeResult:
        yield Static("", id="none")
        yield Static("", id="history")

    async def watch_frame(self, old: Frame, new: Frame) -> None:
        if not self.query("#history"):
            return
        kinds = kinds_of(new)
        if [row.kind for row in self.query(TreatmentRow)] != list(kinds):
            await self.query(TreatmentRow).remove()
            await self.mount(*(TreatmentRow(kind, new.whole.defaults(kind)) for kind in kinds), after="#none")
        for row in self.query(TreatmentRow):
            row.standing = standing(row.kind, new.view, new.requests)
            row.disabled = not new.state.listens
        self.entitle(_TITLE, _HOW if kinds and new.state.listens else "")
        if old.whole.started is not new.whole.started or bool(kinds_of(old)) is not bool(kinds):
            self.query_one("#none").display = not kinds
            text = "this run's trainer offers no interventions" if new.whole.started else ""
            self.query_one("#none", Static).update(Content(text))
        if old.view.treated != new.view.treated:
            history = "\n".join(map(history_line, reversed(new.view.treated[-20:])))
            self.query_one("#history", Static).update(Content(history))

    @on(Checkbox.Changed)
    def _toggled(self, event: Checkbox.Changed) -> None:
        event.stop()
        row = event.checkbox.parent
        if isinstance(row, TreatmentRow) and event.value != row.standing.on:
            row.show_acknowledged()
            self.post_message(self.Asked(row.kind, event.value, row.parameters))

    @on(Input.Submitted)
    def _edited(self, event: Input.Submitted) -> None:
        event.stop()
        row = event.input.parent
        if isinstance(row, TreatmentRow) and not row.standing.on:
            row.query_one(Checkbox).focus()
        elif isinstance(row, TreatmentRow):
            self.post_message(self.Asked(row.kind, True, row.parameters))


class Toggle(Checkbox, inherit_bindings=False):
    """A check box with an `X` when it is on, so that colour is not needed. The screen handles `enter`."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("switch")

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802
        return "X" if self.value else " "


class ParametersField(Input):
    BINDINGS: ClassVar[list[BindingType]] = bindings("field")


class TreatmentRow(Horizontal):
    """One kind of intervention: toggle, state in words, parameters."""

    standing: reactive[ToggleState] = reactive(lambda: ToggleState(""), layout=False)

    def __init__(self, kind: str, defaults: Mapping[str, Any]) -> None:
        super().__init__()
        self.kind = kind
        self.defaults = defaults

    def compose(self) -> ComposeResult:
        yield Toggle(Content(self.kind), compact=True)
        yield Static("", classes="state")
        yield ParametersField(written(self.defaults), placeholder="name=value …", compact=True)

    @property
    def parameters(self) -> dict[str, Any]:
        return parse_parameters(self.query_one(Input).value)

    def on_mount(self) -> None:
        self.watch_standing(ToggleState(self.kind), self.standing)

    def show_acknowledged(self) -> None:
        """Tick the box if the trainer has acknowledged that the intervention is on; a click is only a request."""
        checkbox = self.query_one(Checkbox)
        with checkbox.prevent(Checkbox.Changed):
            checkbox.value = self.standing.on

    def watch_standing(self, old: ToggleState, new: ToggleState) -> None:
        if not self.query(Checkbox):
            return
        self.show_acknowledged()
        word = f"on, {count(new.times)}x" if new.word == "applied" else new.word
        words = f"{_GLYPHS.get(new.word, '●')} {word}" + (f": {new.reason}" if new.reason else "")
        self.query_one(".state", Static).update(Content(words))
        self.set_class(new.word == "requested", "-requested")
        entry = self.query_one(Input)
        if new.parameters != old.parameters and not entry.has_focus:
            entry.value = written(new.parameters)


def kinds_of(frame: Frame) -> tuple[str, ...]:
    """Kinds of intervention that the run's trainer offers."""
    return tuple(dict.fromkeys(clean(kind, 24) for kind in frame.whole.offers))


def written(parameters: Mapping[str, Any]) -> str:
    """Parameters in the syntax of `parse_parameters`. Parameters that are None are left out."""
    return " ".join(f"{clean(key)}={clean(value)}" for key, value in parameters.items() if value is not None)


def parse_parameters(text: str) -> dict[str, Any]:
    """The parameters in a text such as `scale=0.1 every=10`. Values are numbers, true, false, or else text."""
    return {
        name: _value(value) for name, sign, value in (part.partition("=") for part in text.split()) if sign and name
    }


def _value(text: str) -> Any:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


def history_line(answer: Treated) -> str:
    """One line of the history of interventions."""
    step = count(answer.step) if answer.step is not None else ""
    reason = f": {answer.reason}" if answer.reason else ""
    if answer.state == "applied":
        dose = f", last dose {number(answer.dose)}" if answer.dose is not None else ""
        return f"{step:>9} {answer.kind} applied {count(answer.times)}x{dose}{reason}"
    about = f" {assigned(answer.parameters)}" if answer.parameters else ""
    return f"{step:>9} {answer.kind} {answer.state}{about} ({answer.source}){reason}"
