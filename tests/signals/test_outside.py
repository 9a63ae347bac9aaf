"""A package of somebody else brings a signal: it is asked for, shown, exported, imported and scored like ours, and no
file of ours knows its name."""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grokscope import registry
from grokscope.cli.main import main
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import read
from grokscope.tui.fold import fold
from grokscope.tui.screens.chart import quantities
from grokscope.tui.view import View
from grokscope.tui.widgets.marks import marks_of
from grokscope.tui.widgets.signals import logarithmic, signal_curves, title
from grokscope.warning.tables import read_table, write_table
from grokscope.warning.trajectory import trajectory_of

MODULE = """
import numpy as np
from grokscope.contract.signals import SignalRule, SignalSpec

class Spread:
    def observe(self, vantage):
        squares = np.abs(np.concatenate([np.ravel(tensor) for tensor in vantage.tensors().values()])) ** 2
        return {"weight_spread": float(squares.sum() ** 2 / (squares**2).sum())}

SPEC = SignalSpec(
    name="weight_spread", words="spread of the weights", unit="entries", cost="free", source="a preprint",
    summary="Participation ratio of the weights, (sum w^2)^2 / sum w^4.",
    open=lambda parameters, subject: Spread(), log=True,
    rules=(SignalRule("spread-reached", "above", "weights spread", threshold=1.0, consecutive=2),),
)
"""

SMALL = (
    "--set=train.batch_size=4", "--set=task.modulus=5", "--set=model.width=8", "--set=model.heads=2",
    "--set=model.layers=1", "--set=model.feed_forward=8",
)  # fmt: skip

Grokscope = Callable[..., str]


@pytest.fixture
def grokscope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Grokscope]:
    """The command line in a folder of its own, with the package installed, and the NumPy reference as a backend."""
    site = tmp_path / "site"
    about = site / "spread-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "spread.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spread\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[grokscope.signals]\nweight_spread = spread:SPEC\n"
        "[grokscope.backends]\nreference = grokscope.testing.reference:SPEC\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    importlib.invalidate_caches()
    registry._scanned.cache_clear()

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["grokscope", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        return said.out

    yield run
    registry._scanned.cache_clear()


def trained(grokscope: Grokscope, name: str) -> RunDirectory:
    """A run of a few steps that looks at the signal."""
    grokscope(
        "run", "modular", "--signal", "weight_spread", "--backend=reference", "--steps=12", "--eval-every=4",
        "--estimator=off", f"--name={name}", "--quiet", *SMALL,
    )  # fmt: skip
    return RunDirectory(Path("runs", name).resolve())


def test_it_is_listed_and_recorded(grokscope: Grokscope) -> None:
    (listed,) = [each for each in json.loads(grokscope("signals", "--json")) if each["name"] == "weight_spread"]
    assert (listed["words"], listed["unit"], listed["source"]) == ("spread of the weights", "entries", "a preprint")
    assert "spread-reached" in grokscope("signals", "weight_spread")
    events = list(read(trained(grokscope, "a").events))
    described = events[0]["signals"]["weight_spread"]
    assert (described["unit"], described["rules"][0]["name"]) == ("entries", "spread-reached")
    looked = {event["step"]: event["signals"] for event in events if event["event"] == "observed"}
    assert [step for step, numbers in looked.items() if "weight_spread" in numbers] == [0, 4, 8, 12]
    (fired,) = [event for event in events if event["event"] == "fired" and event["signal"] == "weight_spread"]
    assert (fired["rule"]["name"], fired["step"], fired["confirmed_at"]) == ("spread-reached", 0, 4)


def test_it_is_shown(grokscope: Grokscope) -> None:
    directory = trained(grokscope, "a")
    view = View()
    for event in read(directory.events):
        view = fold(view, event)
    assert "signals.weight_spread" in [name for name, _ in signal_curves(view)]
    assert title(view, "signals.weight_spread") == "spread of the weights (…"
    assert "signals.weight_spread" in {curve for curves in quantities(view).values() for curve in curves}
    assert logarithmic(view, "signals.weight_spread")
    assert [mark.text for mark in marks_of(view, "weight_spread") if mark.kind == "fired"] == ["spread-reached"]
    found = {row["rule"]: row["step"] for row in json.loads(grokscope("show", "a", "--json"))["detections"]}
    assert found["spread-reached"] == 0


def test_it_is_exported_imported_and_scored(grokscope: Grokscope, tmp_path: Path) -> None:
    trained(grokscope, "a")
    exported = grokscope("export", "a", "--csv")
    assert "signals.weight_spread" in exported.splitlines()[0].split(",")
    (tmp_path / "theirs.csv").write_text("step,val,weight_spread\n0,0.1,9.0\n10,0.2,8.0\n20,0.9,7.0\n")
    grokscope("import", "theirs.csv", "--column", "test_accuracy=val", "--name", "theirs")
    assert "weight_spread" in grokscope("export", "theirs", "--csv").splitlines()[0]
    law = json.loads(grokscope("law", "a", "theirs", "--json"))
    board = law["scoreboard"]
    assert board["signals"]["weight_spread"]["words"] == "spread of the weights"
    (row,) = [row for row in board["rules"] if row["rule"] == "spread-reached"]
    assert (row["signal"], row["controls"], row["false_alarms"]) == ("weight_spread", 2, 2)
    assert {"weight_spread", "spread-reached"} <= {row["signal"] for row in board["aurocs"]}
    assert "weights spread" in grokscope("law", "a", "theirs")


def test_it_is_in_tables_reports_and_bench(grokscope: Grokscope, tmp_path: Path) -> None:
    directory = trained(grokscope, "a")
    write_table(tmp_path / "bank.jsonl.gz", [trajectory_of(directory)])
    (kept,) = read_table(tmp_path / "bank.jsonl.gz")
    assert len(kept.signal("weight_spread")[0]) == 4
    assert kept.signals["weight_spread"].words == "spread of the weights"
    grokscope("report", "a", "-o", "report")
    assert any("weights spread" in page.read_text() for page in (tmp_path / "report").glob("*.html"))
    costs = json.loads(grokscope("bench", "modular", "--backend=reference", "--seconds=0", "--json", *SMALL))["costs"]
    assert "signal weight_spread" in {cost["operation"] for cost in costs}


def test_readers_do_without_the_package(grokscope: Grokscope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words and its rule stand in the log."""
    trained(grokscope, "a")
    monkeypatch.setattr("sys.path", [place for place in __import__("sys").path if not place.endswith("site")])
    registry._scanned.cache_clear()
    assert "weight_spread" not in registry.names("signals")
    board: dict[str, Any] = json.loads(grokscope("law", "a", "--json"))["scoreboard"]
    assert board["signals"]["weight_spread"]["unit"] == "entries"
    assert [row["false_alarms"] for row in board["rules"] if row["rule"] == "spread-reached"] == [1]
    assert "weights spread" in grokscope("law", "a")
    found = {row["rule"]: row["step"] for row in json.loads(grokscope("show", "a", "--json"))["detections"]}
    assert found["spread-reached"] == 0
