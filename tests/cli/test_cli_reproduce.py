"""`grokscope reproduce` as a process: verdicts, plans, wrong words, and runs that are stopped and continued."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from cli_process import Nursery, grokscope, until_logged


def test_a_claim_that_shipped_results_decide_needs_no_training(tmp_path: Path) -> None:
    done = grokscope("reproduce", "alpha-scan-table", "modular-kick-10", "--judge", "--json", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    table, kick = done.json["verdicts"]
    assert table["value"] == pytest.approx(1.18, abs=0.001)
    assert table["low"] < table["value"] < table["high"]
    assert table["null"]["value"] is not None
    assert (table["clusters"], table["runs"]) == (5, 11)
    assert (kick["basis"], kick["runs"]) == ("shipped results", 3)
    assert not (tmp_path / "runs").exists()


def test_one_claim_is_told_in_full(tmp_path: Path) -> None:
    done = grokscope("reproduce", "pc1-no-decay-modular", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("1 claim: 1 refuted.\n")
    for word in ("refuted", "15–30 %", "random walk", "arXiv 2602.16967", "refuted by"):
        assert word in done.out


def test_a_plan_trains_nothing(tmp_path: Path) -> None:
    done = grokscope("reproduce", "invariance", "phase-diagram", "--dry-run", "--no-timing", "--json", folder=tmp_path)
    (study,) = done.json["studies"]
    assert (study["study"], study["runs"], study["left"], study["claims"]) == ("decay-modular", 3, 3, ["invariance"])
    assert [each["claim"] for each in done.json["not_testable"]] == ["phase-diagram"]
    assert not (tmp_path / "runs").exists()
    told = grokscope("reproduce", "invariance", "--dry-run", "--no-timing", folder=tmp_path)
    assert told.out.startswith("1 claim, budget small: 3 of 3 runs are left to do\n")


def test_a_word_of_identifiers_is_all_of_them(tmp_path: Path) -> None:
    told = grokscope("reproduce", "dyck", "alpha-scan", "--dry-run", "--no-timing", folder=tmp_path)
    assert told.code == 0
    assert re.match(r"1\d claims, budget small", told.out)
    assert "effects-dyck" in told.out
    assert "effects-modular" not in told.out


def test_a_study_by_name_is_all_its_claims_also_without_any(tmp_path: Path) -> None:
    told = grokscope(
        "reproduce", "levers-dyck", "levers-s5", "--dry-run", "--no-timing", "--json", folder=tmp_path
    ).json
    assert [(each["study"], each["claims"]) for each in told["studies"]] == [
        ("levers-dyck", []),
        ("levers-s5", ["spherical-residual-s5"]),
    ]


def test_a_study_without_claims_says_its_effects(tmp_path: Path) -> None:
    done = grokscope("reproduce", "levers-dyck", "--judge", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Levers beside their controls\n")
    assert re.search(r"grokfast +dyck +3/3 +0\.\d\d \[.*grokfast-lr", done.out)


def test_an_unknown_claim_is_a_usage_error_that_names_the_nearest(tmp_path: Path) -> None:
    done = grokscope("reproduce", "grokfast-soner", folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "there is no claim 'grokfast-soner'; did you mean grokfast-sooner?" in done.err
    assert grokscope("reproduce", "--budget", "vast", folder=tmp_path).code == 2
    (tmp_path / "file").touch()
    assert grokscope("reproduce", "singular-gaps", "-o", "file", folder=tmp_path).code == 2


def test_a_page_and_tables(tmp_path: Path) -> None:
    done = grokscope("reproduce", "pc1-decay-dyck", "singular-gaps", "--judge", "-o", "out", folder=tmp_path)
    assert done.code == 0
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"report.html", "results.md", "verdicts.csv", "verdicts.md", "pc1.csv", "rules.csv"} <= written
    page = (tmp_path / "out" / "report.html").read_text()
    assert "pc1-decay-dyck" in page
    assert "singular" in page


@pytest.mark.slow
def test_stopped_and_continued(nursery: Nursery, tmp_path: Path) -> None:
    """The same command goes on where it was stopped; without training it judges what there is."""
    arguments = ("reproduce", "invariance", "--jobs=1")
    run = tmp_path / "runs" / "reproduce-decay-modular" / "decay-seed42"
    process = nursery.start(*arguments, folder=tmp_path)
    until_logged(run, "trained", after=5)
    process.signal(signal.SIGINT)
    done = process.wait()
    assert (done.code, done.out) == (130, "")
    assert "3 runs to train; --dry-run says how long they take" in done.err
    assert "interrupted; repeat the command to continue" in done.err
    stopped = json.loads((run / "events.jsonl").read_bytes().splitlines()[-1])
    assert (stopped["event"], stopped["status"]) == ("finished", "interrupted")

    process = nursery.start(*arguments, folder=tmp_path)
    again = until_logged(run, "started", after=0)
    until_logged(run, "trained", after=again["seq"])
    process.signal(signal.SIGTERM)
    assert process.wait().code == 143
    assert again["step"] > 0

    judged = grokscope("reproduce", "invariance", "--judge", "--json", folder=tmp_path).json
    assert judged["verdicts"][0]["finding"] == "undecided"
    assert os.listdir(tmp_path / "runs") == ["reproduce-decay-modular"]
