"""The base of all widgets: a widget that draws its own lines, with inks of the theme."""

from collections.abc import Mapping

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from grokscope.tui.frame import Frame
from grokscope.tui.widgets.marks import MARK_COLOURS

INKS: Mapping[str, tuple[str, float]] = {
    **{f"series-{index}": (f"series-{index}", 1.0) for index in range(1, 7)},
    "axis": ("foreground", 0.45),
    "grid": ("foreground", 0.16),
    "muted": ("foreground", 0.62),
    "plain": ("foreground", 0.85),
    "strong": ("foreground", 1.0),
    "good": ("success", 1.0),
    "warn": ("warning", 1.0),
    "bad": ("error", 1.0),
    "spark": ("series-1", 0.75),
    **{name: (colour, 1.0) for name, colour in MARK_COLOURS.items()},
    "expected": ("accent", 1.0),
}
"""The colour of every ink: a variable of the theme, and how much of it.

They are no component classes of Textual: every widget would match all of them at every change of a style, which took
half of the time until the first curve.
"""


class ShowsFrame(Widget):
    """A widget that shows frames."""

    frame: reactive[Frame] = reactive(Frame, repaint=False)

    def entitle(self, title: str, subtitle: str = "") -> None:
        """Set title and subtitle of the panel. Unchanged titles are not drawn again."""
        if (title, subtitle) != self._entitled:
            self._entitled = (title, subtitle)
            self.border_title, self.border_subtitle = title, subtitle

    _entitled = ("", "")


class Inks:
    """The styles of one widget in the present theme, by the name of their ink."""

    def __init__(self, widget: Widget) -> None:
        self._theme = widget.app.theme_variables
        _, self._base = widget.background_colors
        self._known: dict[str, Style] = {}

    def __getitem__(self, name: str) -> Style:
        if name not in self._known:
            self._known[name] = Style(color=self._tint(name))
        return self._known[name]

    def shade(self, name: str, strength: float = 0.22) -> Style:
        """A tint of an ink, as foreground and background."""
        tint = self._tint(name, strength)
        return Style(color=tint, bgcolor=tint)

    def _tint(self, name: str, strength: float = 1.0) -> RichColor:
        variable, share = INKS[name]
        ink = Color.parse(self._theme[variable])
        return (self._base + ink.with_alpha(ink.a * share * strength)).rich_color


class Drawn(ShowsFrame):
    """A widget made of lines. Subclasses draw the lines; this class keeps them until the next `redraw`."""

    _lines: list[Strip] | None = None

    @property
    def charted(self) -> str:
        """The last curve of the chart that is drawn here, or of the one under the cursor; empty if there is none."""
        return ""

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        """At most `height` lines of at most `width` cells."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw the lines again at the next refresh."""
        self._lines = None
        self.refresh()

    def notify_style_update(self) -> None:
        self._lines = None
        super().notify_style_update()

    def on_resize(self) -> None:
        self.redraw()

    def render_line(self, y: int) -> Strip:
        width, height = self.content_size
        if self._lines is None:
            base = self.rich_style
            drawn = self.draw(width, height, Inks(self)) if width > 0 and height > 0 else []
            self._lines = [line.adjust_cell_length(width).apply_style(base) for line in drawn]
        return self._lines[y] if y < len(self._lines) else Strip.blank(width, self.rich_style)


def strip(*parts: tuple[str, Style] | str) -> Strip:
    """A line of styled pieces."""
    return Strip([Segment(part) if isinstance(part, str) else Segment(*part) for part in parts])


def between(left: Strip, right: Strip, width: int) -> Strip:
    """A line with one piece at each end. If both do not fit, the left piece is cut."""
    room = width - right.cell_length - 1
    if room < 8:
        return left.crop(0, width)
    return Strip.join([left.adjust_cell_length(room), Strip([Segment(" ")]), right])
