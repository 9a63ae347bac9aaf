"""The runs that forecasts are calibrated on: shipped with the package, one table a task, or a file of one's own.

What is said of a run is said by a forecaster that has not seen its configuration: where the bank holds it, or a twin of
it with another seed, the forecaster is calibrated on the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from grokscope.runs.directory import NoSuchRun
from grokscope.warning.configuration import configuration, configuration_of
from grokscope.warning.forecast.forecaster import (
    CERTAIN,
    Forecaster,
    Projection,
    calibrate,
    reason_before_looking,
)
from grokscope.warning.forecast.landmarks import settled
from grokscope.warning.forecast.progress import Progress, progress_of
from grokscope.warning.tables import read_table
from grokscope.warning.trajectory import BANK, Fact, Trajectory
from grokscope.words.numbers import listed

SHIPPED = Path(__file__).parent.parent / "bank"


@dataclass(frozen=True)
class Built:
    """A bank made of runs."""

    kept: Sequence[Trajectory]
    unsettled: Sequence[str]
    """Names of runs that had neither grokked nor used up their budget"""
    treated: Sequence[str]
    """Names of runs on which an intervention acted"""


def build_bank(trajectories: Sequence[Trajectory]) -> Built:
    """What a bank takes of `trajectories`: undisturbed runs of which it is known whether they grok."""
    treated = [trajectory for trajectory in trajectories if trajectory.treated]
    rest = [trajectory for trajectory in trajectories if not trajectory.treated]
    kept = [trajectory for trajectory in rest if settled(trajectory)]
    short = [trajectory.name.rpartition("/")[2] for trajectory in kept]
    if len(set(short)) == len(short):
        kept = [replace(trajectory, name=name) for trajectory, name in zip(kept, short, strict=True)]
    unsettled = [trajectory.name for trajectory in rest if not settled(trajectory)]
    return Built(kept, unsettled, [trajectory.name for trajectory in treated])


def bank_file(task: str, bank: str | Path = "") -> Path | None:
    """`bank`, or the one shipped for `task`; None where none is shipped."""
    if bank:
        return Path(bank)
    shipped = SHIPPED / f"{task}.jsonl.gz"
    return shipped if shipped.is_file() else None


def shipped_banks() -> list[Path]:
    """Of the package, one a task."""
    return sorted(SHIPPED.glob("*.jsonl.gz"))


def bank_objection(bank: str | Path, task: str) -> str | None:
    """Why a bank that somebody names is none for runs of `task`: to be said before anything is trained."""
    problem = forecaster_for(task, bank) if bank else None
    return problem if isinstance(problem, str) else None


def projection_of(
    progress: Progress, facts: Mapping[str, Fact], budget: int, *, grokked: bool, task: str, bank: str | Path = ""
) -> Projection:
    """What is said of a run of `task` that has come so far. Where nothing can be, no bank is read."""
    reason = reason_before_looking(progress, facts, budget, grokked=grokked)
    if reason is None:
        forecaster = forecaster_for(task, bank, facts)
        if isinstance(forecaster, Forecaster):
            return forecaster.project(progress, facts, budget, grokked=grokked)
        reason = forecaster
    return Projection(progress.step, progress.stage(), CERTAIN.get(reason), abstained=reason)


def forecast_of(trajectory: Trajectory, bank: str | Path = "") -> Projection:
    """The projection of a recorded run; `bank` is a table, or empty for that of its settings, or its task."""
    return projection_of(
        progress_of(trajectory),
        trajectory.facts,
        trajectory.budget,
        grokked=trajectory.grok_step is not None,
        task=trajectory.task,
        bank=bank or str(trajectory.facts.get(BANK, "")),
    )


def forecaster_for(task: str, bank: str | Path = "", facts: Mapping[str, Fact] | None = None) -> Forecaster | str:
    """A forecaster for runs of `task`, or the reason why there is none. Read and calibrated once a process.

    With `facts` one for the run of these settings: calibrated without its configuration, where the bank has that.
    """
    file = bank_file(task, bank)
    if file is None:
        make, use = "`grokscope forecast RUNS... --build-bank -o FILE.jsonl.gz`", "`--bank FILE.jsonl.gz`"
        return f"no bank of {task} runs: {make} makes one, and {use} takes it"
    try:
        key = task, file.resolve(), file.stat().st_mtime_ns
        own = None if facts is None else configuration(task, facts)
        return _calibrated(*key, own if any(own == each for each, _ in _read(*key)) else None)
    except OSError as problem:
        return f"cannot read the bank {file}: {problem.strerror}"
    except NoSuchRun as problem:
        return str(problem)
    except ValueError as problem:
        return f"too few calibration runs: {problem}"


@cache
def _read(task: str, file: Path, written: int) -> Sequence[tuple[str, Trajectory]]:
    held = read_table(file)
    runs = [(configuration_of(each), each) for each in held if each.task == task]
    if not runs:
        others = listed(sorted({each.task for each in held}))
        hint = "; `grokscope import --task` says what imported runs learn" if "imported" in {task, others} else ""
        raise NoSuchRun(f"the bank {file.name} holds no run of {task}, but of {others}{hint}")
    return runs


@cache
def _calibrated(task: str, file: Path, written: int, left_out: str | None) -> Forecaster:
    known = _read(task, file, written)
    others = [run for own, run in known if own != left_out]
    if not others:
        raise ValueError(f"the bank {file.name} holds no configuration but this run's own")
    return replace(calibrate(others), left_out=len(known) - len(others))
