"""The run line: which run this is, on what, in which state, how far."""

from rich.style import Style
from textual.strip import Strip

from grokscope.tui.liveness import RunLook
from grokscope.tui.moment import Moment
from grokscope.tui.widgets.drawn import Drawn, Inks, between, strip
from grokscope.words.clean import clean
from grokscope.words.durations import duration
from grokscope.words.events import event_details
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
    """Two lines at the top; one where the screen is low."""

    def watch_moment(self, old: Moment, new: Moment) -> None:
        if _shown(old) != _shown(new):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        moment = self.moment
        first = between(self._who(inks), self._how_far(inks, width), width)
        second = between(
            strip((" " + heading(moment), inks["muted"])), progress(moment, max(10, width // 5), inks), width
        )
        return [first, second][:height]

    def _who(self, inks: Inks) -> Strip:
        moment = self.moment
        ink = inks[_STATE_INKS[moment.state]] + Style(bold=True)
        pieces: list[tuple[str, Style] | str] = [(f" {moment.state.glyph} {moment.state.word}", ink)]
        reason = moment.view.phase_reason if moment.view.phase == "finished" else ""
        if reason and reason != "completed":
            pieces.append((f" ({reason})", inks["muted"]))
        asked = [request.word for request in moment.requests.open if request.command.action != "intervene"]
        if asked:
            pieces.append((f" {', '.join(asked)} requested…", inks["warn"]))
        pieces.append(("  " + clean(moment.name, 100), inks["strong"] + Style(bold=True)))
        return strip(*pieces)

    def _how_far(self, inks: Inks, width: int) -> Strip:
        moment = self.moment
        total = moment.total
        said = f"step {count(moment.view.step)}" + (f" of {count(total)}" if total else "")
        pace = moment.view.curve("trained.steps_per_second").last
        if width >= 72 and pace == pace and moment.state in {RunLook.RUNNING, RunLook.PAUSED, RunLook.STALE}:
            said += f" · {number(pace)} steps/s"
        left = time_left(moment)
        if width >= 100 and left is not None:
            said += f" · {duration(left)} left"
        elif width >= 100 and moment.view.elapsed:
            said += f" · {duration(moment.view.elapsed)}"
        return strip((said + " ", inks["plain"]))


def _shown(moment: Moment) -> tuple[object, ...]:
    pace = number(moment.view.curve("trained.steps_per_second").last)
    view = moment.view
    return (
        moment.name,
        moment.state,
        moment.waiting,
        moment.requests,
        view.step,
        pace,
        view.phase,
        view.started,
        int(view.elapsed),
    )


def heading(moment: Moment) -> str:
    """Task, backend and the settings that matter most, in one line."""
    started = moment.whole.started
    return event_details(started) if started else moment.waiting or "waiting for the first event"


def time_left(moment: Moment) -> float | None:
    """Seconds to the last step at the present pace; None where nobody can say."""
    if moment.total is None or moment.state is not RunLook.RUNNING:
        return None
    estimated = moment.view.latest.get("trained", {}).get("seconds_left")
    if isinstance(estimated, int | float):
        return float(estimated)
    pace = moment.view.curve("trained.steps_per_second").last
    return max(0.0, (moment.total - moment.view.step) / pace) if pace > 0 else None


def progress(moment: Moment, width: int, inks: Inks) -> Strip:
    """A bar of the steps done."""
    if not moment.total:
        return strip("")
    done = min(1.0, moment.view.step / moment.total)
    filled = round(done * width)
    return strip(
        ("━" * filled, inks["series-1"]), ("━" * (width - filled), inks["grid"]), (f" {done:4.0%} ", inks["plain"])
    )
