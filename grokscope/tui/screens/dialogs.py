"""Dialogs: a question with yes or no, and a question for one line of text."""

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class Confirm(ModalScreen[bool]):
    """A question with yes or no. Only `y` means yes, because `enter` is easily pressed by mistake."""

    CSS_PATH = "../styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, question: str, consequence: str) -> None:
        super().__init__()
        self._question, self._consequence = question, consequence

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._question), id="question")
            yield Static(Content(self._consequence))
            yield Static(
                Content.from_markup(
                    "\n[@click=screen.answer(True)][b]y[/b] yes[/]    [@click=screen.answer(False)][b]n[/b] no[/]"
                )
            )

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class Ask(ModalScreen[str | None]):
    """A question for one line of text. The result is the text, or None after `escape`."""

    CSS_PATH = "../styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Cancel")]

    def __init__(
        self, question: str, value: str = "", *, kind: Literal["integer", "text"] = "text", hint: str = ""
    ) -> None:
        """`hint`: what stands in the empty field."""
        super().__init__()
        self._question, self._value, self._kind, self._hint = question, value, kind, hint

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._question), id="question")
            yield Input(self._value, type=self._kind, placeholder=self._hint)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)
