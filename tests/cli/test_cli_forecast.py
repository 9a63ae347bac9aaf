"""`grokscope forecast` from the outside: a run, a backtest, a bank."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_process import Nursery, Outcome, grokscope, tiny
from forecast_made import bank, made

from grokscope.cli.exits import ExitCode
from grokscope.events import event_schema
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.tables import table_digest, write_table

LRS = (1e-3, 2e-3, 3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `bank.jsonl.gz`, `run.jsonl` (a run that is not in it) and `control.jsonl` (one without weight decay)."""
    folder = tmp_path_factory.mktemp("forecast")
    write_table(folder / "bank.jsonl.gz", bank(lrs=LRS))
    write_table(folder / "run.jsonl", [made("my-run", 77, fraction=0.45)])
    write_table(folder / "control.jsonl", [made("control", 77, wd=0.0)])
    return folder


def forecast(folder: Path, *arguments: str) -> Outcome:
    return grokscope("forecast", *arguments, folder=folder)


def forecast_json(folder: Path, *arguments: str) -> Any:
    done = forecast(folder, *arguments, "--json")
    assert done.code == ExitCode.FINISHED, done.err
    return done.json


@pytest.mark.parametrize("preset", ["quick", "small"])
def test_the_first_commands_have_a_bank(folder: Path, preset: str) -> None:
    """As a newcomer types them: the shipped bank has runs of their size, and says from which step on it knows."""
    first = ("run", "modular", f"--preset={preset}", "--runs=first", "--steps=1", "--json")
    done = grokscope(*first, "--set=measure.samples=1", "--set=measure.baseline_samples=1", folder=folder)
    assert done.code == ExitCode.FINISHED, done.err
    said = forecast_json(folder, "latest", "--runs=first", "--at=0")
    assert {said["generalizes"]["refusal"], said["reaches"]["refusal"]} == {"not-yet"}, said
    assert (said["when"]["refusal"], said["when"]["law"]) == (None, "lr·wd")


