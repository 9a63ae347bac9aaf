"""The fold: a view and an event give the next view. Only this module knows the meaning of events.

`fold` is a pure function, and raises nothing: events that it does not understand are counted in `View.problems`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from grokscope.contract.signals import read_descriptions
from grokscope.events import SCHEMA_VERSION
from grokscope.runs.state import Phase
from grokscope.tui.columns import MAX_CURVES, REGULAR, samples
from grokscope.tui.series import Rows, Series
from grokscope.tui.view import (
    KEPT_NOTABLE,
    KEPT_REGULAR,
    NOTHING,
    LogLine,
    Transition,
    Treated,
    View,
    step_of,
    whole,
)
from grokscope.words.clean import clean
from grokscope.words.events import EventRecord, rule_in_words

NEWER = "a newer grokscope wrote this log; unknown events and fields are not shown"
UNKNOWN = "events of an unknown kind, shown only in the event log"
UNREADABLE = "lines that could not be read"
MISSING_EVENTS = "events missing from the log"
CROWDED = f"the run has more than {MAX_CURVES} curves; the others are not shown"


def fold(view: View, event: EventRecord) -> View:
    """The view after `event`."""
    view = _envelope(view, event)
    kind = event["event"]
    if kind in REGULAR:
        view = sampled(replace(view, latest={**view.latest, kind: event}), event)
    return meant(view, event)


def meant(view: View, event: EventRecord) -> View:
    """The view after an event whose envelope and numbers are folded already."""
    kind = event["event"]
    shelf = "applied" if kind == "intervened" and event.get("state") == "applied" else kind
    return logged(_MEANING.get(kind, _nothing_more)(view, event), event, shelf)


def unreadable(view: View, lines: int = 1) -> View:
    """The view after `lines` lines that are no events."""
    return noticed(view, UNREADABLE, lines)


def noticed(view: View, problem: str, times: int = 1) -> View:
    return replace(view, problems={**view.problems, problem: view.problems.get(problem, 0) + times})


def is_dated_back(event: EventRecord) -> bool:
    """Whether the event's step is an earlier step than that of the run, as for a detection."""
    return "confirmed_at" in event


def newer(view: View, event: EventRecord) -> View:
    """The view, with a notice if `event` has a newer schema version."""
    version = event.get("v")
    ahead = isinstance(version, int) and version > SCHEMA_VERSION
    return noticed(view, NEWER) if ahead and NEWER not in view.problems else view


def sampled(view: View, event: EventRecord) -> View:
    """The view with the samples of `event` added to its curves."""
    series = dict(view.series)
    for name, row in samples(event):
        known = series.get(name)
        if known is None:
            if len(series) >= MAX_CURVES:
                return noticed(replace(view, series=series), CROWDED)
            known = Series.empty(len(row))
        series[name] = known.append(row)
    return replace(view, series=series)


def extended(view: View, name: str, rows: Rows) -> View:
    """The view with many samples added to one curve. rows: [n, width]."""
    known = view.series.get(name)
    if known is None:
        if len(view.series) >= MAX_CURVES:
            return noticed(view, CROWDED)
        known = Series.empty(rows.shape[1])
    return replace(view, series={**view.series, name: known.extend(rows)})


def logged(view: View, event: EventRecord | bytes, kind: str) -> View:
    """The view with an event, or its line, added to the log. The number of kept lines is bounded."""
    if kind in REGULAR or kind == "applied":
        kept = (*view.regular.get(kind, ())[-KEPT_REGULAR + 1 :], LogLine(event))
        return replace(view, regular={**view.regular, kind: kept})
    return replace(view, notable=(*view.notable[-KEPT_NOTABLE + 1 :], LogLine(event)))


def seconds_of(event: EventRecord) -> float | None:
    """The time stamp in seconds since 1970; None for an invalid time stamp."""
    try:
        return datetime.fromisoformat(str(event.get("time"))).timestamp()
    except ValueError:
        return None


def _envelope(view: View, event: EventRecord) -> View:
    step = step_of(event)
    return _clocked(
        replace(
            newer(view, event),
            events=max(view.events, whole(event.get("seq")) + 1),
            run=view.run or clean(event.get("run", "")),
            step=view.step if step is None or is_dated_back(event) else max(view.step, step),
        ),
        event,
    )


