"""Tables of trajectories: written, read, and refused in one sentence where anything about them is not right."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from warning_made import jump, made

from grokscope.runs.directory import NoSuchRun
from grokscope.warning import tables
from grokscope.warning.detection import detections
from grokscope.warning.forecast.bank import tables_of
from grokscope.warning.tables import read_table, table_digest, write_table
from grokscope.warning.trajectory import Trajectory


def two() -> list[Trajectory]:
    nan = float("nan")
    defect = [1 / 3, nan, *[2e-30] * 9]
    first = made(
        "a", defect=defect, test_accuracy=jump(300), grok_step=300, grok_known_at=500, facts={"optimizer.lr": 1e-3}
    )
    return [first, made("b", budget=200)]


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_it_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    digest = write_table(tmp_path / name, two())
    assert digest == write_table(tmp_path / f"again-{name}", two()) == table_digest(tmp_path / name)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()
    a, b = read_table(tmp_path / name)
    assert (a.name, a.task, dict(a.facts)) == ("a", "made", {"optimizer.lr": 1e-3})
    assert (a.grok_step, a.grok_known_at) == (300, 500)
    assert (b.grok_step, b.grok_known_at, b.steps, b.budget) == (None, None, 200, 200)
    np.testing.assert_allclose(a.columns["defect"], two()[0].columns["defect"], rtol=1e-6)
    assert detections(a)["grokked"] is not None


def test_runs_of_one_name_stay_different_runs(tmp_path: Path) -> None:
    write_table(tmp_path / "table.jsonl", [made("a"), made("b"), made("a")])
    assert len({run.place for run in read_table(tmp_path / "table.jsonl")}) == 3


@pytest.mark.parametrize("file", tables_of(), ids=lambda file: file.name)
def test_tables_of_carry_their_digest(file: Path) -> None:
    head = json.loads(gzip.decompress(file.read_bytes()).partition(b"\n")[0])
    assert (head["v"], head["runs"]) == (tables.VERSION, len(read_table(file)))
    assert head["sha256"] == table_digest(file)


def what_is_read(file: Path) -> tuple[bool, str]:
    """Whether a table was read, and its runs or the refusal."""
    try:
        return True, str([vars(run) for run in read_table(file)])
    except NoSuchRun as problem:
        return False, str(problem)


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_no_flipped_bit_and_no_lost_byte_is_believed(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write_table(file, two())
    whole, (_, whole_runs) = file.read_bytes(), what_is_read(file)
    chance = random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        for data in (bytes(damaged), whole[: chance.randrange(len(whole))]):
            file.write_bytes(data)
            read, found = what_is_read(file)
            assert found == whole_runs if read else "\n" not in found, "gzip's note of the time may differ, no number"


def line(**changes: Any) -> str:
    columns = {"step": [0, 100], "test_accuracy": [0.1, 0.2]}
    record = {
        "name": "a", "task": "made", "facts": {}, "grok_step": None, "grok_known_at": None, "steps": 100, "budget": 100,
        "columns": columns,
    }  # fmt: skip
    return json.dumps({**record, **changes})


def test_tables_of_the_first_version_are_read(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text(f"{line()}\n\n{line(name='b')}\n")
    assert [run.name for run in read_table(tmp_path / "old.jsonl")] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "holds no trajectory"),
        ("{", "line 1 is no trajectory"),
        ("[1]", "line 1 is no trajectory"),
        ("{}", "line 1 is no trajectory: name"),
        ("[" * 100_000, "line 1 is no trajectory"),
        (line(name=3), "name: input should be a valid string"),
        (line(facts={"optimizer.lr": [1]}), "facts"),
        (line(facts={"optimizer.lr": True}), "facts"),
        (line(steps=-1), "steps"),
        (line(steps=10**400), "steps"),
        (line(grok_step=500), "grokked behind its last step"),
        (line(columns={"step": [0]}, grok_step=80, grok_known_at=40), "grokked behind"),
        (line(columns={"test_accuracy": [0.5]}), "a trajectory has a column `step`"),
        (line(columns={"step": [0, None]}), "a record has no step"),
        (line(columns={"step": [100, 0]}), "steps ascend"),
        (line(columns={"step": [0, 1], "defect": [1]}), "columns differ in length"),
        (line(columns={"step": [0], "test_accuracy": [98.0]}), "test_accuracy lies between 0 and 1"),
        (line(columns={"step": ["0"]}), "columns"),
        (line().replace("0.2", "NaN"), "columns"),
        ('{"format": "grokscope trajectories", "v": 3, "runs": 1, "sha256": ""}', "has a head that this version"),
        ('{"format": "words"}', "has a head that this version"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "table.jsonl"
    file.write_text(text)
    with pytest.raises(NoSuchRun, match=wrong) as problem:
        read_table(file)
    assert len(str(problem.value)) < 400


def test_lines_exchanged_or_left_out_are_damage(tmp_path: Path) -> None:
    file = tmp_path / "table.jsonl"
    write_table(file, two())
    head, a, b = file.read_text().splitlines(keepends=True)
    for lines in ((head, b, a), (head, a), (head, a, b, b), (head, a, b, "\n")):
        file.write_text("".join(lines))
        with pytest.raises(NoSuchRun, match=r"damaged|no trajectory"):
            read_table(file)


def test_a_decompression_bomb_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST_TABLE", 1 << 20)
    for data in (bytes(1 << 22), b"\n" * (1 << 22), line().encode() + b"\n" + b" " * (1 << 22)):
        (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(data))
        with pytest.raises(NoSuchRun, match=r"larger than 1 MiB|no trajectory"):
            read_table(tmp_path / "bomb.jsonl.gz")


@pytest.mark.parametrize("data", [b"", b"no gzip at all", gzip.compress(line().encode(), mtime=0)[:-9]])
def test_what_is_not_compressed_as_it_says(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "table.jsonl.gz").write_bytes(data)
    with pytest.raises(NoSuchRun, match=r"cannot read|damaged|holds no trajectory"):
        read_table(tmp_path / "table.jsonl.gz")


def test_a_folder_or_nothing_is_no_table(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(NoSuchRun, match="is no file"):
            read_table(path)