class TestRun:
    def test_says_whether_and_when(self, folder: Path) -> None:
        done = forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=1100")
        assert done.code == ExitCode.FINISHED
        lines = done.out.splitlines()
        assert lines[0] == "my-run: step 1,100 of 6,000, decay time 2.20"
        assert [line.split()[0] for line in lines[1:6]] == ["generalizes", "groks", "when", "interval", "rests"]
        assert "within the budget" in lines[2]
        assert " if it groks" in lines[3]
        assert lines[5].endswith("elasticity and training loss")
        assert lines[6].startswith("rivals")
        assert lines[7].startswith("calibrated on bank.jsonl.gz (")
        assert lines[7].endswith("): 60 runs, 30 grokked")
        assert all(len(line) <= 100 for line in lines)

    def test_the_same_as_json(self, folder: Path) -> None:
        said = forecast_json(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=1100")
        assert (said["run"], said["step"], said["budget"], said["grokked_step"]) == ("my-run", 1100, 6000, None)
        when = said["when"]
        assert when["interval"]["low"] <= when["grok_step"] <= when["interval"]["high"]
        assert when["interval"]["level"] == 0.9
        assert when["lead_steps"] == when["grok_step"] - 1100
        assert 0.5 < said["reaches"]["probability"] <= said["generalizes"]["probability"] < 1
        assert said["bank"]["digest"] == table_digest(folder / "bank.jsonl.gz")
        assert (said["bank"]["name"], said["bank"]["runs"], said["bank"]["left_out"]) == ("bank.jsonl.gz", 60, 0)
        true = read_trajectories(folder / "run.jsonl")[0].grok_step
        assert true is not None
        assert when["grok_step"] == pytest.approx(true, rel=0.1)

    def test_a_run_of_the_bank_is_told_by_the_others(self, folder: Path) -> None:
        name = bank()[7].name
        done = forecast(folder, f"bank.jsonl.gz/{name}", "--bank=bank.jsonl.gz", "--at=1100")
        assert "left out: 1 of the bank's runs, because they have this run's configuration" in done.out

    def test_each_refusal_says_what_is_missing(self, folder: Path) -> None:
        for arguments, refusal, words in (
            (["run.jsonl", "--at=300"], "not-yet", "cannot be known yet: not before step "),
            (["control.jsonl", "--at=2000"], "no-clock", "without weight decay nothing shrinks the weights"),
        ):
            done = forecast(folder, *arguments, "--bank=bank.jsonl.gz")
            assert done.code == ExitCode.FINISHED
            assert words in done.out
            said = forecast_json(folder, *arguments, "--bank=bank.jsonl.gz")
            assert said["reaches"]["refusal"] == refusal
            assert said["reaches"]["probability"] is None
        assert forecast_json(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=300")["not_before_step"] > 300

    def test_what_is_over(self, folder: Path) -> None:
        done = forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz")
        assert ", grokked at step 2," in done.out.splitlines()[0]
        assert "yes, it has" in done.out
        assert "the budget is used up" in forecast(folder, "control.jsonl", "--bank=bank.jsonl.gz").out

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

    def test_one_run_of_a_table(self, folder: Path, tmp_path: Path) -> None:
        write_table(tmp_path / "theirs.jsonl", [made("a", 1), made("b", 2)])
        many = forecast(tmp_path, "theirs.jsonl")
        assert many.code == ExitCode.USAGE
        assert "name one, as theirs.jsonl/a" in many.err
        assert forecast(tmp_path, "theirs.jsonl/b", "--at=1000").out.startswith("b: step 1,000 ")

    def test_beyond_its_last_step(self, folder: Path) -> None:
        done = forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=999999")
        assert done.code == ExitCode.FINISHED
        assert "has come to step 2," in done.err
        assert "not step 999,999" in done.err
        assert forecast(folder, "run.jsonl", "--bank=bank.jsonl.gz", "--at=1000").err == ""

    def test_an_unfamiliar_run(self, folder: Path) -> None:
        run = made("strange", 77, elasticity=0.05)
        facts = {**run.facts, "task.modulus": 13, "model.width": 16}
        write_table(folder / "strange.jsonl", [replace(run, facts=facts)])
        lines = forecast(folder, "strange.jsonl", "--bank=bank.jsonl.gz", "--at=4000").out.splitlines()
        assert lines[1] == (
            "no forecast  outside of the bank: model.width 16 (the bank has 64), task.modulus 13 (the bank has 59)"
        )

    def test_a_run_directory(self, made_runs: Path) -> None:
        said = forecast_json(made_runs, "made")
        assert said["when"]["refusal"] == "grokked"
        assert said["grokked_step"] == 800

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], ExitCode.USAGE, "name one run"),
            (["run.jsonl", "control.jsonl"], ExitCode.USAGE, "name one run"),
            (["bank.jsonl.gz"], ExitCode.USAGE, "holds 60 runs"),
            (["run.jsonl", "-o", "x.jsonl"], ExitCode.USAGE, "-o and --signal are for"),
            (["run.jsonl", "--leave-out", "lr"], ExitCode.USAGE, "--leave-out is for --backtest"),
            (["nothing"], ExitCode.NO_RUN, "no run"),
            (["--backtest", "run.jsonl", "--bank=bank.jsonl.gz", "--leave-out=lr"], ExitCode.USAGE, "no --leave-out"),
            (["--backtest", "--at=5"], ExitCode.USAGE, "takes no --at"),
            (["--backtest", "run.jsonl", "--leave-out", "mood"], ExitCode.USAGE, "'mood' is none of configuration, lr"),
            (["--backtest", "run.jsonl", "--leave-out", "lr+"], ExitCode.USAGE, "'' is none of configuration, lr"),
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
        done = forecast(folder, "--backtest", "--bank=bank.jsonl.gz", "--leave-out", "configuration")
        assert done.code == ExitCode.FINISHED
        lines = done.out.splitlines()
        assert lines[0].startswith("modular: 60 runs with weight decay in 60 configurations, 30 grokked.")
        heads = ("Whether, with each configuration left out", "When, with each configuration left out")
        assert set(heads) <= set(lines)
        assert "Against lr · wd alone the grok step is nearer beyond the noise at 0.4, 0.5" in " ".join(lines)

    def test_two_splits_together(self, folder: Path) -> None:
        done = forecast(folder, "--backtest", "bank.jsonl.gz", "--leave-out", "operation+fraction")
        assert done.code == ExitCode.FINISHED
        assert "Left out in turn: each operation and fraction of 20." in " ".join(done.out.split())
        assert "Of 30 runs whose test accuracy came half way up," in " ".join(done.out.split())

    def test_where_nothing_grokked(self, folder: Path) -> None:
        done = forecast(folder, "--backtest", "control.jsonl")
        assert (done.code, done.err) == (ExitCode.FINISHED, "")
        assert done.out.splitlines()[0].startswith("skipped: modular: of these 1 runs none has")

    def test_json(self, folder: Path) -> None:
        said = forecast_json(folder, "--backtest", "bank.jsonl.gz", "--leave-out", "operation", "--leave-out=fraction")
        first, second = said["backtests"]["modular"]
        assert (first["splits"], second["splits"]) == (["operation"], ["fraction"])
        assert {"chances", "dates", "reliability", "refusals"} <= first.keys()

    def test_runs_that_are_not_in_the_bank(self, folder: Path, tmp_path: Path) -> None:
        new = [made(f"new-{e}", 5, elasticity=e, fraction=0.33, lr=1.5e-3) for e in (0.05, 0.1, 0.25, 0.5)]
        write_table(tmp_path / "new.jsonl", new)
        done = forecast(tmp_path, "--backtest", "new.jsonl", "--bank", str(folder / "bank.jsonl.gz"))
        assert done.code == ExitCode.FINISHED, done.err
        assert done.out.startswith("modular: 4 runs with weight decay in 1 configuration, 2 grokked. None is in the")
        said = forecast_json(tmp_path, "--backtest", "new.jsonl", "--bank", str(folder / "bank.jsonl.gz"))
        (tested,) = said["backtests"]["modular"]
        scores = {each["part"]: each for each in tested["chances"] if each["question"] == "reaches"}
        assert (scores[0.5]["answered"], scores[0.5]["came"]) == (4, 2)
        assert (scores[0.5]["false_alarms"], scores[0.5]["misses"]) == (0, 0)
        assert tested["splits"] == []

    def test_one_group(self, folder: Path) -> None:
        done = forecast(folder, "--backtest", "run.jsonl")
        assert done.code == ExitCode.FINISHED
        assert "skipped: modular: a backtest leaves out one configuration after the" in done.out


