"""One table, four ways to write it: what each of them promises."""

import csv
import io
import json
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.words.clean import clean
from grokscope.words.numbers import count, estimate, fixed
from grokscope.words.table import Column, Table

TABLE = Table(
    "rules",
    "Rules as warnings",
    (
        Column("rule"),
        Column("step", count, unit="steps"),
        Column("lead", estimate(count), parts=("lead", "lead, low", "lead, high")),
        Column("share", fixed(2), rank=2),
        Column("known", detail=True),
    ),
    (
        ("onset", 12_345, (300.25, 100.0, 500.0), 0.126, True),
        ("漢字 <b>|\x1b[31m", None, None, float("nan"), False),
    ),
    notes=("lead: median and quartiles.",),
)


def test_a_terminal() -> None:
    assert TABLE.terminal(80) == [
        "rule              step            lead  share",
        "onset           12,345  300 [100, 500]   0.13",
        "漢字 <b>|·[31m       –               –      –",
    ]


def test_columns_give_way_by_rank_and_then_from_the_last() -> None:
    assert [TABLE.terminal(width)[0].split() for width in (44, 38, 22, 1)] == [
        ["rule", "step", "lead"], ["rule", "step", "lead"], ["rule", "step"], ["rule"],
    ]  # fmt: skip


def test_every_cell_is_read_once_however_many_columns_give_way() -> None:
    read: list[object] = []

    def form(cell: object) -> str:
        read.append(cell)
        return "x" * 30

    table = Table("t", "t", tuple(Column(str(index), form) for index in range(20)), ((1,) * 20,) * 50)
    table.terminal(40)
    assert len(read) == 20 * 50


SOME_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["exact", "null", "],[", '"', "", "é"]),
)


@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.tuples(*[SOME_CELLS] * width), min_size=1)))
def test_csv_cell_by_cell(rows: list[tuple[str | int | float | bool | None, ...]]) -> None:
    """However many rows are written at once, each cell is its own: numbers as JSON has them, text in clean letters."""

    def expected(cell: object) -> str:
        if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
            return ""
        return clean(cell) if isinstance(cell, str) else json.dumps(cell)

    table = Table("s", "S", tuple(Column(str(index)) for index in range(len(rows[0]))), tuple(rows))
    _, *read = csv.reader(io.StringIO(table.csv()))
    assert len(read) == len(rows)
    for cells, row in zip(read, rows, strict=True):
        for text, cell in zip(cells, row, strict=True):
            if isinstance(cell, float) and math.isfinite(cell):
                assert float(text) == cell
            else:
                assert text == expected(cell)


def test_csv_keeps_every_digit() -> None:
    heading, first, second = csv.reader(io.StringIO(TABLE.csv()))
    assert heading == ["rule", "step (steps)", "lead", "lead, low", "lead, high", "share", "known"]
    assert first == ["onset", "12345", "300.25", "100.0", "500.0", "0.126", "true"]
    assert second == ["漢字 <b>|·[31m", "", "", "", "", "", "false"]


def test_markdown() -> None:
    lines = TABLE.markdown().splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    assert lines[3] == "| 漢字 &lt;b&gt;\\|·\\[31m | – | – | – | no |"
    assert lines[-1] == "lead: median and quartiles."


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_holds_the_same_cells_and_no_tag_of_theirs() -> None:
    read = _Cells()
    read.feed(TABLE.html())
    assert "b" not in read.tags
    assert "漢字 <b>|·[31m" in read.text
    assert "300 [100, 500]" in read.text


def test_sentences_stand_below_their_row_on_a_page() -> None:
    columns = (Column("claim"), Column("remark", prose=True), Column("n"))
    page = Table("t", "t", columns, (("a", "more <runs>", 3), ("b", None, 4))).html()
    assert page.count('scope="col"') == 2
    assert '<td colspan="2"><p><b>remark:</b> more &lt;runs&gt;</p></td>' in page
    assert page.count("<p>") == 1
    assert page.index("more") < page.index(">b<")


@pytest.mark.parametrize("rows", [(), ((None,),)])
def test_a_table_without_numbers_has_none_flush_right(rows: tuple[tuple[None, ...], ...]) -> None:
    assert Table("t", "t", (Column("a"),), rows).numeric == (False,)


def test_records() -> None:
    table = Table.of_records("runs", "Runs", [{"name": "a", "step": 1}, {"name": "b", "step": None}])
    assert table.records() == [{"name": "a", "step": 1}, {"name": "b", "step": None}]
    assert table.about("modular").title == "Runs: modular"


@given(st.lists(st.tuples(st.text(), st.floats(), st.none() | st.integers()), max_size=5))
def test_every_writer_takes_every_cell(rows: list[tuple[str, float, int | None]]) -> None:
    table = Table("t", "t", (Column("a"), Column("b"), Column("c")), tuple(rows))
    assert len(table.terminal(60)) == len(rows) + 1
    assert len(table.markdown().splitlines()) == len(rows) + 2
    assert len(list(csv.reader(io.StringIO(table.csv())))) == len(rows) + 1
    assert table.html().count("<tr>") == len(rows) + 1
