"""Foreign text on its way out: what a hostile run directory could hold, in every medium."""

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.words.clean import clean, for_csv, for_html, for_markdown, json_text

ANYTHING = st.text(st.characters(codec=None), max_size=60)


def test_escape_sequences_and_bidirectional_marks_lose_their_power() -> None:
    assert clean("a\x1b[31mb\nc\td\u202ee\u200bf") == "a·[31mb c def"
    assert clean("\u3164\ufe0f\u034fx") == "x"
    assert clean("Größe → 97 %") == "Größe → 97 %"


def test_long_text_is_cut() -> None:
    assert clean("x" * 300, 10) == "xxxxxxxxx…"
    assert clean("x" * 10, 10) == "x" * 10


@given(ANYTHING)
def test_clean_text_is_one_visible_line(text: str) -> None:
    shown = clean(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)
    assert clean(shown) == shown
    shown.encode()


@given(ANYTHING)
def test_html_holds_no_markup(text: str) -> None:
    assert not set('<>"') & set(for_html(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a|b", r"a\|b"),
        ("[here](http://x)", r"\[here\](http://x)"),
        ("`code` *loud* _soft_", r"\`code\` \*loud\* \_soft\_"),
        ("weight_norm", "weight_norm"),
        ("![](x)", r"!\[\](x)"),
        ("a\\|b", r"a\\\|b"),
    ],
)
def test_markdown_is_text(text: str, shown: str) -> None:
    assert for_markdown(text) == shown


def test_csv_cells() -> None:
    out = io.StringIO()
    csv.writer(out).writerow(map(for_csv, [True, 1, 0.5, None, "a\x1b[2Jb", "a,b", "=1+1"]))
    assert out.getvalue() == 'true,1,0.5,,a·[2Jb,"a,b",=1+1\r\n'


@given(st.recursive(st.none() | st.booleans() | st.integers() | ANYTHING, lambda inner: st.lists(inner, max_size=3)))
def test_json_is_printable_ascii_and_says_the_same(value: object) -> None:
    text = json_text(value)
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == json.loads(json.dumps(value))


def test_json_has_no_number_that_is_not_finite() -> None:
    assert json_text({"a": [float("inf"), 1.0], "b": float("nan")}) == '{"a": [null, 1.0], "b": null}'
