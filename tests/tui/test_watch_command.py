"""`grokscope watch` from the outside, and the recording that comes with it."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tui_made import whole_run
from typer.testing import CliRunner

from grokscope.cli.watch import watch
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.tui.demo import DEMO
from grokscope.tui.reader import read_whole
from grokscope.tui.run_look import RunLook

APP = typer.Typer()
APP.command()(watch)


def test_a_picture_of_the_latest_run(tmp_path: Path) -> None:
    whole_run().write(tmp_path / "runs")
    done = CliRunner().invoke(APP, ["--export-svg", "a.svg", "--size", "80x24", "--theme", "grokscope-contrast"])
    assert done.exit_code == 0, done.output
    assert Path("a.svg").read_text().startswith("<svg")


def test_a_picture_of_an_earlier_step(tmp_path: Path) -> None:
    """Nothing in it that was found out later."""
    for at, seen in (("100", "memorized –"), ("1600", "onset"), ("1000000", "already grokked")):
        done = CliRunner().invoke(APP, ["--demo", "--at", at, "--export-svg", "a.svg", "--size", "160x45"])
        assert done.exit_code == 0, done.output
        words = " ".join(re.sub("<[^>]*>", " ", html.unescape(Path("a.svg").read_text())).replace("\xa0", " ").split())
        assert seen in words
        assert ("step 1,600 of 5,000" in words) == (at == "1600")
        assert ("already grokked" in words) == (at == "1000000")


def test_a_size_that_is_none(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, ["--demo", "--export-svg", "a.svg", "--size", "big"])
    assert done.exit_code == 2
    assert not Path("a.svg").exists()


def test_a_theme_that_is_none(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, ["--demo", "--theme", "beige", "--export-svg", "a.svg"])
    assert done.exit_code == 2
    assert "no theme 'beige'" in done.output
    assert not Path("a.svg").exists()


def test_a_sweep_is_its_grid(tmp_path: Path) -> None:
    for name in ("cell-1", "cell-2"):
        whole_run(name).write(tmp_path / "runs" / "grid")
    done = CliRunner().invoke(APP, ["grid", "--export-svg", "a.svg", "--size", "80x24"])
    assert done.exit_code == 0, done.output
    words = re.sub("<[^>]*>", " ", html.unescape(Path("a.svg").read_text())).replace("\xa0", " ")
    assert "grid: 2 runs, 2 grokked" in words
    refused = CliRunner().invoke(APP, ["grid/", "--at", "100", "--export-svg", "b.svg"])
    assert refused.exit_code == 2
    assert "name a run of the sweep" in refused.output


def test_no_such_run(tmp_path: Path) -> None:
    assert isinstance(CliRunner().invoke(APP, ["nothing"]).exception, NoSuchRun)


def test_the_demo_takes_no_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, ["--demo", "cc", "--export-svg", "a.svg"])
    assert done.exit_code == 2
    assert "leave out the run" in done.output
    assert not Path("a.svg").exists()


def test_the_demo_is_a_real_run_of_nobodys_machine() -> None:
    view = read_whole(RunDirectory(DEMO)).view
    assert read_whole(RunDirectory(DEMO)).state is RunLook.FINISHED
    assert [found.name for found in view.detected] == ["memorized", "onset", "turned", "grokked"]
    assert view.started["host"] == "demo"
    assert not view.problems
    assert (DEMO / "events.jsonl").stat().st_size < 300_000


@pytest.mark.parametrize("module", ["grokscope.tui.app", "grokscope.cli.watch"])
def test_watching_needs_no_framework(module: str) -> None:
    heavy = ("torch", "mlx", "scipy", "grokscope.contract.backends")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
