"""One table of all actions and their keys. Bindings, footer, help, palette and the user's key map come from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class KeyAction:
    """An action of the user. `name` is its name in the key map."""

    name: str
    keys: str
    label: str
    """One or two words, for the footer"""
    help: str
    """A short sentence, for the help and the palette"""
    where: str = "watch"
    """The screens or widgets that have the action, separated by spaces; `everywhere` for the whole application"""
    group: str = "View"
    footer: bool = False
    run: str = ""
    """Textual's action string; by default the application's action of the same name"""

    @property
    def binding(self) -> Binding:
        """The binding for Textual. A key map overrides the binding by its id."""
        return Binding(
            self.keys, self.run or f"app.{self.name}", self.label, show=self.footer, id=self.name, tooltip=self.help
        )


_RUN, _VIEW, _REPLAY, _SAVE, _APP = "Run", "View", "Replay", "Save", "grokscope"

KEY_ACTIONS: tuple[KeyAction, ...] = (
    KeyAction("help", "question_mark,f1", "Help", "Show all keys", "everywhere", _APP, True),
    KeyAction("detach", "q", "Detach", "Close the TUI; the run continues", "everywhere", _APP, True),
    KeyAction(
        "suspend",
        "ctrl+z",
        "Suspend",
        "Return to the shell; `fg` shows the TUI again",
        "everywhere",
        _APP,
        run="app.suspend_process",
    ),
    KeyAction("theme", "t", "Theme", "Next theme: dark, light, high contrast, colour-blind safe", "everywhere", _APP),
    KeyAction("ascii", "A", "ASCII", "Switch drawing with ASCII characters only on or off", "everywhere", _APP),
    KeyAction("save_svg", "v", "Save SVG", "Save the screen as an SVG picture", "everywhere", _SAVE),
    KeyAction("save_csv", "d", "Save CSV", "Save the curves of this run as CSV", "everywhere", _SAVE),
    KeyAction("pause", "space", "Pause", "Pause or resume a run; stop or play a replay", "watch chart", _RUN, True),
    KeyAction("step", "s", "Step", "Take one training step while paused", "watch", _RUN),
    KeyAction("steps", "S", "Steps…", "Take several training steps while paused", "watch", _RUN),
    KeyAction("snapshot", "w", "Snapshot", "Ask the trainer to write a snapshot", "watch", _RUN),
    KeyAction("untreat", "u", "Undo", "Go back to before the first intervention, in a new run", "watch", _RUN),
    KeyAction("stop", "X", "Stop…", "Stop a run that is being trained, after a question", "watch", _RUN, True),
    KeyAction("chart", "c", "Chart", "The full chart: axes, cursor, overlaid runs", "watch", _VIEW, True),
    KeyAction("grid", "g", "All charts", "All quantities as a grid of charts, with a filter", "watch", _VIEW),
    KeyAction("trainer", "o", "Trainer", "What the trainer uses and what it printed", "watch", _VIEW),
    KeyAction("log_scale", "l", "Log", "Logarithmic or linear axis of values, all charts", "watch chart grid", _VIEW),
    KeyAction("log_one", "y", "Log one", "Logarithmic or linear axis of the focused chart", "watch chart grid", _VIEW),
    KeyAction("value_range", "Y", "Range…", "Fix the range of values of the focused chart", "watch chart grid", _VIEW),
    KeyAction("log_steps", "x", "Log steps", "Logarithmic or linear axis of steps", "watch chart grid", _VIEW),
    KeyAction(
        "guide_back",
        "shift+left,H",
        "Guide back",
        "Set the guide of all charts, or move it back",
        "watch grid",
        _VIEW,
        run="app.guide(-1)",
    ),
    KeyAction(
        "guide_forward",
        "shift+right,L",
        "Guide forward",
        "Set the guide, or move it forward; esc removes it",
        "watch grid",
        _VIEW,
        run="app.guide(1)",
    ),
    KeyAction("runs", "r", "Runs", "Choose a run, or up to six runs to overlay", "watch chart", _VIEW, True),
    KeyAction(
        "zoom",
        "z,enter",
        "Zoom",
        "Show the focused panel on the whole screen, or all panels",
        "watch",
        _VIEW,
        run="zoom",
    ),
    KeyAction(
        "grow",
        "plus,equals_sign",
        "Larger",
        "Make the focused panel larger",
        "watch",
        _VIEW,
        run="grow(1)",
    ),
    KeyAction("shrink", "minus", "Smaller", "Make the focused panel smaller", "watch", _VIEW, run="grow(-1)"),
    KeyAction(
        "side_narrower",
        "greater_than_sign",
        "Right",
        "Move the border of the side panels right",
        "watch",
        _VIEW,
        run="widen(1)",
    ),
    KeyAction(
        "side_wider",
        "less_than_sign",
        "Left",
        "Move the border of the side panels left",
        "watch",
        _VIEW,
        run="widen(-1)",
    ),
    KeyAction("reset_sizes", "0", "Sizes", "All panels at their first sizes", "watch", _VIEW, run="reset_sizes"),
    KeyAction("filter_events", "slash", "Filter", "Filter the event log", "watch", _VIEW, run="filter_events"),
    KeyAction("next_panel", "tab,j,down", "Next", "Focus the next panel", "watch", _VIEW, run="app.focus_next"),
    KeyAction(
        "previous_panel",
        "shift+tab,k,up",
        "Previous",
        "Focus the previous panel",
        "watch",
        _VIEW,
        run="app.focus_previous",
    ),
    KeyAction("panel_defect", "1", "Defect", "Focus the commutator defect", "watch", _VIEW, run="panel('defect')"),
    KeyAction("panel_curves", "2", "Curves", "Focus accuracy and loss", "watch", _VIEW, run="panel('curves')"),
    KeyAction("panel_signals", "3", "Signals", "Focus the signals", "watch", _VIEW, run="panel('signals')"),
    KeyAction("panel_forecast", "4", "Forecast", "Focus the forecast", "watch", _VIEW, run="panel('forecast')"),
    KeyAction(
        "panel_treat", "5", "Interventions", "Focus the interventions", "watch", _VIEW, True, run="panel('treat')"
    ),
    KeyAction("panel_events", "6", "Events", "Focus the event log", "watch", _VIEW, run="panel('events')"),
    KeyAction(
        "replay",
        "p",
        "Replay",
        "Replay the run from its start, or return to the present",
        "watch chart",
        _REPLAY,
        True,
    ),
    KeyAction("slower", "left_square_bracket", "Slower", "Replay more slowly", "watch", _REPLAY),
    KeyAction("faster", "right_square_bracket", "Faster", "Replay faster, up to 1000x", "watch", _REPLAY),
    KeyAction(
        "back", "comma,left,h", "Back", "Move back by a hundredth of the run", "watch", _REPLAY, run="app.scrub(-0.01)"
    ),
    KeyAction(
        "forward",
        "full_stop,right",
        "Forward",
        "Move forward by a hundredth of the run",
        "watch",
        _REPLAY,
        run="app.scrub(0.01)",
    ),
    KeyAction("to_start", "home", "Start", "Move to the start", "watch chart", _REPLAY, run="app.scrub(-1)"),
    KeyAction("to_end", "end", "End", "Move to the end", "watch chart", _REPLAY, run="app.scrub(1)"),
    KeyAction(
        "switch", "space", "On/off", "Switch the intervention on or off", "switch", _RUN, True, run="toggle_button"
    ),
    KeyAction(
        "parameters",
        "enter",
        "Parameters",
        "Show all parameters, and change them",
        "switch",
        _RUN,
        True,
        run="parameters",
    ),
    KeyAction("field_next", "down", "Next", "Go to the next parameter", "field", _RUN, run="app.focus_next"),
    KeyAction("field_previous", "up", "Previous", "Go to the previous one", "field", _RUN, run="app.focus_previous"),
    KeyAction("field_leave", "escape", "Cancel", "Leave the parameters as they were", "field", _RUN, run="leave"),
    KeyAction("chart_close", "escape,c", "Close", "Return to the panels", "chart", _VIEW, True, run="close"),
    KeyAction(
        "chart_next", "right_square_bracket", "Next", "The next quantity", "chart", _VIEW, True, run="quantity(1)"
    ),
    KeyAction(
        "chart_previous", "left_square_bracket", "Previous", "The previous quantity", "chart", _VIEW, run="quantity(-1)"
    ),
    KeyAction(
        "cursor_left",
        "left,h",
        "Left",
        "Move the cursor one sample back; without a cursor, move the replay back",
        "chart",
        _VIEW,
        run="cursor(-1)",
    ),
    KeyAction(
        "cursor_right",
        "right,L",
        "Right",
        "Move the cursor one sample forward; without a cursor, move the replay forward",
        "chart",
        _VIEW,
        run="cursor(1)",
    ),
    KeyAction(
        "mark_next",
        "w",
        "Next mark",
        "Move the cursor to the next detection or intervention",
        "chart",
        _VIEW,
        True,
        run="mark(1)",
    ),
    KeyAction(
        "mark_previous", "b", "Previous mark", "Move the cursor to the previous mark", "chart", _VIEW, run="mark(-1)"
    ),
    KeyAction("chart_band", "g", "Band", "Show or hide the quartile band", "chart", _VIEW, run="band"),
    KeyAction(
        "zoom_in",
        "plus,equals_sign,k,up",
        "Zoom in",
        "Show fewer steps around the cursor",
        "chart",
        _VIEW,
        run="zoom(0.5)",
    ),
    KeyAction(
        "zoom_out", "minus,j,down", "Zoom out", "Show more steps around the cursor", "chart", _VIEW, run="zoom(2)"
    ),
    KeyAction("zoom_all", "0", "All", "Show the whole run", "chart", _VIEW, run="zoom(0)"),
    KeyAction("grid_close", "escape,g", "Close", "Return to the panels", "grid", _VIEW, True, run="close"),
    KeyAction("grid_open", "enter", "Open", "Show the chart under the cursor", "grid", _VIEW, True, run="open"),
    KeyAction("grid_filter", "slash,f", "Filter", "Filter by words of the title", "grid", _VIEW, True, run="filter"),
    KeyAction(
        "grid_next", "right_square_bracket,pagedown", "Next page", "Next page", "grid", _VIEW, True, run="turn(1)"
    ),
    KeyAction(
        "grid_previous", "left_square_bracket,pageup", "Previous page", "Previous page", "grid", _VIEW, run="turn(-1)"
    ),
    KeyAction("grid_down", "down,j", "Down", "Chart below", "grid", _VIEW, run="move(1, 0)"),
    KeyAction("grid_up", "up,k", "Up", "Chart above", "grid", _VIEW, run="move(-1, 0)"),
    KeyAction("grid_left", "left,h", "Left", "Chart at the left", "grid", _VIEW, run="move(0, -1)"),
    KeyAction("grid_right", "right", "Right", "Chart at the right", "grid", _VIEW, run="move(0, 1)"),
    KeyAction("signal_down", "down,j", "Down", "Next signal", "signals", _VIEW, run="move(1)"),
    KeyAction("signal_up", "up,k", "Up", "Previous signal", "signals", _VIEW, run="move(-1)"),
    KeyAction("signal_open", "enter", "Open", "Show the signal on the full chart", "signals", _VIEW, True, run="open"),
    KeyAction("signal_pin", "P", "Pin", "Keep the signal at the top, or no longer", "signals", _VIEW, True, run="pin"),
    KeyAction("record", "i", "Record", "The events as the log holds them", "events", _VIEW, True, run="record"),
    KeyAction("event_down", "down,j", "Down", "Next line", "events", _VIEW, run="move(1)"),
    KeyAction("event_up", "up,k", "Up", "Previous line", "events", _VIEW, run="move(-1)"),
    KeyAction("event_page_down", "pagedown,ctrl+d", "Next page", "Next page", "events", _VIEW, run="page(1)"),
    KeyAction("event_page_up", "pageup,ctrl+u", "Previous page", "Previous page", "events", _VIEW, run="page(-1)"),
    KeyAction("event_first", "home", "First", "The first line", "events", _VIEW, run="first"),
    KeyAction("event_last", "end,G", "Last", "Follow the newest line", "events", _VIEW, run="last"),
    KeyAction("trainer_close", "escape,q,o", "Close", "Return to the panels", "trainer", _VIEW, run="leave"),
    KeyAction("record_close", "escape,q,i", "Close", "Return to the event log", "record", _VIEW, run="leave"),
    KeyAction("record_next", "right_square_bracket,right", "Next", "The next event", "record", _VIEW, run="turn(1)"),
    KeyAction(
        "record_previous", "left_square_bracket,left", "Previous", "The event before", "record", _VIEW, run="turn(-1)"
    ),
    KeyAction("runs_close", "escape,h", "Back", "Return to the run", "runs", _VIEW, True, run="close"),
    KeyAction("runs_open", "enter,l", "Open", "Watch the run, or open the sweep", "runs", _VIEW, True, run="open"),
    KeyAction(
        "runs_overlay",
        "space,o",
        "Overlay",
        "Add this run to the chart, or remove it; at most six",
        "runs",
        _VIEW,
        True,
        run="overlay",
    ),
    KeyAction(
        "runs_filter",
        "slash,f",
        "Filter",
        "Filter by words, lr<1e-3, wd=1, state=crashed",
        "runs",
        _VIEW,
        True,
        run="filter",
    ),
    KeyAction("runs_down", "j", "Down", "Next run", "runs", _VIEW, run="move(1)"),
    KeyAction("runs_up", "k", "Up", "Previous run", "runs", _VIEW, run="move(-1)"),
    KeyAction("sweep_close", "escape,q", "Back", "Return to the screen before", "sweep", _VIEW, True, run="close"),
    KeyAction("sweep_open", "enter", "Open", "Watch the run under the cursor", "sweep", _VIEW, True, run="open"),
    KeyAction(
        "sweep_overlay",
        "space,o",
        "Overlay",
        "Add this run to the chart, or remove it",
        "sweep",
        _VIEW,
        True,
        run="overlay",
    ),
    KeyAction("sweep_down", "down,j", "Down", "Next row", "sweep", _VIEW, run="move(1, 0)"),
    KeyAction("sweep_up", "up,k", "Up", "Previous row", "sweep", _VIEW, run="move(-1, 0)"),
    KeyAction("sweep_left", "left,h", "Left", "Previous run of the row", "sweep", _VIEW, run="move(0, -1)"),
    KeyAction("sweep_right", "right,l", "Right", "Next run of the row", "sweep", _VIEW, run="move(0, 1)"),
    KeyAction("runs_refresh", "f5", "Refresh", "Search for runs again", "runs", _VIEW, run="refresh_runs"),
)


def actions_of(where: str) -> list[KeyAction]:
    """The actions of one screen or widget."""
    return [action for action in KEY_ACTIONS if where in action.where.split()]


def bindings(where: str) -> list[BindingType]:
    """The bindings of one screen or widget."""
    return [action.binding for action in actions_of(where)]


def keys_of(action: KeyAction, keymap: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of an action under the user's key map."""
    return tuple(key.strip() for key in keymap.get(action.name, action.keys).split(","))


def unknown_names(keymap: Mapping[str, str]) -> list[str]:
    """The names in a key map that are no actions."""
    known = {action.name for action in KEY_ACTIONS}
    return sorted(name for name in keymap if name not in known)


_PRINTED = {
    "question_mark": "?", "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]", "comma": ",",
    "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">", "shift+left": "shift+←",
    "shift+right": "shift+→", "plus": "+", "minus": "-", "equals_sign": "=", "escape": "esc", "left": "←", "right": "→",
    "up": "↑", "down": "↓",
}  # fmt: skip


def printed(keys: tuple[str, ...]) -> str:
    """Keys as they are printed on a keyboard."""
    return " ".join(_PRINTED.get(key, key) for key in keys)
