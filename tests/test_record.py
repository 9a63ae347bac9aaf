"""The Python face: recorded runs as values."""

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_made import write_made_run

import grokscope
from grokscope.runs.directory import NoSuchRun
from grokscope.tui.demo import DEMO


@pytest.fixture
def demo() -> "grokscope.RecordedRun":
    return grokscope.open(DEMO)


def test_importing_grokscope_imports_nothing_heavy() -> None:
    code = (
        "import sys, grokscope; dir(grokscope); "
        "print([name for name in ('numpy', 'pydantic', 'torch', 'rich', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_what_the_package_offers() -> None:
    assert {"open", "list_runs", "RecordedRun"} <= set(dir(grokscope))
    assert all(getattr(grokscope, name).__doc__ for name in dir(grokscope) if name != "__version__")
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        grokscope.opne  # noqa: B018


@pytest.mark.parametrize("name", sorted(grokscope.__all__))
def test_every_name_has_an_example_that_is_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {"grokscope": grokscope, "DEMO": DEMO, "Path": Path}
    home = getattr(grokscope, name)
    [example] = doctest.DocTestFinder(recurse=False).find(home, name, globs=known)
    assert example.examples, "an example belongs into its docstring"
    if home.__module__.startswith(("grokscope.own.", "grokscope.contract.")):
        torch = pytest.importorskip("torch")
        data = torch.randn(64, 8), torch.randint(3, (64,))
        example.globs |= {
            "torch": torch, "model": torch.nn.Linear(8, 3), "data": data, "batch_a": data,
            "batch_b": tuple(part.flip(0)[:32] for part in data),
            "loss": lambda model, batch: torch.nn.functional.cross_entropy(model(batch[0]), batch[1]),
        }  # fmt: skip
    for package in ("pandas", "polars", "matplotlib"):
        if package in example.docstring or f"to_{package}" in example.docstring:
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not said, "".join(said)


def test_runs_are_listed_and_opened_by_name(tmp_path: Path) -> None:
    write_made_run(tmp_path / "one")
    assert [run.name for run in grokscope.list_runs(tmp_path)] == ["one"]
    assert grokscope.open("latest", tmp_path).path == grokscope.open("on", runs=tmp_path).path
    with pytest.raises(NoSuchRun, match="two"):
        grokscope.open("two", tmp_path)


def test_a_table_has_the_cells_of_the_log(demo: "grokscope.RecordedRun") -> None:
    table = demo.table()
    evaluated = {event["step"]: event["test"]["accuracy"] for event in demo.events("evaluated")}
    found = {
        int(step): value
        for step, value in zip(table["step"], table["test.accuracy"], strict=True)
        if np.isfinite(value)
    }
    assert found == evaluated
    assert len(table) == len(table["step"])
    with pytest.raises(KeyError, match=r"did you mean 'test\.accuracy'"):
        table["test.acuracy"]


def test_a_table_for_numpy_pandas_and_polars(demo: "grokscope.RecordedRun") -> None:
    table = demo.table()
    arrays = table.numpy()
    assert "estimator" not in arrays
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame, other = table.to_pandas(), table.to_polars()
    assert isinstance(frame, pandas.DataFrame)
    assert isinstance(other, polars.DataFrame)
    np.testing.assert_array_equal(frame["test.loss"].to_numpy(dtype=float), arrays["test.loss"])
    assert other.columns == list(table.columns)


def test_what_the_rules_found(demo: "grokscope.RecordedRun") -> None:
    acted = {finding.kind: finding.step for finding in demo.detections() if finding.default}
    recorded = {kind: next(demo.events(kind))["step"] for kind in ("memorized", "onset", "grokked")}
    assert {kind: acted[kind] for kind in recorded} == recorded


def test_a_forecast_knows_nothing_of_what_came_later(demo: "grokscope.RecordedRun") -> None:
    grokked = next(demo.events("grokked"))["step"]
    early = demo.forecast(at=grokked // 2)
    assert early.step <= grokked // 2
    assert early.reaches.probability != demo.forecast().reaches.probability == 1
    with pytest.raises(ValueError, match="before"):
        demo.forecast(at=-1)


def test_snapshots_are_named_tensors(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    subprocess.run(
        [sys.executable, "-m", "grokscope", "run", "modular", "--backend", "torch", "--steps", "4", "--batch-size", "8",
         "--set", "model.width=8", "--set", "model.feed_forward=8", "--set", "task.modulus=7",
         "--set", "snapshot.every=2", "--estimator", "off", "--runs", str(tmp_path), "--name", "small", "-q"],
        check=True,
    )  # fmt: skip
    snapshots = grokscope.open("small", tmp_path).snapshots()
    assert [snapshot.step for snapshot in snapshots] == [0, 2, 4]
    assert snapshots[0].tensors()["head.weight"].shape == (7, 8)


def test_a_state_that_is_printed_is_a_line(demo: "grokscope.RecordedRun") -> None:
    assert len(repr(demo.state)) < 300


def test_a_notebook_shows_a_run_and_its_figure(demo: "grokscope.RecordedRun", tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert "<th>grokked_step</th><td>" in demo._repr_html_()
    file = tmp_path / "figure.svg"
    demo.plot().savefig(file)
    assert "<svg" in file.read_text()
