"""`grokscope report` from the outside."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import Nursery, environment, grokscope


@pytest.fixture
def drawn(made_runs: Path) -> Path:
    done = grokscope("report", "made", "-o", "first", folder=made_runs)
    assert (done.code, done.out, done.err) == (0, "first/report.html\n", "")
    return made_runs / "first"


def test_one_run_on_one_page(drawn: Path) -> None:
    page = (drawn / "report.html").read_text()
    assert "1 run: 1 grokked." in page
    assert "0 runs are censored" in page
    assert "First event 2026-11-23 12:00, last event 2026-11-23 12:00 (UTC)" in page
    assert re.search(r"grokscope run modular --preset \w+ .*--set task\.modulus=11", page)
    assert "grokscope 0.1.0" in page
    assert "its quartiles" in (drawn / "run-01.svg").read_text()


def test_the_same_run_makes_the_same_bytes_in_any_process(drawn: Path) -> None:
    folder = drawn.parent
    again = grokscope("report", "runs/made", "-o", "second", folder=folder, variables={"PYTHONHASHSEED": "7"})
    assert again.code == 0
    names = sorted(path.name for path in drawn.iterdir())
    assert names == sorted(path.name for path in (folder / "second").iterdir())
    for name in names:
        assert (drawn / name).read_bytes() == (folder / "second" / name).read_bytes(), name


def test_json_lists_the_files(made_runs: Path) -> None:
    done = grokscope("report", "latest", "-o", "out", "--format", "svg,png", "--json", folder=made_runs)
    assert done.code == 0
    said = done.json
    assert said["page"] == "out/report.html"
    assert {"out/run-01.svg", "out/run-01.png", "out/runs.csv", "out/runs.md"} <= set(said["files"])
    assert all((made_runs / file).is_file() for file in said["files"])
    assert "Forecast calibration" in [part["what"] for part in said["left_out"]]


@pytest.mark.parametrize("arguments", [[], ["--format", "none"]], ids=["figures", "none"])
def test_without_matplotlib(made_runs: Path, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "from grokscope.cli.main import main\n"
        "main()"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, "report", "made", "-o", "out", *arguments],
        capture_output=True, text=True, cwd=made_runs, env=environment(), check=False,
    )  # fmt: skip
    if arguments:
        assert (done.returncode, done.stdout, done.stderr) == (0, "out/report.html\n", "")
        assert (made_runs / "out" / "runs.csv").is_file()
    else:
        assert (done.returncode, done.stdout) == (6, "")
        assert done.stderr.startswith("grokscope: figures need Matplotlib: pip install '.[plot]' in a clone")
        assert "--format none" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (made_runs / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["made"], 2, "--output"),
        (["-o", "out"], 2, "RUNS"),
        (["made", "-o", "out", "--format", "gif"], 2, "svg, png, none"),
        (["nobody", "-o", "out"], 3, "nobody"),
        (["made", "-o", "runs/made/events.jsonl"], 2, "is a file"),
        (["made", "-o", "x" * 400], 2, "File name too long"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_words_are_one_sentence(made_runs: Path, arguments: list[str], code: int, said: str) -> None:
    done = grokscope("report", *arguments, folder=made_runs)
    assert (done.code, done.out) == (code, "")
    assert re.fullmatch(r"grokscope: [^\n]+\n", done.err)
    assert said in done.err


def test_no_empty_folder_stays_on_a_full_disk(nursery: Nursery, made_runs: Path) -> None:
    done = nursery.run("report", "made", "-o", "new/out", "--format=none", folder=made_runs, file_bytes=60)
    assert (done.code, done.out) == (1, "")
    assert done.err == "grokscope: new/out/origin.csv: File too large\n"
    assert not (made_runs / "new").exists()
