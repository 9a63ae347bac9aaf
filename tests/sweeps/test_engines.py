"""Commands that can be given twice, and processes that are counted, fail alone and are told from each other."""

import io
import json
import shlex
import shutil
from collections.abc import Mapping
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from sweeps_made import TINY, Planned, begin

from grokscope.cli.sweep_display import SweepView
from grokscope.runs.log import EventLog
from grokscope.runs.state import read_state
from grokscope.settings.config import read_assignments
from grokscope.sweeps import CellStanding, plan, read_standing, run_local
from grokscope.sweeps.commands import PlanEngine, cell_command, failure_reason, stderr_file, toml_of
from grokscope.sweeps.local import LocalEngine, cores
from grokscope.sweeps.standing import runs_elsewhere


@pytest.mark.parametrize(
    "value",
    ["add", "1e-3", "true", "", " a ", 'say "no"', 0.1, 1e-05, 3, True, [1, 2], ["kick@5:s=0.5", "true"], [[]]],
    ids=repr,
)
def test_a_setting_survives_a_command_line(value: object) -> None:
    assert read_assignments([f"a.b={toml_of(value)}"]) == {"a.b": value}


def test_a_command_says_everything_and_can_be_given_twice(planned: Planned) -> None:
    (cell,) = planned({"task.operation": ["add"]}, preset="quick").cells
    command = cell_command(cell, {"backend.threads": 3})
    assert command[1:4] == ["-m", "grokscope", "run"]
    assert "--continue" in command
    assert command[command.index("--name") + 1] == "add"
    assert command[command.index("--preset") + 1] == "quick"
    assert command[command.index("--runs") + 1] == str(cell.directory.path.parent.absolute())
    settings = read_assignments(after for before, after in pairwise(command) if before == "--set")
    assert settings == {**cell.settings, "backend.threads": 3}


def test_a_diverged_cell_is_resumed(planned: Planned) -> None:
    (cell,) = planned({"lr": [1e-3]}).cells
    begin(cell, "diverged")
    assert cell_command(cell)[4:6] == ["--resume", str(cell.directory.path.absolute())]


def test_a_plan_is_told_and_not_run(planned: Planned) -> None:
    cells = planned({"lr": [1e-3, 2e-3]}).cells
    told: list[str] = []
    assert PlanEngine(lambda cell, command: told.append(shlex.join(command))).run(cells, lambda standing: None) == []
    assert [shlex.split(line)[7:9] for line in told] == [["--runs", str(cells[0].directory.path.parent)]] * 2
    assert not cells[0].directory.path.parent.exists()


def test_threads_divide_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert LocalEngine(1).threads == cores()
    assert LocalEngine(10 * cores()).threads == 1
    assert LocalEngine(2, threads=7).threads == 7


@pytest.mark.parametrize(("wanted", "threads"), [("3", 3), (" 3 ", 3), ("0", 1), ("-3", 1), ("3,2", 1), ("", 1)])
def test_threads_as_the_environment_has_them(monkeypatch: pytest.MonkeyPatch, wanted: str, threads: int) -> None:
    """Where it says a number of threads; what is asked for explicitly wins."""
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert LocalEngine(cores()).threads == threads
    assert LocalEngine(cores(), threads=7).threads == 7


@pytest.mark.slow
@pytest.mark.parametrize(("axes", "threads"), [({"seed": [1]}, 3), ({"backend.threads": [2]}, 2)], ids=str)
def test_a_cell_computes_with_these_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: dict[str, list[Any]], threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    base = {key: value for key, value in TINY.items() if key != "backend.threads"} | {"train.steps": 1}
    cells = plan({"name": "s", "task": "modular", "base": base, "axes": axes}, tmp_path).cells
    assert run_local(cells) == []
    assert read_state(cells[0].directory).config["backend"]["threads"] == threads


def test_a_cell_that_fails_does_not_stop_the_others(planned: Planned) -> None:
    """Each tells why, in its own words."""
    cells = planned({"backend.name": ["abacus", "quipu"]}).cells
    seen: list[tuple[str, str, str | None]] = []
    failures = run_local(cells, jobs=1, on_change=lambda now: seen.append((now.cell.slug, now.state, now.reason)))
    assert [(failure.cell.slug, failure.code) for failure in failures] == [("abacus", 2), ("quipu", 2)]
    assert "abacus" in failures[0].reason
    assert "grokscope:" not in failures[0].reason
    assert [(slug, state) for slug, state, _ in seen] == [
        ("abacus", "running"), ("abacus", "missing"), ("quipu", "running"), ("quipu", "missing"),
    ]  # fmt: skip
    assert seen[1][2] == failures[0].reason


def test_cells_of_another_process_are_left_alone(planned: Planned) -> None:
    cells = planned({"lr": [1e-3, 2e-3]}).cells
    begin(cells[0], "running")
    begin(cells[1], "completed")
    assert run_local(cells, on_change=pytest.fail) == []


