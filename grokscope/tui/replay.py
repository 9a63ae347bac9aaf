"""Replay: shows a recorded run as it was known at an earlier step, without folding the log again."""

from dataclasses import dataclass, replace

import numpy as np

from grokscope.tui.columns import REGULAR
from grokscope.tui.view import View

SPEEDS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def as_known_at(view: View, step: float) -> View:
    """The view of the run at `step`. It holds only what was known at this step: later detections are missing."""
    series = {name: curve.until(step) for name, curve in view.series.items()}
    clock = view.clock.at(step)
    known = {kind: tuple(line for line in lines if (line.step or 0) <= step) for kind, lines in view.regular.items()}
    return replace(
        view,
        step=int(min(step, view.step)),
        phase="running" if step < view.step else view.phase,
        phase_reason="" if step < view.step else view.phase_reason,
        series={name: curve for name, curve in series.items() if len(curve)},
        elapsed=clock[1] if clock else 0.0,
        clock=view.clock.until(step),
        detected=tuple(found for found in view.detected if found.confirmed_at <= step),
        fired=tuple(found for found in view.fired if found.confirmed_at <= step),
        forecasts=tuple(event for event in view.forecasts if (event.get("step") or 0) <= step),
        treated=tuple(answer for answer in view.treated if (answer.step or 0) <= step),
        snapshots=tuple(taken for taken in view.snapshots if taken <= step),
        notable=tuple(line for line in view.notable if _known_at(line.event, line.step, line.confirmed_at) <= step),
        regular=known,
        latest={kind: event for kind, event in view.latest.items() if kind not in REGULAR or step >= view.step},
    )


def _known_at(event: str, step: int | None, confirmed_at: int | None) -> int:
    return confirmed_at if confirmed_at is not None else step or 0


@dataclass(frozen=True)
class Player:
    """The position, speed and state of a replay."""

    seconds: float = 0.0
    """Position, in seconds of training"""
    speed: float = 30.0
    playing: bool = True

    @classmethod
    def stopped_at(cls, step: float, view: View) -> "Player":
        """A stopped replay at `step`, or at the nearest step of the run."""
        return cls(float(np.interp(step, view.clock.steps, view.played)), fitting_speed(view), False)

    def faster(self) -> "Player":
        return replace(self, speed=next((speed for speed in SPEEDS if speed > self.speed), SPEEDS[-1]))

    def slower(self) -> "Player":
        return replace(self, speed=next((speed for speed in reversed(SPEEDS) if speed < self.speed), SPEEDS[0]))

    def advanced(self, real_seconds: float, view: View) -> "Player":
        """The replay after `real_seconds` of wall time. It stops at the end of the run."""
        seconds = self.seconds + real_seconds * self.speed
        if seconds >= view.length:
            return replace(self, seconds=view.length, playing=False)
        return replace(self, seconds=seconds)

    def moved(self, fraction: float, view: View) -> "Player":
        """The replay moved forward (or back, if negative) by a fraction of the whole run."""
        return replace(self, seconds=min(view.length, max(0.0, self.seconds + fraction * view.length)))

    def step(self, view: View) -> float:
        """The step of the run at this position."""
        if self.seconds >= view.length or not len(view.clock):
            return float(view.step)
        return float(np.interp(self.seconds, view.played, view.clock.steps))


def fitting_speed(view: View, seconds: float = 45.0) -> float:
    """The speed at which the replay of the whole run takes about `seconds`."""
    wanted = view.length / seconds
    return min(SPEEDS, key=lambda speed: abs(np.log(speed / max(wanted, 1e-9))))
