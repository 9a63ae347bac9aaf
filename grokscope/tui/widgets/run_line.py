"""The run line: the run's name, task, backend, state and progress."""

from rich.style import Style
from textual.strip import Strip

from grokscope.tui.frame import Frame
from grokscope.tui.run_look import RunLook
from grokscope.tui.widgets.base import Drawn, Inks, between, strip
from grokscope.words.clean import clean
from grokscope.words.durations import duration
from grokscope.words.events import event_details
from grokscope.words.names import state_in_words
from grokscope.words.numbers import count, number

_STATE_INKS = {
    RunLook.WAITING: "muted",
    RunLook.RUNNING: "good",
    RunLook.PAUSED: "warn",
    RunLook.FINISHED: "good",
    RunLook.STALE: "warn",
    RunLook.CRASHED: "bad",
    RunLook.UNREADABLE: "bad",
    RunLook.GONE: "bad",
    RunLook.RECORDED: "strong",
}


class RunLine(Drawn):
    """Two lines at the top; one line on a low screen."""

    def watch_frame(self, old: Frame, new: Frame) -> None:
        if _shown(old) != _shown(new):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        frame = self.frame
        first = between(self._who(inks), self._how_far(inks, width), width)
        about = " " + heading(frame)
        bar = max(10, min(width // 5, width - len(about) - 8))  # the settings come first, and ` 100% ` follows the bar
        second = between(strip((about, inks["muted"])), progress(frame, bar, inks), width)
        return [first, second][:height]

    def _who(self, inks: Inks) -> Strip:
        frame = self.frame
        ink = inks[_STATE_INKS[frame.state]] + Style(bold=True)
        pieces: list[tuple[str, Style] | str] = [(f" {frame.state.glyph} {frame.state.word}", ink)]
        if frame.view.phase == "finished" and frame.view.phase_reason:
            grokked, regressed = (frame.view.detection(name) is not None for name in ("grokked", "regressed"))
            outcome = state_in_words("finished", frame.view.phase_reason, grokked=grokked, regressed=regressed)
            pieces.append((f" ({outcome})", inks["muted"]))
        asked = [request.word for request in frame.requests.open if request.command.action != "intervene"]
        if asked:
            pieces.append((f" {', '.join(asked)} requested…", inks["warn"]))
        pieces.append(("  " + clean(frame.name, 100), inks["strong"] + Style(bold=True)))
        return strip(*pieces)

    def _how_far(self, inks: Inks, width: int) -> Strip:
        frame = self.frame
        total = frame.total
        text = f"step {count(frame.view.step)}" + (f" of {count(total)}" if total else "")
        pace = frame.view.curve("trained.steps_per_second").last
        if width >= 72 and pace == pace and frame.state in {RunLook.RUNNING, RunLook.PAUSED, RunLook.STALE}:
            text += f" · {number(pace)} steps/s"
        left = time_left(frame)
        if width >= 100 and left is not None:
            text += f" · {duration(left)} left"
        elif width >= 100 and frame.view.elapsed:
            text += f" · {duration(frame.view.elapsed)}"
        return strip((text + " ", inks["plain"]))


def _shown(frame: Frame) -> tuple[object, ...]:
    pace = number(frame.view.curve("trained.steps_per_second").last)
    view = frame.view
    return (
        frame.name,
        frame.state,
        frame.waiting,
        frame.requests,
        view.step,
        pace,
        view.phase,
        view.started,
        int(view.elapsed),
    )


def heading(frame: Frame) -> str:
    """Task, backend and the most important settings, in one line."""
    started = frame.whole.started
    return event_details(started) if started else frame.waiting


def time_left(frame: Frame) -> float | None:
    """Seconds to the last step at the present pace; None if it cannot be estimated."""
    if frame.total is None or frame.state is not RunLook.RUNNING:
        return None
    estimated = frame.view.latest.get("trained", {}).get("seconds_left")
    if isinstance(estimated, int | float):
        return float(estimated)
    pace = frame.view.curve("trained.steps_per_second").last
    return max(0.0, (frame.total - frame.view.step) / pace) if pace > 0 else None


def progress(frame: Frame, width: int, inks: Inks) -> Strip:
    """A bar of the steps done."""
    if not frame.total:
        return strip("")
    done = min(1.0, frame.view.step / frame.total)
    filled = round(done * width)
    return strip(
        ("━" * filled, inks["series-1"]), ("━" * (width - filled), inks["grid"]), (f" {done:4.0%} ", inks["plain"])
    )
