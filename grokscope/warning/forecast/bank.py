"""The runs that forecasts are calibrated on: shipped with the package, or a table or a folder of tables of one's own.

What is said of a run is said by a forecaster that has not seen its configuration: where the bank holds it, or a twin of
it with another seed, these are left out. A bank is named by its digest, so that a forecast says what it rests on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from grokscope.gate import real_path
from grokscope.runs.directory import NoSuchRun
from grokscope.warning.configuration import configuration
from grokscope.warning.forecast.answers import Projection, nothing
from grokscope.warning.forecast.asked import RunSoFar, settled_before_looking
from grokscope.warning.forecast.forecaster import Forecaster, calibrate
from grokscope.warning.forecast.peers import settled
from grokscope.warning.forecast.reading import DecayClock, as_read
from grokscope.warning.forecast.refusals import NoAnswer, Refusal
from grokscope.warning.tables import TABLE_SUFFIXES, read_table, table_digest
from grokscope.warning.trajectory import BANK, Fact, Trajectory
from grokscope.words.numbers import listed

SHIPPED = Path(__file__).parent.parent / "bank"
"""One table a sweep, some a task"""


@dataclass(frozen=True)
class Built:
    """A bank made of runs."""

    kept: Sequence[Trajectory]
    unsettled: Sequence[str]
    """Names of runs that had neither grokked nor used up their budget"""
    treated: Sequence[str]
    """Names of runs on which an intervention acted"""


@dataclass(frozen=True)
class BankName:
    """Which bank a forecast rests on."""

    name: str
    """`shipped`, or what its file or folder is called"""
    digest: str
    """SHA-256 of its table's lines; of several tables, of their digests in the order of their names"""


@dataclass(frozen=True, eq=False)
class Bank:
    """The runs of one task in a bank, as a forecaster."""

    name: BankName
    files: Sequence[Path]
    """The tables that hold a run of the task"""
    forecaster: Forecaster
    of_no_use: int
    """Runs of the task that were treated, not seen to the end of their budget, or have no clock"""


def build_bank(trajectories: Sequence[Trajectory]) -> Built:
    """What a bank takes of `trajectories`: undisturbed runs of which it is known whether they grok.

    With the columns that a forecast reads.
    """
    treated = [trajectory for trajectory in trajectories if trajectory.treated]
    rest = [trajectory for trajectory in trajectories if not trajectory.treated]
    kept = [as_read(trajectory) for trajectory in rest if settled(trajectory)]
    short = [trajectory.name.rpartition("/")[2] for trajectory in kept]
    if len(set(short)) == len(short):
        kept = [replace(trajectory, name=name) for trajectory, name in zip(kept, short, strict=True)]
    unsettled = [trajectory.name for trajectory in rest if not settled(trajectory)]
    return Built(kept, unsettled, [trajectory.name for trajectory in treated])


def tables_of(bank: str | Path = "") -> list[Path]:
    """The tables of `bank`, a table or a folder of them; of the shipped one where it is empty."""
    place = Path(bank) if bank else SHIPPED
    if not place.is_dir():
        return [place]
    return sorted(file for suffix in TABLE_SUFFIXES for file in place.glob(f"*{suffix}"))


def runs_of(bank: str | Path = "") -> list[Trajectory]:
    """All runs of a bank. Raises `NoSuchRun`."""
    return [run for file in tables_of(bank) for run in read_table(file)]


def bank_objection(bank: str | Path, task: str) -> str | None:
    """Why a bank that somebody names is none for runs of `task`: to be said before anything is trained."""
    problem = bank_for(task, bank) if bank else None
    return problem.in_words() if isinstance(problem, NoAnswer) else None


def projection_of(asked: RunSoFar, task: str, bank: str | Path = "") -> tuple[Projection, Bank | None]:
    """What is said of a run of `task`, and by which bank. Where the bank does not matter, none is read."""
    settled_already = settled_before_looking(asked)
    if settled_already is not None:
        return settled_already, None
    found = bank_for(task, bank, asked.facts)
    if isinstance(found, NoAnswer):
        tau = asked.clock.tau(asked.reading.step) if isinstance(asked.clock, DecayClock) else None
        return nothing(asked.reading.step, tau, found), None
    return found.forecaster.project(asked), found


def forecast_of(trajectory: Trajectory, bank: str | Path = "") -> tuple[Projection, Bank | None]:
    """The same of a recorded run; `bank` is empty for that of its settings, or of its task."""
    return projection_of(RunSoFar.of(trajectory), trajectory.task, bank or str(trajectory.facts.get(BANK, "")))


def bank_for(task: str, bank: str | Path = "", facts: Mapping[str, Fact] | None = None) -> Bank | NoAnswer:
    """The bank for runs of `task`, or why there is none. Read once a process.

    With `facts` for the run of these settings: without its configuration, where the bank has that.
    """
    try:
        files = tuple((real_path(file), file.stat().st_mtime_ns) for file in tables_of(bank))
    except OSError as problem:
        return NoAnswer(Refusal.NO_BANK, f"cannot read the bank {bank}: {problem.strerror}")
    except ValueError:
        return NoAnswer(Refusal.NO_BANK, f"{str(bank)!r} cannot be the name of a bank")
    whole = _calibrated(task, str(bank), files)
    if facts is None or isinstance(whole, NoAnswer):
        return whole
    return _without(whole, configuration(task, facts))


@cache
def _without(whole: Bank, own: str) -> Bank | NoAnswer:
    peers = whole.forecaster.peers
    others = peers.where(peers.names != own)
    if len(others) == len(peers):
        return whole
    if not len(others):
        return NoAnswer(Refusal.SMALL_BANK, "the bank holds no configuration but this run's own")
    return replace(whole, forecaster=Forecaster(others, len(peers) - len(others)))


@cache
def _calibrated(task: str, bank: str, files: Sequence[tuple[Path, int]]) -> Bank | NoAnswer:
    """Once a process, a refusal too: a run asks at every evaluation."""
    try:
        held = {file: read_table(file) for file, _ in files}
        runs = [run for each in held.values() for run in each if run.task == task]
        if not runs:
            others = sorted({run.task for each in held.values() for run in each})
            return NoAnswer(Refusal.NO_BANK, _no_runs(task, bank, others))
        used = [file for file, each in held.items() if any(run.task == task for run in each)]
        digests = [table_digest(file) for file in used]
        forecaster = calibrate(runs)
    except NoSuchRun as problem:
        return NoAnswer(Refusal.NO_BANK, str(problem))
    except ValueError as problem:
        return NoAnswer(Refusal.SMALL_BANK, str(problem))
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Bank(BankName(Path(bank).name if bank else "shipped", digest), used, forecaster, len(runs) - forecaster.runs)


def _no_runs(task: str, bank: str, others: Sequence[str]) -> str:
    if not bank:
        make, use = "`grokscope forecast RUNS... --build-bank -o FILE.jsonl.gz`", "`--bank FILE.jsonl.gz`"
        return f"no bank of {task} runs is shipped: {make} makes one, and {use} takes it"
    hint = "; `grokscope import --task` says what imported runs learn" if "imported" in {task, *others} else ""
    return f"the bank {Path(bank).name} holds no run of {task}, but of {listed(others)}{hint}"