def _clocked(view: View, event: EventRecord) -> View:
    """The view with its clock advanced. `started` sets a new origin, so the clock does not run between sessions."""
    now = seconds_of(event)
    if now is None:
        return view
    if event["event"] == "started" or view.clock_origin is None:
        view = replace(view, clock_origin=now - view.elapsed)
    elapsed = max(view.elapsed, now - (view.clock_origin or 0.0))
    return replace(view, elapsed=elapsed, clock=view.clock.append((float(view.step), elapsed)))


def _nothing_more(view: View, event: EventRecord) -> View:
    return view if event["event"] in REGULAR or event["event"] in _SILENT else noticed(view, UNKNOWN)


def _started(view: View, event: EventRecord) -> View:
    signals = read_descriptions(event.get("signals"))
    return replace(view, started=event, signals=signals, phase="running", phase_reason="", finished=NOTHING)


def _phase(phase: Phase) -> Callable[[View, EventRecord], View]:
    def changed(view: View, event: EventRecord) -> View:
        return replace(view, phase=phase, phase_reason=clean(event.get("reason", "")))

    return changed


def _finished(view: View, event: EventRecord) -> View:
    return replace(view, phase="finished", phase_reason=clean(event.get("status", ""), 24), finished=event)


def _detected(view: View, event: EventRecord) -> View:
    value = event.get("value")
    found = Transition(
        name=event["event"],
        step=step_of(event) or 0,
        confirmed_at=whole(event.get("confirmed_at", event.get("step"))),
        rule=rule_in_words(event.get("rule")),
        value=float(value) if isinstance(value, int | float) else None,
        elapsed=view.elapsed,
    )
    others = tuple(known for known in view.detected if known.name != found.name)
    return replace(view, detected=(*others, found))


def _fired(view: View, event: EventRecord) -> View:
    rule = event.get("rule")
    name = clean(rule.get("name", ""), 60) if isinstance(rule, Mapping) else clean(rule, 60)
    [*_, found] = _detected(view, event).detected
    others = tuple(known for known in view.fired if known.name != name)
    return replace(view, fired=(*others, replace(found, name=name, signal=str(event.get("signal")))))


def _forecast(view: View, event: EventRecord) -> View:
    return replace(view, forecasts=(*view.forecasts[-KEPT_REGULAR + 1 :], event))


def _intervened(view: View, event: EventRecord) -> View:
    parameters, norm, dose = event.get("parameters"), event.get("norm"), event.get("relative_norm")
    earlier = view.treated
    treated = Treated(
        seq=whole(event.get("seq")),
        step=step_of(event),
        kind=clean(event.get("kind", ""), 24),
        state=clean(event.get("state", ""), 24),
        parameters=parameters if isinstance(parameters, Mapping) else NOTHING,
        source=clean(event.get("source", ""), 24),
        reason=clean(event.get("reason") or ""),
        norm=float(norm) if isinstance(norm, int | float) else None,
        dose=float(dose) if isinstance(dose, int | float) else None,
    )
    if treated.state == "applied":
        same = (known for known in reversed(earlier) if known.kind == treated.kind and known.state != "refused")
        before = next(same, None)
        again = before is not None and before.state == "applied"
        treated = replace(treated, times=before.times + 1 if before is not None and again else 1)
        earlier = tuple(known for known in earlier if not (again and known is before))
    return replace(view, treated=(*earlier[-KEPT_REGULAR + 1 :], treated))


def _snapshot(view: View, event: EventRecord) -> View:
    return replace(view, snapshots=(*view.snapshots[-KEPT_REGULAR + 1 :], step_of(event) or 0))


_SILENT = {"checkpoint", "diverged", "warned"}
_MEANING: dict[str, Callable[[View, EventRecord], View]] = {
    "started": _started,
    "paused": _phase("paused"),
    "resumed": _phase("running"),
    "finished": _finished,
    "memorized": _detected,
    "onset": _detected,
    "turned": _detected,
    "grokked": _detected,
    "regressed": _detected,
    "fired": _fired,
    "forecast": _forecast,
    "intervened": _intervened,
    "snapshot": _snapshot,
}