@pytest.mark.parametrize("state", ["running", "completed", "diverged"])
def test_cells_that_another_process_took_meanwhile_are_left_alone(planned: Planned, state: str) -> None:
    """Between two cells of this sweep; no process is started for them."""
    cells = planned({"backend.name": ["abacus", "quipu"]}).cells
    seen: list[tuple[str, str]] = []

    def take(now: CellStanding) -> None:
        seen.append((now.cell.slug, now.state))
        if not cells[1].directory.path.exists():
            begin(cells[1], state)

    failures = run_local(cells, jobs=1, on_change=take)
    assert [failure.cell.slug for failure in failures] == ["abacus"]
    assert seen[2:] == [("quipu", {"completed": "finished"}.get(state, state))]
    assert not stderr_file(cells[1]).exists()


@pytest.mark.parametrize(("free", "why"), [(0, "its disk is full"), (1 << 20, "does not say why")])
def test_a_cell_that_could_not_say_why_it_failed(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, free: int, why: str
) -> None:
    (cell,) = planned({"lr": [1e-3]}).cells
    cell.directory.path.mkdir(parents=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert why in failure_reason(cell, 1)
    stderr_file(cell).write_text("grokscope: no\n")
    assert failure_reason(cell, 1) == "no"


@pytest.mark.slow
def test_a_cell_that_another_process_takes_first_has_not_failed(planned: Planned) -> None:
    """It holds the lock and has not said a word yet: our process is refused."""
    (cell,) = planned({"lr": [1e-3]}).cells
    cell.directory.path.mkdir(parents=True)
    log = EventLog(cell.directory.events, cell.directory.lock, cell.slug)
    seen: list[tuple[str, str | None]] = []
    assert run_local([cell], on_change=lambda now: seen.append((now.state, now.reason))) == []
    assert "another trainer is writing" in stderr_file(cell).read_text()
    assert seen == [("running", None)]
    assert runs_elsewhere(read_standing(cell))
    log.close()
    assert not runs_elsewhere(read_standing(cell))


AXES = {"task.operation": ["add", "sub"], "optimizer.lr": [1e-3, 2e-3, 3e-3], "train.seed": list(range(1, 6))}


def shown(view: SweepView, **console: Any) -> list[str]:
    out = Console(file=io.StringIO(), force_terminal=False, **console)
    out.print(view.panel(out))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


@pytest.fixture
def view(planned: Planned) -> SweepView:
    sweep = planned(AXES)
    states: Mapping[int, tuple[str, int | None]] = {
        0: ("grokked", 10), 1: ("completed", None), 2: ("diverged", None), 3: ("interrupted", None),
        4: ("crashed", None), 5: ("running", None),
    }  # fmt: skip
    for index, (state, grokked) in states.items():
        begin(sweep.cells[index], state, grokked=grokked)
    return SweepView(sweep)


def test_the_grid_shows_a_letter_a_cell(view: SweepView) -> None:
    view.see(CellStanding(view.sweep.cells[6], "missing", reason="no disk"))
    lines = shown(view, width=80, height=24)
    assert lines[0] == "3/30 ended, 1 grokked  s"
    assert lines[1].split() == ["seed1", "to", "5"]
    assert lines[2:4] == ["add-lr0.001 ● ■ ∞ ‖ ✗ ", "add-lr0.002 ▶ ✗ · · · "]
    assert [line.split()[0] for line in lines[2:8]] == [
        f"{operation}-lr{lr}" for operation in ("add", "sub") for lr in (0.001, 0.002, 0.003)
    ]
    assert lines[-1] == "20/40 add-lr0.002-seed1"


def test_the_grid_stays_in_its_window(view: SweepView) -> None:
    for width, height in product([1, 5, 20, 40, 200], [2, 5, 8, 50]):
        lines = shown(view, width=width, height=height)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width


def test_the_time_that_is_left_is_that_of_the_steps_so_far(planned: Planned) -> None:
    """Two cells of 40 steps: one ends after 20 steps in 10 seconds, the other one may take 20 seconds more."""
    now = 0.0
    view = SweepView(planned({"lr": [1e-3, 2e-3]}), lambda: now)
    assert view.pace() == ""
    begin(view.sweep.cells[0], "completed", grokked=10)
    view.see(read_standing(view.sweep.cells[0]))
    now = 10.0
    assert view.pace() == ", 2 steps/s, at most 20 s left"


def test_a_line_a_cell_where_there_is_no_terminal(planned: Planned) -> None:
    view = SweepView(planned({"lr": [1e-3, 2e-3]}))
    first, second = view.sweep.cells
    begin(first, "completed", grokked=10)
    assert view.line(read_standing(first)) == "lr0.001: grokked, step 20 of 40, grok step 10 (1/2)"
    view.see(read_standing(first))
    assert view.line(read_standing(first)) is None
    begin(second, "interrupted")
    assert view.line(read_standing(second)) == "lr0.002: interrupted, step 20 of 40 (1/2)"
    json.dumps(read_standing(second).to_dict(), allow_nan=False)
