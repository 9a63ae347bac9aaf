"""Damaged tables of other people's runs: imported rightly, or refused, or what was left out is said."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from campaign import Tally, assert_sound, call, campaign, lengths
from damage import changed, of_bytes, of_encoding, of_lines, of_values
from hypothesis import strategies as st

STEPS = range(0, 2000, 100)
ROWS: list[dict[str, Any]] = [
    {"step": step, "train_accuracy": min(1.0, step / 400), "test_accuracy": float(step >= 1200), "train_loss": 2.0,
     "lr": 0.001, "seed": 1}
    for step in STEPS
]  # fmt: skip
HEAD = list(ROWS[0])


def separated(by: str) -> bytes:
    return "".join(by.join(map(str, cells)) + "\n" for cells in [HEAD, *(row.values() for row in ROWS)]).encode()


SOUND = {
    "log.csv": separated(","),
    "log.tsv": separated("\t"),
    "semicolons.csv": separated(";"),
    "log.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "trainer_state.json": json.dumps(
        {"log_history": [{"step": row["step"], "eval_accuracy": row["test_accuracy"]} for row in ROWS]}, indent=1
    ).encode(),
}
MAPPED = {"trainer_state.json": ["--column=test_accuracy=eval_accuracy"]}
SAID = """
--percent
--duplicates=first
--duplicates=last
--run-column=seed
--budget=5000
--fact-column=optimizer.lr=lr
--threshold=0.5 --consecutive=1
--column=defect=train_loss
--json
"""
OPTIONS = st.sampled_from(["", "", *SAID.strip().splitlines()]).map(str.split)
"""What may be said of such a file"""

damage = st.lists(st.one_of(of_lines, of_lines, of_values, of_bytes, of_encoding), min_size=1, max_size=3)


@lengths(100, 6000)
@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "semicolons.csv", "log.jsonl"])
def test_damaged_tables(inputs: int, name: str, tally: Tally, tmp_path: Path) -> None:
    @campaign(inputs, damage, OPTIONS)
    def _(by: list[object], options: list[str]) -> None:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        (tmp_path / name).write_bytes(changed(SOUND[name], by))
        ended = call("import", name, "--name=a", *MAPPED.get(name, []), *options, folder=tmp_path)
        tally.note(ended)
        assert_sound(ended)
        if ended.code == 0:
            law = call("law", "a", "--json", folder=tmp_path)
            assert_sound(law)
            assert law.code == 0, str(law)


@lengths(40, 2000)
def test_a_lost_row_is_said(inputs: int, tally: Tally, tmp_path: Path) -> None:
    """Of lines that are damaged in no other way than being no rows any more, each is counted or refused."""
    junk = st.sampled_from([b"1,2", b"x" * 50, b'"', b"\xff\xfe", b"1,2,3,4,5,6,7", b"NaN,1,1,1,1,1", b"-5,1,1,1,1,1"])

    @campaign(inputs, st.sampled_from(["log.csv", "log.jsonl"]), st.integers(1, len(STEPS)), junk)
    def _(name: str, at: int, by: bytes) -> None:
        lines = SOUND[name].splitlines()
        lines[at % len(lines) or 1] = by
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        (tmp_path / name).write_bytes(b"\n".join(lines) + b"\n")
        ended = call("import", name, "--name=a", folder=tmp_path)
        tally.note(ended)
        assert_sound(ended)
        assert ended.err, str(ended)
