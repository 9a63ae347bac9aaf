"""`grokscope forecast` from the outside: a run, a backtest, a bank."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_process import Nursery, Outcome, grokscope, tiny
from forecast_made import LRS, bank, made

from grokscope.cli.exits import ExitCode
from grokscope.events import event_schema
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.tables import write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `bank.jsonl.gz`, `run.jsonl` (a run that is not in it) and `control.jsonl` (one without weight decay)."""
    folder = tmp_path_factory.mktemp("forecast")
    write_table(folder / "bank.jsonl.gz", bank(seeds=1))
    write_table(folder / "run.jsonl", [made("my-run", 77)])
    write_table(folder / "control.jsonl", [made("control", 77, wd=0.0)])
    return folder


def forecast(folder: Path, *arguments: str) -> Outcome:
    return grokscope("forecast", *arguments, folder=folder)


def forecast_json(folder: Path, *arguments: str) -> Any:
    done = forecast(folder, *arguments, "--json")
    assert done.code == ExitCode.FINISHED, done.err
    return done.json


class TestRun:
    def test_says_whether_and_when(self, folder: Path) -> None:
        done = forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=1000")
        assert done.code == ExitCode.FINISHED
        lines = done.out.splitlines()
        assert lines[0] == "my-run: step 1,000 of 6,000, test loss has turned"
        assert lines[1].startswith("probability  0.")
        assert lines[2].startswith("grok step    1,")
        assert lines[3].startswith("interval     1,")
        assert any(line.startswith("chosen: ") for line in lines)
        assert lines[-2:] == [
            "calibrated on bank.jsonl.gz: 27 runs, 15 grokked",
            "left out: 1 of the bank's runs, because they have this run's configuration",
        ]
        assert all(len(line) <= 100 for line in lines)

    def test_the_same_as_json(self, folder: Path) -> None:
        said = forecast_json(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=1000")
        assert (said["run"], said["step"], said["budget"], said["grokked_step"]) == ("my-run", 1000, 6000, None)
        assert said["interval"]["low"] <= said["grok_step"] <= said["interval"]["high"]
        assert said["interval"]["level"] == 0.9
        assert said["lead_steps"] == said["grok_step"] - 1000
        assert said["candidates"][said["law"]] == said["grok_step"]
        assert (said["bank"]["runs"], said["bank"]["left_out"]) == (27, 1)
        true = read_trajectories(folder / "run.jsonl")[0].grok_step
        assert true is not None
        assert said["grok_step"] == pytest.approx(true, rel=0.15)

    def test_abstains_with_a_reason(self, folder: Path) -> None:
        for arguments, reason in (
            (["run.jsonl"], "already grokked at step 1,"),
            (["run.jsonl", "--at=50"], "too early: fewer than 4 evaluations"),
            (["control.jsonl", "--at=2000"], "grokking within the budget is unlikely"),
            (["control.jsonl"], "the budget is used up"),
        ):
            done = forecast(folder, *arguments, "--bank=bank.jsonl.gz")
            assert done.code == ExitCode.FINISHED
            assert f"no forecast  {reason}" in done.out
            assert "grok step    " not in done.out

    def test_a_bank_that_is_not_there(self, folder: Path) -> None:
        (folder / "words").write_text("root:x:0:0")
        for file, message in (("none.jsonl", "none.jsonl"), ("words", "words, line 1")):
            for arguments in (("run.jsonl", "--at=1000"), ("run.jsonl",), ("--backtest",)):
                done = forecast(folder, *arguments, f"--bank={file}")
                assert done.code == ExitCode.USAGE
                assert message in done.err
                assert done.err.count("\n") == 1
                assert done.out == ""

    def test_a_bank_is_refused_before_anything_is_trained(self, nursery: Nursery, tmp_path: Path) -> None:
        done = nursery.run(*tiny("modular", "--name=r", "--set=forecast.bank=none.jsonl"), folder=tmp_path)
        assert done.code == ExitCode.USAGE
        assert "forecast.bank: cannot read the bank none.jsonl" in done.err
        assert not (tmp_path / "runs/r").exists()

    def test_a_run_is_asked_by_its_own_bank(self, nursery: Nursery, folder: Path, tmp_path: Path) -> None:
        shutil.copy(folder / "bank.jsonl.gz", tmp_path / "own.jsonl.gz")
        run = tiny("modular", "--name=r", "--steps=60", "--set=forecast.bank=own.jsonl.gz", "--quiet")
        assert nursery.run(*run, folder=tmp_path).code == ExitCode.FINISHED
        assert "calibrated on own.jsonl.gz" in forecast(tmp_path, "r", "--at=50").out
        assert "calibrated on modular.jsonl.gz" not in forecast(tmp_path, "r", "--at=50").out

    def test_one_run_of_a_table(self, folder: Path, tmp_path: Path) -> None:
        write_table(tmp_path / "theirs.jsonl", [made("a", 1), made("b", 2)])
        many = forecast(tmp_path, "theirs.jsonl")
        assert many.code == ExitCode.USAGE
        assert "name one, as theirs.jsonl/a" in many.err
        assert forecast(tmp_path, "theirs.jsonl/b", "--at=1000").out.startswith("b: step 1,000 ")

    def test_beyond_its_last_step(self, folder: Path) -> None:
        done = forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=999999")
        assert done.code == ExitCode.FINISHED
        assert "has come to step 1," in done.err
        assert "not step 999,999" in done.err
        assert forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=1000").err == ""

    def test_a_run_that_grokked_has(self, folder: Path) -> None:
        assert forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz").out.splitlines()[0].endswith(" of 6,000, grokked")

    def test_a_table_without_a_choice_has_no_legend(self, folder: Path) -> None:
        done = forecast(folder, "control.jsonl", "--bank=bank.jsonl.gz", "--at=2000")
        assert "law " in done.out
        assert "chosen:" not in done.out

    def test_an_unfamiliar_run(self, folder: Path) -> None:
        run = made("strange", 77, groks=False, operation="x3_xy")
        facts = {**run.facts, "task.modulus": 13, "model.width": 16}
        write_table(folder / "strange.jsonl", [replace(run, facts=facts)])
        lines = forecast(folder, "strange.jsonl", "--bank=bank.jsonl.gz", "--at=4000").out.splitlines()
        assert len(lines) == 3
        assert lines[1].startswith(
            "no forecast  unlike every run it was calibrated on: model.width 16 (unset in the bank), "
        )

    def test_a_run_directory(self, made_runs: Path) -> None:
        said = forecast_json(made_runs, "made")
        assert said["abstained"] == "already grokked"
        assert said["grokked_step"] == 800

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], ExitCode.USAGE, "name one run"),
            (["run.jsonl", "control.jsonl"], ExitCode.USAGE, "name one run"),
            (["bank.jsonl.gz"], ExitCode.USAGE, "holds 28 runs"),
            (["run.jsonl", "-o", "x.jsonl"], ExitCode.USAGE, "-o is for --build-bank"),
            (["nothing"], ExitCode.NO_RUN, "no run"),
            (["--backtest", "run.jsonl", "--bank=bank.jsonl.gz"], ExitCode.USAGE, "--backtest takes"),
            (["--build-bank", "run.jsonl"], ExitCode.USAGE, "-o FILE"),
            (["--build-bank", "run.jsonl", "-o", "bank.csv"], ExitCode.USAGE, "*.jsonl"),
        ],
    )
    def test_refusals(self, folder: Path, arguments: list[str], code: ExitCode, message: str) -> None:
        done = forecast(folder, *arguments)
        assert done.code == code
        assert message in done.err
        assert done.out == ""


