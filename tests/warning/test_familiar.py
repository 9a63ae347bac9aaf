"""Facts that differ are refused in words; facts that nobody states are unknown, and refuse nobody."""

import pytest

from grokscope.warning.forecast.familiar import fact_in_words, is_complete, known_settings, outside
from grokscope.warning.trajectory import ORIGIN, Fact

OURS: dict[str, Fact] = {"optimizer.lr": 1e-3, "optimizer.wd": 1.0, "model.width": 64, "task.operation": "add"}
FASTER = OURS | {"optimizer.lr": 3e-3}
THEIRS: dict[str, Fact] = {ORIGIN: "import", "optimizer.lr": 2e-3}
BANK = [OURS, FASTER]


def differing(bank: list[dict[str, Fact]], facts: dict[str, Fact]) -> dict[str, Fact | None]:
    return dict(outside(known_settings(bank), facts, complete=any(map(is_complete, bank))))


def test_what_a_foreign_run_does_not_state_is_unknown() -> None:
    assert differing(BANK, THEIRS) == {}
    assert differing(BANK, {ORIGIN: "own loop"}) == {}
    assert differing(BANK, {**THEIRS, "model.width": 128}) == {"model.width": 128}
    assert differing(BANK, {**THEIRS, "task.operation": "mul"}) == {"task.operation": "mul"}
    assert differing(BANK, {**THEIRS, "dropout": 0.1}) == {"dropout": 0.1}, "our runs had none"


def test_what_a_run_of_ours_does_not_have_is_unset() -> None:
    assert differing(BANK, {key: OURS[key] for key in ("optimizer.lr", "optimizer.wd", "task.operation")}) == {
        "model.width": None
    }
    assert differing(BANK, OURS | {"task.limit": 5}) == {"task.limit": 5}


def test_of_a_bank_of_foreign_runs_little_is_known() -> None:
    theirs = [THEIRS, {**THEIRS, "optimizer.lr": 4e-3, "dropout": 0.1}]
    assert differing(theirs, OURS | {"optimizer.lr": 3e-3, "dropout": 0.1}) == {}
    assert differing(theirs, OURS | {"optimizer.lr": 1.0}) == {"dropout": None, "optimizer.lr": 1.0}
    assert differing([*theirs, OURS], {**THEIRS, "task.limit": 5}) == {"task.limit": 5}


def test_seeds_and_interventions_are_no_settings() -> None:
    assert differing(BANK, OURS | {"train.seed": 9, "task.data_seed": 3, "interventions.schedule": "kick@9"}) == {}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("optimizer.lr", 0.1, "optimizer.lr 0.1 (the bank has 0.001 to 0.003)"),
        ("optimizer.lr", 0.0015, "optimizer.lr 0.0015 (the bank has 0.001, 0.003)"),
        ("model.width", None, "model.width unset (the bank has 64)"),
        ("task.operation", "mul", "task.operation mul (the bank has add)"),
        ("task.limit", 5, "task.limit 5 (unset in the bank)"),
        ("optimizer.lr", "0 to 0.001", "optimizer.lr 0 to 0.001 (the bank has 0.001 to 0.003)"),
    ],
)
def test_in_words(key: str, value: Fact | None, words: str) -> None:
    assert fact_in_words(key, value, known_settings(BANK)) == words


def test_values_of_the_bank_stand_by_size() -> None:
    bank: list[dict[str, Fact]] = [{"task.train_size": size} for size in (50, 30, 100)]
    assert fact_in_words("task.train_size", 70, known_settings(bank)) == "task.train_size 70 (the bank has 30, 50, 100)"
