"""Generous about form: whatever a logger leaves behind is the same run."""

import gzip
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from imports_made import RECORDS, STEPS, TEST, TRAIN, Imports, column, csv, is_usual, jsonl

from grokscope.imports import delimited, sheets
from grokscope.imports.sheets import Unimportable

PLAIN = csv("step,train_acc,test_acc", STEPS, TRAIN, TEST)
LISTS = {"step": STEPS, "train_acc": TRAIN, "test_acc": TEST}


def decimal_commas(text: str) -> str:
    return text.replace(",", ";").replace(".", ",")


FORMS: dict[str, tuple[str, str | bytes]] = {
    "commas": ("r.csv", PLAIN),
    "tabs": ("r.tsv", PLAIN.replace(",", "\t")),
    "semicolons": ("r.csv", PLAIN.replace(",", ";")),
    "semicolons and decimal commas": ("r.csv", decimal_commas(PLAIN)),
    "tabs and decimal commas": ("r.tsv", decimal_commas(PLAIN).replace(";", "\t")),
    "spaces and decimal commas": ("r.txt", decimal_commas(PLAIN).replace(";", " ")),
    "percent signs": ("r.csv", "step,train_acc,test_acc\n" + "".join(
        f"{s},{a},{100 * b:.10g} %\n" for s, a, b in zip(STEPS, TRAIN, TEST, strict=True)
    )),
    "spaces": ("r.txt", PLAIN.replace(",", "   ")),
    "quotes": ("r.csv", PLAIN.replace("step,train_acc,test_acc", '"step","train_acc","test_acc"')),
    "other line ends": ("r.csv", PLAIN.replace("\n", "\r\n")),
    "byte order mark": ("r.csv", "\ufeff" + PLAIN),
    "UTF-16": ("r.csv", PLAIN.encode("utf-16")),
    "compressed": ("r.csv.gz", gzip.compress(PLAIN.encode(), mtime=0)),
    "a title": ("r.csv", "my best run\n, mark\n" + PLAIN),
    "comments and blank lines": ("r.csv", "# lr 1e-3\n\n" + PLAIN.replace("\n500,", "\n#\n\n500,")),
    "header behind a mark, as NumPy writes it": ("r.csv", "# " + PLAIN),
    "other columns": ("r.csv", csv("host,step,train_acc,test_acc,note", "x" * 10, STEPS, TRAIN, TEST, "y" * 10)),
    "an unused column twice": ("r.csv", csv("step,n,train_acc,n,test_acc", STEPS, STEPS, TRAIN, STEPS, TEST)),
    "rows in another order": ("r.csv", csv("step,train_acc,test_acc", STEPS[::-1], TRAIN[::-1], TEST[::-1])),
    "signals of a step in several rows": (
        "r.csv",
        "step,train_acc,test_acc\n"
        + "".join(f"{s},{a},\n{s},,{b}\n" for s, a, b in zip(STEPS, TRAIN, TEST, strict=True)),
    ),
    "rows that hold nothing that was asked for": ("r.csv", PLAIN.replace("\n300,", "\nmean,,\n,,\n300,")),
    "the header again": ("r.csv", PLAIN.replace("\n600,", "\nstep,train_acc,test_acc\n600,")),
    "another header after a resume": (
        "r.csv",
        csv("step,train_acc,test_acc", STEPS[:5], TRAIN[:5], TEST[:5])
        + csv("step,lr_now,test_acc,train_acc", STEPS[5:], STEPS[5:], TEST[5:], TRAIN[5:]),
    ),
    "empty cells behind the last column": ("r.csv", PLAIN.replace("\n5", ",,\n5")),
    "zeros behind a crash": ("r.csv", PLAIN + "\0" * 30),
    "spaces around cells": ("r.csv", PLAIN.replace(",", " , ")),
    "a line an object": ("r.jsonl", jsonl(*RECORDS)),
    "without a last line end": ("r.jsonl", jsonl(*RECORDS).rstrip("\n")),
    "nested objects": ("r.jsonl", jsonl(*(
        {"step": r["step"], "train": {"acc": r["train_acc"]}, "test": {"acc": r["test_acc"]}, "samples": [1, 2]}
        for r in RECORDS
    ))),
    "an array": ("r.json", json.dumps(RECORDS)),
    "a pretty array": ("r.json", json.dumps(RECORDS, indent=2)),
    "lists by name": ("r.json", json.dumps(LISTS)),
    "lists of other lengths beside": ("r.json", json.dumps({**LISTS, "betas": [0.9, 0.98], "losses": STEPS * 3})),
    "a history in an object": ("r.json", json.dumps({"history": RECORDS})),
    "a history on one line, beside its last step": ("r.json", json.dumps({"global_step": 900, "log_history": RECORDS})),
    "lists in an object on one line, beside the number of steps": (
        "r.json", json.dumps({"steps": 900, "seed": 3, "history": LISTS})
    ),
    "a pretty history beside its settings": (
        "r.json", json.dumps({"config": {"lr": 1e-3, "betas": [0.9, 0.98]}, "epochs": RECORDS}, indent=1)
    ),
    "lists in an object": ("r.json", json.dumps({"args": {"lr": 1e-3}, "metrics": LISTS})),
    "a history for each split": ("r.json", json.dumps({
        "train": [{"step": s, "acc": a} for s, a in zip(STEPS, TRAIN, strict=True)],
        "val": [{"step": s, "acc": b} for s, b in zip(STEPS, TEST, strict=True)],
    })),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_run(imports: Imports, name: str, content: str | bytes) -> None:
    assert is_usual(imports.one(name, content))


NOTE = "x" * (delimited.LONGEST_ROW // len(RECORDS))


@pytest.mark.parametrize(
    "content",
    [
        [{**record, "note": NOTE} for record in RECORDS],
        {"history": [{**record, "note": NOTE} for record in RECORDS]},
        {**LISTS, "note": [NOTE] * len(RECORDS)},
    ],
    ids=["array", "history", "lists"],
)
def test_a_document_may_be_one_line_longer_than_that_of_a_table(imports: Imports, content: Any) -> None:
    assert is_usual(imports.one("r.json", json.dumps(content)))


@pytest.mark.parametrize("delimiter", [",", "\t", " "])
def test_commas_in_steps_stand_between_thousands(imports: Imports, delimiter: str) -> None:
    steps = [1000 * step for step in STEPS]
    written = [f'"{step:,}"' if delimiter == "," else f"{step:,}" for step in steps]
    run = imports.one("r.csv", csv("step,train_acc,test_acc", written, TRAIN, TEST, between=delimiter))
    assert run.columns["step"].tolist() == steps


def test_what_is_passed_over_is_counted_and_said(imports: Imports) -> None:
    imports.one(
        "r.csv",
        PLAIN.replace("\n300,", "\nsaving a checkpoint\n300,").replace("\n600,", "\nstep,train_acc,test_acc\n600,"),
    )
    assert "r.csv: 1 more header, as after a resume" in imports.remarks
    assert "r.csv: 1 line of another length than the header (5)" in imports.remarks
    imports.one("quoted.csv", PLAIN + '"\n')
    assert "quoted.csv: 1 line of another length than the header (12)" in imports.remarks
    imports.one("lists.json", json.dumps({**LISTS, "losses": STEPS * 3}))
    assert "1 list of another length than the steps" in imports.remarks


def test_a_torn_end_is_left_out_and_said(imports: Imports) -> None:
    """Wherever a killed writer stopped, no number of its last line is believed."""
    whole = csv("step,train_acc,test_acc", STEPS, TRAIN, TEST)
    start = whole.rindex("\n", 0, -1) + 1
    for end in range(start, len(whole) - 1):
        run = imports.one(f"cut-{end}.csv", whole[:end])
        assert column(run, "test_accuracy") == TEST[:-1], whole[start:end]
        assert ("is incomplete" in imports.remarks) == (end > start)
    lines = jsonl(*RECORDS)
    start = lines.rindex("\n", 0, -1) + 1
    for end in range(start, len(lines) - 1, 7):
        run = imports.one(f"cut-{end}.jsonl", lines[:end])
        assert column(run, "test_accuracy") == TEST[:-1]
        assert ("is incomplete" in imports.remarks) == (end > start)
    array = json.dumps(RECORDS)
    for end in (len(array) - 2, len(array) - 9, len(array) - 20):
        assert column(imports.one(f"cut-{end}.json", array[:end]), "test_accuracy") == TEST[:-1]
        assert "the last record, which is incomplete" in imports.remarks


@pytest.mark.parametrize("block", [1, 2, 3, 7, 50])
def test_a_stream_is_the_same_wherever_a_block_ends(
    imports: Imports, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grokscope.imports import delimited, documents, sheets

    monkeypatch.setattr(delimited, "BLOCK_CHARACTERS", block)
    monkeypatch.setattr(sheets.Collector, "BLOCK", block)
    monkeypatch.setattr(documents, "ARRAY_BLOCK", block)
    assert is_usual(imports.one("r.csv", PLAIN.replace("\n600,", "\nstep,train_acc,test_acc\n600,")))
    assert is_usual(imports.one("a.json", json.dumps(RECORDS)))
    torn = imports.one("t.csv", PLAIN[:-2])
    assert column(torn, "test_accuracy") == TEST[:-1]


def test_absent_numbers_are_records_without_the_signal(imports: Imports) -> None:
    cells = ["", "nan", "NA", "n/a", "None", "null", "-", "inf", "-Infinity", 7.5]
    run = imports.one("r.csv", csv("step,test_accuracy,weight_norm", STEPS, TEST, cells))
    steps, norms = run.signal("weight_norm")
    assert (steps.tolist(), norms.tolist()) == ([900], [7.5])


def test_a_million_letters_in_a_quotation_are_refused(imports: Imports) -> None:
    for middle in ('"', '"' + "x" * 200_000):
        with pytest.raises(Unimportable, match=r"r.csv, line \d+( has a quotation mark without|: field larger)"):
            imports.one("r.csv", PLAIN.replace("\n300,", f"\n{middle}300,"))


REFUSED: list[tuple[str, str | bytes, str]] = [
    ("r.csv", "", "holds no table"),
    ("r.csv", "step,test_accuracy\n", "has no test accuracy"),
    ("r.csv", "0,0.1\n1,0.2\n", "has no header: line 1 holds numbers"),
    ("r.csv", "step,test_accuracy\n0,1\n1,2,3\n", "line 3 has 3 cells, but the header has 2"),
    ("r.csv", "step,test_accuracy\n0,0.1\n1.5,0.2\n", "line 3: step is 1.5, but a step must be a whole number"),
    ("r.csv", "step,test_accuracy\n0,0.1\n,0.2\n", "line 3: step is empty"),
    ("r.csv", "step,test_accuracy\n-1,0.1\n", "line 2: step is -1"),
    ("r.csv", "step,test_accuracy\n1e300,0.1\n", "line 2: step is 1e[+]300"),
    ("r.csv", "step,test_accuracy\n0,high\n", "line 2: test_accuracy is 'high', which is not a number"),
    ("r.csv", "a,step,step,test_accuracy\n1,0,0,0.5\n", "two columns 'step'"),
    ("r.csv", b"\xff\xfe\x00", "no text in UTF-8"),
    ("r.csv", b"step,test_accuracy\n0,\xe9\n", "no text in UTF-8"),
    ("r.csv", b"PK\x03\x04\x00\x01", "save the table of a workbook or an archive as CSV"),
    ("r.csv.gz", b"no gzip", "cannot read"),
    ("r.csv.gz", gzip.compress(PLAIN.encode(), mtime=0)[:-9], "cannot read"),
    ("r.csv.gz", gzip.compress(b"step,test_accuracy" + b"," * (1 << 25), mtime=0), "a line of more than 16 MiB"),
    ("r.jsonl", '{"step": 0, "test_accuracy": 0}\n{"step": 1,\n{"step": 2}\n', "line 2 is not JSON"),
    ("r.jsonl", '{"step": 0, "test_accuracy": 0}\n[1]\n', "line 2 is not a JSON object"),
    ("r.jsonl", '{"step": true, "test_accuracy": 0}\n', "line 1: step is 'True', which is not a number"),
    ("r.json", '[{"step": 0}, 3]', "record 2 is 3, not an object"),
    ("r.json", '[{"step": 0} {"step" 1}]', "record 2 is not JSON"),
    ("r.json", "[" * 100_000, "nested too deeply|no JSON"),
    ("r.json", '{"a": ' * 100_000, "nested too deeply|no JSON"),
    ("r.json", '{"a": 1}', "no column is known as test_accuracy"),
    (
        "r.csv", "step,train,test\n0,0,0\n",
        "if test and train hold the accuracy, give --column test_accuracy=test --column train_accuracy=train",
    ),
    ("r.json", f'{{"step": [{"9" * 5000}]}}', "a number with too many digits"),
    ("r.json", '{\n"a": 1}', "holds no history"),
    ("r.jsonl", '{"event": "started", "config": {}}\n{"event": "evaluated"}\n', "it needs no import"),
    ("r.jsonl", '{"format": "grokscope trajectories", "v": 2}\n{}\n', "is a table of grokscope's runs"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "wrong"), REFUSED)
def test_what_is_refused_and_where(imports: Imports, name: str, content: str | bytes, wrong: str) -> None:
    with pytest.raises(Unimportable, match=wrong) as problem:
        imports.one(name, content)
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 400
    assert not imports.runs.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", PLAIN),
        ("r.csv", PLAIN.replace("\n", "\r")),
        ("r.csv.gz", gzip.compress(b"step,test_accuracy\n1,0.5\n" + b"\n" * 20, mtime=0)),
        ("r.csv", PLAIN.encode("utf-16")),
        ("r.jsonl", jsonl(*RECORDS)),
        ("r.json", json.dumps(RECORDS)),
    ],
)
def test_rows_and_cells_are_bounded(
    imports: Imports, monkeypatch: pytest.MonkeyPatch, name: str, content: str | bytes
) -> None:
    """A packed file of 1 MB may hold hundreds of millions of rows, and each takes memory."""
    monkeypatch.setattr(delimited, "MOST_IMPORTED_ROWS", 7)
    with pytest.raises(Unimportable, match=r"has more than 7 rows; split it into smaller files, or leave rows out"):
        imports.one(name, content)
    monkeypatch.undo()
    monkeypatch.setattr(sheets, "MOST_IMPORTED_CELLS", 15)
    rows = PLAIN if "gz" in name else content
    with pytest.raises(Unimportable, match=r"has more than 15 cells to read"):
        imports.one(name.removesuffix(".gz"), rows)


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_rows_are_counted_before_one_is_decoded(imports: Imports, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Decoding as many as are read takes a minute."""
    content = jsonl(*({"step": step, "test_accuracy": 0.5} for step in range(40_000))).encode()
    monkeypatch.setattr(delimited, "MOST_IMPORTED_ROWS", 39_000)
    monkeypatch.setattr(json, "loads", lambda *_: pytest.fail("a row was decoded"))
    with pytest.raises(Unimportable, match="has more than 39,000 rows"):
        imports.one(name, gzip.compress(content) if name.endswith(".gz") else content)


def test_a_header_alone_has_no_runs_to_tell_apart(imports: Imports) -> None:
    with pytest.raises(Unimportable, match="has no test accuracy"):
        imports.one("r.csv", "step,test_accuracy,id\n", run_column="id")


def test_what_is_no_file(imports: Imports) -> None:
    import os

    os.mkfifo(imports.files / "pipe.csv")
    for path, wrong in (
        (imports.files / "pipe.csv", "is a pipe, not a file"),
        (imports.files / "none.csv", "there is no"),
    ):
        with pytest.raises(Unimportable, match=wrong):
            imports.take(path)


def test_lines_and_their_order_do_not_matter_to_numbers(imports: Imports) -> None:
    """Every column, every record: what goes in comes out."""
    chance = np.random.default_rng(0)
    steps = np.cumsum(chance.integers(1, 50, 2000)).tolist()
    columns: dict[str, Any] = {
        "step": steps, "test_accuracy": chance.random(2000).round(6).tolist(),
        "test_loss": chance.exponential(1, 2000).tolist(), "weight_norm": chance.normal(0, 9, 2000).tolist(),
    }  # fmt: skip
    run = imports.one("r.csv", csv(",".join(columns), *columns.values()))
    assert all(run.columns[name].tolist() == values for name, values in columns.items())
    assert all(a < b for a, b in pairwise(run.columns["step"]))