class TestBacktest:
    def test_one_table_after_the_other(self, folder: Path) -> None:
        done = forecast(folder, "--backtest", "--bank=bank.jsonl.gz")
        assert done.code == ExitCode.FINISHED
        lines = done.out.splitlines()
        assert lines[0].startswith("modular: 28 runs in 28 configurations, 16 grokked.")
        assert all(len(line) <= 100 for line in lines)
        heads = (
            "Error of the grok step, by fraction of it",
            "Error of the grok step, by step",
            "Intervals of 90 %",
            "Probability of grokking within the budget",
            "Probabilities given, and what came true",
        )
        assert set(heads) <= set(lines)

    def test_where_nothing_grokked(self, folder: Path) -> None:
        done = forecast(folder, "--backtest", "control.jsonl")
        assert (done.code, done.err) == (ExitCode.FINISHED, "")
        assert (
            done.out.splitlines()[0] == "skipped: modular, by configuration: none of these 1 finished runs has grokked"
        )

    def test_json(self, folder: Path) -> None:
        said = forecast_json(folder, "--backtest", "bank.jsonl.gz")
        first, second = said["backtests"]["modular"]
        assert (first["left_out"], second["left_out"]) == ("configuration", "operation")
        assert {"errors", "errors_by_step", "coverage", "odds", "reliability", "reasons"} <= first.keys()

    def test_too_few_runs(self, folder: Path) -> None:
        done = forecast(folder, "--backtest", "run.jsonl")
        assert done.code == ExitCode.FINISHED
        assert "skipped: modular, by configuration: a backtest leaves out" in done.out


