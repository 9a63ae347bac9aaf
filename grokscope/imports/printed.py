"""What a loop prints, as `step 100 loss 0.5`, `step=100, loss=0.5` or `[100/5000] loss: 0.5`: named numbers in a line.

The name of a number is the words before it. Behind a word for a split (`Test set: Loss 0.5`), names that have no split
get this one. A line without a step belongs to the step or epoch above it, as the numbers below `Epoch 3/10` of Keras.
Lines that call the step by other names (`step 100: val loss 0.5`, `iter 100: loss 0.4`) mean the same step.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice, takewhile
from pathlib import Path

from grokscope.imports.delimited import LARGEST_FILE, LONGEST_ROW, TORN, opened
from grokscope.imports.documents import Numbered, Records, without_summary
from grokscope.imports.epochs import epochs_of
from grokscope.imports.names import SPLITS, usual_signal, words_of
from grokscope.imports.recipe import fact_value
from grokscope.words.numbers import counted

_NO_TEXT = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\0|\d{2,4}[-/.]\d\d[-/.]\d{2,4}T?|\d+:\d\d(?::\d\d)?(?:[.,]\d+)?")
"""Colours, zeros behind a crash, dates and times"""
_NUMBER = re.compile(
    r"(?:(?P<name>[^\W\d](?:[\w./@-]|[ ](?=[^\W\d])){0,60})(?P<between>['\"]?\s*[:=][\s\[('\"]*|[\s\[(]+))?"
    r"(?<![\w.])(?P<value>[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)|nan|[-+]?inf)"
    r"(?:\s?/\s?(?P<whole>\d+))?(?P<percent>\s?%)?(?![\w.]?\w)",
    re.IGNORECASE,
)
"""A number, the words before it, the number behind a stroke, and a percent sign"""
_IN_WORDS = re.compile(r'(?!\s*[{\["]).*\s\{"|[^"]*$')
"""A line without quotes, or with an object of JSON behind other words"""
SEARCHED_LINES = 1000
"""Lines in which the first step is looked for"""
MOST_CHARACTERS = 10_000
"""Characters of a line that are read"""
_PLACE = ""
"""The name of a number without words and with a stroke, as `[100/5000]`: the step, if the log names none"""


def is_printed(file: Path) -> bool:
    """Whether two of the first lines name several numbers each, one of them by a usual name. JSON quotes its names, and
    a logger writes words before it."""
    with opened(file, LARGEST_FILE) as text:  # which may be a document on one line
        lines = takewhile(lambda line: len(line) < LONGEST_ROW, iter(partial(text.readline, LONGEST_ROW), ""))
        rows = [numbers_in(line) for line in islice(lines, SEARCHED_LINES) if _IN_WORDS.match(line)]
    return sum(len(row) > 1 and any(map(usual_signal, row)) for row in rows) > 1


def sheet_of(file: Path) -> Records:
    """The numbers that a loop printed. Numbers above the first line with a step are settings."""
    with opened(file) as text:
        rows = list(_Lines(file).rows(islice(text, SEARCHED_LINES), []))
    begins = next((number for number, row in rows if _steps_of(row)), 1)
    facts = {name: fact_value(value) for number, row in rows if number < begins for name, value in row.items()}
    return Records(file.name, _Lines(file, begins), facts)


@dataclass(frozen=True)
class _Lines:
    """A stream of the lines with numbers."""

    file: Path
    begins: int = 1
    """The first line"""

    def __call__(self, left_out: list[str]) -> Numbered:
        with opened(self.file) as text:
            rows = (numbered for numbered in self.rows(text, left_out) if numbered[0] >= self.begins)
            yield from without_summary(rows, self.file.name, left_out)

    def rows(self, lines: Iterator[str], left_out: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
        """The numbers of each line that has any, with those of the last step or epoch above where it has none."""
        last: dict[str, str] = {}
        below, called = 0, ""
        for number, line in enumerate(lines, 1):
            row = numbers_in(line)
            if row and not line.endswith(("\n", "\r")):
                left_out.append(f"{self.file.name}: {TORN}")
                break
            place = row.pop(_PLACE, None)
            steps = [name for name in row if usual_signal(name) == "step"]
            if len(steps) == 1:
                called = called or steps[0]
                row = {called if name == steps[0] else name: value for name, value in row.items()}
            named = _steps_of(row)
            if row and not named and last:
                row, below = {**last, **row}, below + 1
            elif not named and place is not None:
                row = {"step": place, **row}
            last = named or last
            if row:
                yield number, row
        if below:
            left_out.append(f"{self.file.name}: {counted(below, 'line')} without a step, read as of the step above")


def _steps_of(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if _is_step(name)}


def _is_step(name: str) -> bool:
    return usual_signal(name) == "step" or epochs_of([name]) is not None


def numbers_in(line: str) -> dict[str, str]:
    """The numbers in a line, by name.

    >>> numbers_in("INFO step 1,000: train loss 4.27e-1, val acc = 98.2% (best 99)")
    {'step': '1000', 'train loss': '4.27e-1', 'val acc': '98.2%', 'best': '99'}
    >>> numbers_in("Epoch 3/10, Test set: acc 99/100")
    {'Epoch': '3', 'test acc': '0.99'}
    """
    row: dict[str, str] = {}
    split, end = "", 0
    line = _NO_TEXT.sub(" ", line.rpartition("\b")[2][:MOST_CHARACTERS])  # bars write over themselves
    for found in _NUMBER.finditer(line):
        before, name = _name_of(found["name"] or "", found["between"] or "")
        split = next((word for word in words_of(line[end : found.start()] + before)[::-1] if word in SPLITS), split)
        end = found.end()
        step, whole = _is_step(name), found["whole"]
        if not name:
            if whole:
                row.setdefault(_PLACE, found["value"])
            continue
        if name and not step and split and not set(words_of(name)) & SPLITS.keys():
            name = f"{split} {name}"
        value = found["value"].replace(",", "")
        if found["percent"]:
            value += "%"
        elif whole and not step and float(whole):
            value = f"{float(value) / float(whole)}"
        labels = chain([name], (f"{name} {number}" for number in count(2)))
        row[next(label for label in labels if label not in row)] = value
    return row


def _name_of(words: str, between: str) -> tuple[str, str]:
    """The words before a number as words that are no part of its name, and its name.

    `INFO step` is a step. In `saved loss=0.5` the name is the word before the sign.
    """
    parts = words.split(" ")
    if between.startswith("="):
        return " ".join(parts[:-1]), parts[-1]
    for start in range(len(parts)):
        if _is_step(name := " ".join(parts[start:])):
            return " ".join(parts[:start]), name
    return "", words
