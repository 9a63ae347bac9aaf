"""`grokscope import` as a process: what it prints, what it refuses, and that every command takes what it makes."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_made import write_made_run
from cli_process import Nursery, Outcome, tiny

from grokscope.warning.lookup import read_trajectories

TABLE = "id,epoch,quality,train_acc,rate\n" + "".join(
    f"{run},{step},{(99 if step >= grok else 10)},{(100 if step >= grok // 2 else 40)},{lr}\n"
    for run, grok, lr in [("a", 300, 1e-3), ("b", 500, 2e-3), ("c", 10_000, 1e-3)]
    for step in range(0, 1001, 100)
)
MAPPING = (
    "--column", "step=epoch", "--column", "test_accuracy=quality", "--run-column", "id", "--fact-column", "lr=rate",
    "--fact", "weight_decay=1", "--percent",
)  # fmt: skip


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    (tmp_path / "theirs.csv").write_text(TABLE)
    return tmp_path


def assert_refused(outcome: Outcome, *words: str, code: int = 2) -> None:
    assert (outcome.code, outcome.out) == (code, "")
    assert len(outcome.err.splitlines()) == 1
    for word in words:
        assert word in outcome.err


def test_nothing_of_an_import_stays_on_a_full_disk(nursery: Nursery, theirs: Path) -> None:
    """No log that is cut off, and no empty folder of runs; an earlier import stays."""
    refused = nursery.run("import", "theirs.csv", *MAPPING, folder=theirs, file_bytes=2000)
    assert (refused.code, refused.err) == (1, "grokscope: runs/theirs/a/events.draft: File too large\n")
    assert not (theirs / "runs").exists()
    assert nursery.run("import", "theirs.csv", *MAPPING, folder=theirs).code == 0
    before = {file: file.read_bytes() for file in theirs.rglob("*") if file.is_file()}
    assert nursery.run("import", "theirs.csv", *MAPPING, "--force", folder=theirs, file_bytes=2000).code == 1
    assert {file: file.read_bytes() for file in theirs.rglob("*") if file.is_file()} == before


def test_what_was_taken_is_said_and_the_next_command_works(nursery: Nursery, theirs: Path) -> None:
    shown = nursery.run("import", "theirs.csv", *MAPPING, folder=theirs)
    assert (shown.code, shown.err) == (0, "")
    assert "3 runs imported" in shown.out
    assert (
        "step from epoch, train_accuracy from train_acc, test_accuracy from quality, optimizer.lr from rate"
        in " ".join(shown.out.split())
    )
    assert "accuracies are percentages" in " ".join(shown.out.split())
    [advice] = [line for line in shown.out.splitlines() if line.startswith("`")]
    assert advice == "`grokscope law runs/theirs` scores them"
    runs = read_trajectories(theirs / "runs" / "theirs")
    assert [(run.name, run.grok_step, run.facts["optimizer.lr"], run.facts["optimizer.wd"]) for run in runs] == [
        ("a", 300, 1e-3, 1), ("b", 500, 2e-3, 1), ("c", None, 1e-3, 1),
    ]  # fmt: skip
    board = nursery.run("law", "runs/theirs", "--json", folder=theirs).json["scoreboard"]
    assert (board["grokking"], board["controls"]) == (2, 1)


def test_every_command_takes_an_import(nursery: Nursery, theirs: Path) -> None:
    assert nursery.run("import", "theirs.csv", *MAPPING, folder=theirs).code == 0
    shown = nursery.run("show", "theirs/b", folder=theirs)
    assert shown.code == 0, shown.err
    assert "imported" in shown.out
    assert "test_accuracy from quality" in shown.out
    for command in (
        ("show", "theirs/b", "--json"), ("export", "theirs/b"), ("law", "theirs"), ("ls",), ("ls", "--json"),
        ("forecast", "theirs/c", "--at", "400"), ("forecast", "--backtest", "theirs"),
        ("forecast", "theirs", "--build-bank", "-o", "mine.jsonl.gz"),
        ("report", "theirs", "-o", "report", "--format", "none"),
    ):  # fmt: skip
        done = nursery.run(*command, folder=theirs)
        assert done.code == 0, (command, done.err)
    back = nursery.run("export", "theirs/b", "--json", folder=theirs).json
    assert [row["test.accuracy"] for row in back][-1] == 0.99
    control = nursery.run("control", "theirs/b", "pause", folder=theirs)
    assert control.code == 3
    assert len(control.err.splitlines()) == 1


def test_budgets_that_give_the_outcome_away_are_refused_and_the_advice_works(nursery: Nursery, tmp_path: Path) -> None:
    """Runs imported one by one have each their own last step as budget: those that grokked were stopped early."""
    files = []
    for number, (last, grok) in enumerate([(1500, 500), (2000, 1000), (9000, None), (9000, None)]):
        rows = "".join(f"{s},{1.0 if grok is not None and s >= grok else 0.1}\n" for s in range(0, last + 1, 100))
        (tmp_path / f"r{number}.csv").write_text("step,test_acc\n" + rows)
        files.append(f"r{number}.csv")
        assert (
            nursery.run(
                "import", files[-1], "--fact", f"lr={number % 2 + 1}e-3", "--fact", "wd=1", folder=tmp_path
            ).code
            == 0
        )
    leaking = nursery.run("forecast", "--backtest", "runs", "--json", folder=tmp_path).json["skipped"]
    assert "budgets give the outcome away: runs that grokked were allowed 1,500 to 2,000 steps" in leaking[0]
    bank = ("forecast", "--build-bank", "runs", "-o", "b.jsonl.gz")
    assert "import them again with --budget 9000 --force" in nursery.run(*bank, folder=tmp_path).err
    for number, file in enumerate(files):
        again = ("import", file, "--fact", f"lr={number % 2 + 1}e-3", "--fact", "wd=1", "--budget", "9000", "--force")
        assert nursery.run(*again, folder=tmp_path).code == 0
    assert "budgets give" not in nursery.run(*bank, folder=tmp_path).err
    done = nursery.run("forecast", "--backtest", "runs", "--json", folder=tmp_path).json
    assert list(done["backtests"]) == ["imported"]


def test_what_was_imported_for_scripts(nursery: Nursery, theirs: Path) -> None:
    done = nursery.run("import", "theirs.csv", *MAPPING, "--name", "x", "--threshold", "0.9", "--json", folder=theirs)
    found: list[dict[str, Any]] = done.json["runs"]
    assert [run["run"] for run in found] == ["x/a", "x/b", "x/c"]
    assert [run["grok_step"] for run in found] == [300, 500, None]
    assert {run["scale"] for run in found} == {"percent"}
    assert found[0]["columns"]["test_accuracy"] == "quality"
    assert found[0]["facts"] == {"optimizer.lr": 1e-3, "optimizer.wd": 1}


def test_a_run_of_ours_survives_export_and_import(nursery: Nursery, tmp_path: Path) -> None:
    write_made_run(tmp_path / "runs" / "made")
    for kind in ("csv", "json"):
        export = nursery.run("export", "made", f"--{kind}", "-o", f"table.{kind}", folder=tmp_path)
        assert export.code == 0
        said = ("--budget", "1200", "--fact", "wd=1")  # which stand in no column of an export
        done = nursery.run("import", f"table.{kind}", "--name", kind, *said, folder=tmp_path)
        assert (done.code, done.err) == (0, "")
    ours, csv, js = (nursery.run("law", name, "--json", folder=tmp_path).json for name in ("made", "csv", "json"))
    assert ours["scoreboard"]["rules"] == csv["scoreboard"]["rules"] == js["scoreboard"]["rules"]
    tables = [nursery.run("export", name, folder=tmp_path).out for name in ("csv", "json")]
    assert tables[0] == tables[1]


def test_settings_by_the_names_that_everybody_has(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("step,test_accuracy,decay\n0,0.1,0.5\n100,0.2,0.5\n")
    arguments = ("import", "good.csv", "--fact", "learning_rate=1e-3", "--fact-column", "weight_decay=decay",
                 "--fact", "batch-size=32", "--fact", "seed=7")  # fmt: skip
    shown = nursery.run(*arguments, folder=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    [run] = read_trajectories(tmp_path / "runs" / "good")
    kept = {key: value for key, value in run.facts.items() if key.startswith(("optimizer", "train"))}
    assert kept == {"optimizer.lr": 1e-3, "optimizer.wd": 0.5, "train.batch_size": 32, "train.seed": 7}
    for pair in (("lr=1", "optimizer.lr=2"), ("lr=1", "learning_rate=2")):
        twice = ("import", "good.csv", "--name", "twice", *(word for each in pair for word in ("--fact", each)))
        assert_refused(nursery.run(*twice, folder=tmp_path), "optimizer.lr is set twice")


def test_a_setting_that_nobody_knows_is_kept_and_warned_of(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("step,test_accuracy\n0,0.1\n100,0.2\n")
    shown = nursery.run("import", "good.csv", "--fact", "optimiser.lr=1", "--fact", "task.operation=add", "--json",
                        folder=tmp_path)  # fmt: skip
    assert shown.code == 0
    assert shown.json["runs"][0]["facts"]["optimiser.lr"] == 1
    assert len(shown.err.splitlines()) == 1
    assert "no setting is called 'optimiser.lr' (did you mean optimizer.lr?)" in shown.err


def test_a_folder_that_cannot_be_written_to(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("step,test_accuracy\n0,0.1\n")
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/below"):
        refused = nursery.run("import", "good.csv", "--runs", folder, folder=tmp_path)
        assert_refused(refused, f"cannot write to {folder}", "choose another folder with --runs")


def test_many_remarks_are_counted(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(15):
        (tmp_path / "logs" / f"odd-{number}.csv").write_text("a,b\n1,2\n")
    (tmp_path / "logs" / "good.csv").write_text("step,test_accuracy\n0,0.1\n")
    shown = nursery.run("import", "logs", folder=tmp_path)
    assert shown.code == 0
    assert len(shown.err.splitlines()) == 11
    assert "5 more remarks; --json prints all" in shown.err
    again = nursery.run("import", "logs", "--force", "--json", folder=tmp_path)
    assert len(json.loads(again.out)["remarks"]) == 15


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (TABLE, (), ("no column is known as",)),
        (TABLE, (*MAPPING[:4], "--percent"), ("line 15", "--run-column")),
        (TABLE, ("--column", "test_accuracy"), ("--column", "=")),
        (TABLE, (*MAPPING, "--name", "../out"), ("../out",)),
        (TABLE, (*MAPPING[:-1], "--fraction"), ("but accuracies must be between 0 and 1",)),
        ("step,test_accuracy\n0,x\n", (), ("line 2", "'x'")),
    ],
    ids=["column", "runs", "pair", "name", "scale", "number"],
)
def test_what_import_refuses(
    nursery: Nursery, theirs: Path, text: str, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (theirs / "theirs.csv").write_text(text)
    assert_refused(nursery.run("import", "theirs.csv", *arguments, folder=theirs), *words)
    assert not list(theirs.glob("runs/*"))
    assert_refused(nursery.run("import", "nothing.csv", folder=theirs), "nothing.csv")


def test_what_is_left_of_a_named_training_file_is_said_in_a_line(nursery: Nursery, tmp_path: Path) -> None:
    lines = ["IN: jump OUT: I_JUMP", "IN: run twice OUT: I_RUN I_RUN", "IN: walk OUT: I_WALK"] * 1000
    (tmp_path / "train.txt").write_text("\n".join(lines))
    (tmp_path / "test.txt").write_text("IN: look OUT: I_LOOK\n")
    own = ("--set=task.train=train.txt", "--set=task.test=test.txt", "--steps=1", "--name=r")
    tiny_scan = [word for word in tiny("scan", *own) if "_size" not in word]
    whole = nursery.run(*tiny_scan, folder=tmp_path)
    assert whole.code == 0, whole.err
    assert "lines of" not in whole.err
    cut = nursery.run(*tiny_scan[:-1], "--name=cut", "--set=task.train_size=300", folder=tmp_path)
    assert "300 of 3,000 lines of train.txt are used, as task.train_size says; 0 takes all of them" in cut.err
