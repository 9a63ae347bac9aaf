"""The panels of the dashboard in three rows, with lines between them that move by mouse and by key.

Sizes are shares of the space, so that they stay when the terminal changes its size. The style sheet holds the sizes at
the start.
"""

from typing import Literal

from textual import events
from textual.containers import Container
from textual.widget import Widget

_LEAST_LINES, _LEAST_COLUMNS = 4, 20
"""No panel gets smaller"""
_LINES, _COLUMNS = 2, 4
"""How far a key moves a line"""

Line = Literal[0, 1, "side"]
"""The line below the first row, below the second row, or before the side panels"""


class Panes(Container):
    """`#defect` in the first row, `#curves` in the second, `#signals` in the third, and `#side` beside some of them."""

    _held: Line | None = None
    """The line that the mouse moves"""

    def _rows(self) -> list[int]:
        """Lines of each row; fewer than three if a small screen shows fewer."""
        shown = (self.query_one(name) for name in ("#defect", "#curves", "#signals"))
        return [panel.size.height + panel.gutter.height for panel in shown if panel.display]

    def move_row(self, line: Literal[0, 1], by: int) -> None:
        """Move the line below a row by lines, as far as the panels above and below it may shrink."""
        rows = self._rows()
        if len(rows) < 3:
            return
        by = max(_LEAST_LINES - rows[line], min(by, rows[line + 1] - _LEAST_LINES))
        rows[line], rows[line + 1] = rows[line] + by, rows[line + 1] - by
        self.styles.grid_rows = " ".join(f"{row}fr" for row in rows)

    def move_side(self, by: int) -> None:
        """Move the line before the side panels by columns."""
        side = self.query_one("#side")
        if not side.display:
            return
        whole, wide = self.size.width, side.size.width
        wide = max(_LEAST_COLUMNS, min(wide - by, whole - _LEAST_COLUMNS))
        self.styles.grid_columns = f"{whole - wide}fr {wide}fr"

    def grow(self, panel: Widget, times: int) -> None:
        """Make a panel larger (`times` 1) or smaller (-1): in lines, or in columns if it stands beside all rows."""
        if self._beside(panel) and self.query_one("#side").region.y == self.region.y:
            self.move_side(-times * _COLUMNS)
            return
        row = 0 if panel.id == "defect" else 1 if panel.id in {"accuracy", "loss"} else 2
        if row == 0:
            self.move_row(0, times * _LINES)
        else:
            self.move_row(1, times * _LINES if row == 1 else -times * _LINES)

    def _beside(self, panel: Widget) -> bool:
        return self.query_one("#side") in panel.ancestors

    def widen(self, times: int) -> None:
        """Move the line before the side panels to the right (`times` 1) or to the left (-1)."""
        self.move_side(times * _COLUMNS)

    def reset(self) -> None:
        """The sizes of the start."""
        self.styles.grid_rows = self.styles.grid_columns = None

    def _line_at(self, x: int, y: int) -> Line | None:
        """The line between panels at a place of the screen; a line is as wide as the borders at both of its sides."""
        side, curves, signals = (self.query_one(name) for name in ("#side", "#curves", "#signals"))
        if side.display and side.region.y <= y < side.region.bottom:
            if x in {side.region.x - 1, side.region.x}:
                return "side"
            if x > side.region.x:
                return None
        if curves.display and y in {curves.region.y - 1, curves.region.y}:
            return 0
        return 1 if signals.display and y in {signals.region.y - 1, signals.region.y} else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._held = self._line_at(event.screen_x, event.screen_y)
        if self._held is not None:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held == "side":
            self.move_side(event.screen_x - self.query_one("#side").region.x)
        elif self._held is not None:
            below = self.query_one("#curves" if self._held == 0 else "#signals")
            self.move_row(self._held, event.screen_y - below.region.y)

    def on_mouse_up(self) -> None:
        self._held = None
        self.release_mouse()
