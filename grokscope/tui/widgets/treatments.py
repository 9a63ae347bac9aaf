"""The interventions panel: for each kind a toggle, the acknowledged state, and what differs from the default."""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Checkbox, Static

from grokscope.tui.actions import bindings
from grokscope.tui.control import ToggleState, standing
from grokscope.tui.frame import Frame
from grokscope.tui.view import Treated
from grokscope.tui.widgets.base import ShowsFrame
from grokscope.words.clean import clean
from grokscope.words.numbers import assigned, count, number

_GLYPHS = {"requested": "…", "off": "○", "on": "●", "changed": "●"}
_TITLE = "5 interventions"
_HOW = "space: switch, enter: all"


class Toggle(Checkbox, inherit_bindings=False):
    """A check box with an `X` when it is on, so that colour is not needed. `enter` opens the parameters."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("switch")

    class Opened(Message):
        """The user wants to see all parameters of a row."""

        def __init__(self, row: "TreatmentRow") -> None:
            super().__init__()
            self.row = row

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802
        return "X" if self.value else " "

    def action_parameters(self) -> None:
        if isinstance(self.parent, TreatmentRow):
            self.post_message(self.Opened(self.parent))


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

    @on(Toggle.Opened)
    def _opened(self, event: Toggle.Opened) -> None:
        """Show all parameters. If the intervention is on, changed ones go to the trainer, else to the next switch."""
        from grokscope.tui.screens.parameters import ParametersDialog

        event.stop()
        row = event.row

        def answered(parameters: Mapping[str, Any] | None) -> None:
            if parameters is None:
                return
            row.parameters = dict(parameters)
            if row.standing.on:
                self.post_message(self.Asked(row.kind, True, row.parameters))

        if not row.disabled:
            self.app.push_screen(ParametersDialog(row.kind, row.parameters, row.defaults, row.standing.on), answered)


class TreatmentRow(Horizontal):
    """One kind of intervention: toggle, state in words, and the parameters that differ from the defaults."""

    standing: reactive[ToggleState] = reactive(lambda: ToggleState(""), layout=False)
    parameters: reactive[dict[str, Any]] = reactive(dict, layout=False)

    def __init__(self, kind: str, defaults: Mapping[str, Any]) -> None:
        super().__init__()
        self.kind = kind
        self.defaults = defaults
        self.set_reactive(TreatmentRow.parameters, dict(defaults))

    def compose(self) -> ComposeResult:
        yield Toggle(Content(self.kind), compact=True)
        yield Static("", classes="state")

    def on_mount(self) -> None:
        self.watch_standing(ToggleState(self.kind), self.standing)

    def on_click(self, event: events.Click) -> None:
        """A click on the words opens the parameters; the box has clicks of its own."""
        if event.widget is not self.query_one(Toggle):
            self.query_one(Toggle).action_parameters()

    def show_acknowledged(self) -> None:
        """Tick the box if the trainer has acknowledged that the intervention is on; a click is only a request."""
        checkbox = self.query_one(Checkbox)
        with checkbox.prevent(Checkbox.Changed):
            checkbox.value = self.standing.on

    def watch_standing(self, old: ToggleState, new: ToggleState) -> None:
        if not self.query(Checkbox):
            return
        self.show_acknowledged()
        self.set_class(new.word == "requested", "-requested")
        if new.parameters and new.parameters != old.parameters:
            self.parameters = {**self.defaults, **new.parameters}
        self._describe()

    def watch_parameters(self) -> None:
        self._describe()

    def _describe(self) -> None:
        if not self.query(".state"):
            return
        state = self.standing
        word = f"on, {count(state.times)}x" if state.word == "applied" else state.word
        words = f"{_GLYPHS.get(state.word, '●')} {word}" + (f": {state.reason}" if state.reason else "")
        about = differing(self.parameters, self.defaults)
        self.query_one(".state", Static).update(Content(f"{words}  {about}" if about else words))


def kinds_of(frame: Frame) -> tuple[str, ...]:
    """Kinds of intervention that the run's trainer offers."""
    return tuple(dict.fromkeys(clean(kind, 24) for kind in frame.whole.offers))


def differing(parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The parameters that differ from the defaults; if none does, the first one, which is the strength."""
    changed = {name: value for name, value in parameters.items() if value != defaults.get(name)}
    return assigned(changed or dict(list(parameters.items())[:1]))


def history_line(answer: Treated) -> str:
    """One line of the history of interventions."""
    step = count(answer.step) if answer.step is not None else ""
    reason = f": {answer.reason}" if answer.reason else ""
    if answer.state == "applied":
        dose = f", last dose {number(answer.dose)}" if answer.dose is not None else ""
        return f"{step:>9} {answer.kind} applied {count(answer.times)}x{dose}{reason}"
    about = f" {assigned(answer.parameters)}" if answer.parameters else ""
    return f"{step:>9} {answer.kind} {answer.state}{about} ({answer.source}){reason}"
