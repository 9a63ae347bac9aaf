"""Tables in Parquet, written by polars, also as trackio writes them; and trackers that count their own records."""

import sqlite3
import sys
from typing import Any

import polars
import pytest
from imports_made import RECORDS, STEPS, Imports, is_usual, jsonl

from grokscope.contract.backends import Unavailable
from grokscope.imports.sheets import Unimportable


def tracked(run: str, name: str) -> list[dict[str, Any]]:
    """The metrics of a run as trackio has them: `step` is the number of a record, unless somebody has said a step."""
    return [
        {"run_id": run, "run_name": name, "timestamp": f"2026-11-28T14:46:{number:02}", "step": number,
         "train": {"acc": record["train_acc"]}, "val/acc": record["test_acc"], "train/global_step": record["step"]}
        for number, record in enumerate(RECORDS)
    ]  # fmt: skip


def test_a_table_is_a_run(imports: Imports) -> None:
    polars.DataFrame(RECORDS).write_parquet(imports.files / "mine.parquet")
    [run] = imports.take(imports.files)
    assert is_usual(run)
    assert imports.names() == ["files/mine"]


def test_trackio_s_table_is_a_run_each(imports: Imports) -> None:
    """Its settings stand beside it, and the steps are those of the loop."""
    polars.DataFrame([*tracked("k1", "s0"), *tracked("k2", "s1")]).write_parquet(imports.files / "grok.parquet")
    polars.DataFrame([{"run_id": "k1", "lr": 1e-3}, {"run_id": "k2", "lr": 1e-2}]).write_parquet(
        imports.files / "grok_configs.parquet"
    )
    runs = imports.take(imports.files)
    assert all(map(is_usual, runs))
    assert imports.names() == ["files/grok-s0", "files/grok-s1"]
    assert [run.facts["optimizer.lr"] for run in runs] == [1e-3, 1e-2]


def test_a_copy_of_a_database_is_not_a_second_run(imports: Imports) -> None:
    polars.DataFrame(RECORDS).write_parquet(imports.files / "grok.parquet")
    sqlite3.connect(imports.files / "grok.db").close()
    imports.file("mine.jsonl", jsonl(*RECORDS))
    [run] = imports.take(imports.files)
    assert imports.names() == ["files/mine"]
    assert is_usual(run)


def test_a_damaged_table_is_refused(imports: Imports) -> None:
    with pytest.raises(Unimportable, match=r"mine\.parquet cannot be read as Parquet: "):
        imports.one("mine.parquet", b"PAR1 nonsense PAR1")


def test_without_a_reader_it_says_what_to_do(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pyarrow", "pyarrow.parquet", "polars"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unavailable, match=r"mine\.parquet needs pyarrow or polars, .*: pip install pyarrow; or give"):
        imports.one("mine.parquet", b"PAR1")


def test_the_step_of_a_loop_stands_before_a_tracker_s_own_count(imports: Imports) -> None:
    """As Lightning and Hugging Face tell it to Weights & Biases. Where a record has none, it is asked for."""
    rows = [
        {"_step": number, "trainer/global_step": row.pop("step"), **row}
        for number, row in enumerate(map(dict, RECORDS))
    ]
    assert is_usual(imports.one("history.jsonl", jsonl(*rows)))
    del rows[3]["trainer/global_step"]
    with pytest.raises(Unimportable, match="line 4: trainer/global_step is empty"):
        imports.one("holed.jsonl", jsonl(*rows))
    run = imports.one("holed.jsonl", jsonl(*rows), columns={"step": "_step"})
    assert run.signal("test_accuracy")[0].tolist() == [*range(len(STEPS))]


def test_the_file_that_comes_closest_is_the_one_that_is_named(imports: Imports) -> None:
    imports.file("checkpoint/config.json", '{"architectures": ["GPT2"], "n_embd": 16}')
    imports.file("checkpoint/trainer_state.json", jsonl({"log_history": [{"step": 5, "eval_loss": 1.0, "loss": 2.0}]}))
    with pytest.raises(Unimportable, match=r"^trainer_state\.json: no column is known as test_accuracy"):
        imports.take(imports.files)


def test_a_document_without_a_table_says_so(imports: Imports) -> None:
    with pytest.raises(Unimportable, match=r"it holds no table$"):
        imports.one("all.json", '{"run/train/acc": [[1795877011.2, 0, 0.1]]}')


def test_a_folder_without_a_table_says_what_would_be_one(imports: Imports) -> None:
    with pytest.raises(Unimportable, match=r"\*\.parquet"):
        imports.take(imports.files)