class TestBank:
    def test_is_built_and_used(self, folder: Path, made_runs: Path) -> None:
        done = forecast(folder, "--build-bank", "bank.jsonl.gz", str(made_runs / "runs"), "-o", "mine.jsonl.gz")
        assert done.code == ExitCode.FINISHED
        assert done.out == ""
        assert "mine.jsonl.gz: 61 runs, 31 grokked" in done.err
        assert len(read_trajectories(folder / "mine.jsonl.gz")) == 61
        said = forecast_json(folder, "run.jsonl", "--bank=mine.jsonl.gz", "--at=1000")
        assert (said["bank"]["runs"], said["bank"]["of_no_use"]) == (61, 0)
        assert "too few" not in done.err

    def test_a_run_that_no_table_takes_is_left_out(self, folder: Path, made_runs: Path) -> None:
        """Its bank could not be read again, by any command."""
        log = made_runs / "runs" / "made" / "events.jsonl"
        events = [json.loads(line) for line in log.read_text().splitlines()]
        for event in events:
            if event["event"] == "evaluated":
                event["test"]["accuracy"] *= 100
        odd = folder / "odd"
        odd.mkdir()
        (odd / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        done = forecast(folder, "--build-bank", str(odd), str(log.parent), "-o", "mine.jsonl")
        assert done.code == ExitCode.FINISHED
        assert f"{odd} is left out: test_accuracy lies between 0 and 1\n" in done.err
        assert len(read_trajectories(folder / "mine.jsonl")) == 1

    def test_says_what_was_left_out(self, folder: Path) -> None:
        runs = [made("whole", 1), made("open", 2).until(600)]
        write_table(folder / "some.jsonl", runs)
        done = forecast(folder, "--build-bank", "some.jsonl", "-o", "few.jsonl")
        assert "few.jsonl: 1 runs, 1 grokked" in done.err
        assert "too few for any grok step: 1 grokked, and one takes 3" in done.err
        assert "left out: 1 neither grokked nor used up their budget" in done.err
        write_table(folder / "open.jsonl", runs[1:])
        done = forecast(folder, "--build-bank", "open.jsonl", "-o", "none.jsonl")
        assert done.code == ExitCode.USAGE

    def test_warns_of_too_few_and_refuses_none(self, folder: Path) -> None:
        write_table(folder / "four.jsonl", [made(str(lr), 1, lr=lr) for lr in (1e-3, 1.5e-3, 2e-3, 3e-3)])
        done = forecast(folder, "--build-bank", "four.jsonl", "-o", "small.jsonl")
        assert done.code == ExitCode.FINISHED
        assert "too few for an interval: 4 of 9 configurations that grokked" in done.err
        write_table(folder / "never.jsonl", [made("never", 1, elasticity=0.05)])
        done = forecast(folder, "--build-bank", "never.jsonl", "-o", "useless.jsonl")
        assert done.code == ExitCode.USAGE
        assert "none of these 1 runs has grokked" in done.err
        assert not (folder / "useless.jsonl").exists()


def test_a_run_carries_its_forecasts(nursery: Nursery, folder: Path, tmp_path: Path) -> None:
    bank_file = f"--set=forecast.bank={folder / 'bank.jsonl.gz'}"
    done = nursery.run(*tiny("modular", "--steps=60", "--json", bank_file), folder=tmp_path)
    said = [event for event in done.lines if event["event"] == "forecast"]
    assert said[0]["step"] == 0
    assert said[0]["reaches"]["refusal"] == "outside-bank", "tiny runs are smaller than those of the bank"
    for event in said:
        jsonschema.validate(event, event_schema())