class TestBank:
    def test_is_built_and_used(self, folder: Path, made_runs: Path) -> None:
        done = forecast(folder, "--build-bank", "bank.jsonl.gz", str(made_runs / "runs"), "-o", "mine.jsonl.gz")
        assert done.code == ExitCode.FINISHED
        assert done.out == ""
        assert "mine.jsonl.gz: 29 runs, 17 grokked" in done.err
        assert len(read_trajectories(folder / "mine.jsonl.gz")) == 29
        said = forecast_json(folder, "run.jsonl", "--bank=mine.jsonl.gz", "--at=1000")
        assert said["bank"]["runs"] == 28
        assert "too few" not in done.err

    def test_says_what_was_left_out(self, folder: Path) -> None:
        runs = [made("whole", 1), made("open", 2).until(600)]
        write_table(folder / "some.jsonl", runs)
        done = forecast(folder, "--build-bank", "some.jsonl", "-o", "few.jsonl")
        assert "few.jsonl: 1 runs, 1 grokked" in done.err
        assert "too few for any forecast: 1 grokked, and a law takes 3" in done.err
        assert "left out: 1 neither grokked nor used up their budget" in done.err
        write_table(folder / "open.jsonl", runs[1:])
        done = forecast(folder, "--build-bank", "open.jsonl", "-o", "none.jsonl")
        assert done.code == ExitCode.USAGE

    def test_warns_of_too_few_and_refuses_none(self, folder: Path) -> None:
        write_table(folder / "four.jsonl", [made(str(lr), 1, lr=lr) for lr in LRS])
        done = forecast(folder, "--build-bank", "four.jsonl", "-o", "small.jsonl")
        assert done.code == ExitCode.FINISHED
        assert "too few for an interval: 4 of 9 configurations that grokked" in done.err
        write_table(folder / "never.jsonl", [made("never", 1, groks=False)])
        done = forecast(folder, "--build-bank", "never.jsonl", "-o", "useless.jsonl")
        assert done.code == ExitCode.USAGE
        assert "none of these 1 runs has grokked" in done.err
        assert not (folder / "useless.jsonl").exists()


def test_a_run_carries_its_forecasts(nursery: Nursery, folder: Path, tmp_path: Path) -> None:
    bank_file = f"--set=forecast.bank={folder / 'bank.jsonl.gz'}"
    done = nursery.run(*tiny("modular", "--steps=60", "--json", bank_file), folder=tmp_path)
    said = [event for event in done.lines if event["event"] == "forecast"]
    assert said[0]["abstained"] == "too early: fewer than 4 evaluations"
    assert [event["step"] for event in said][:2] == [0, 30]
    for event in said:
        jsonschema.validate(event, event_schema())
