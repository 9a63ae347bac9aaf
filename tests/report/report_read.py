"""A report read back as a browser, a screen reader and a spreadsheet would read it."""

import csv
import re
import xml.etree.ElementTree as Tree
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "hr", "img", "input"}
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Every element with its attributes, and whether all of them were closed in order."""

    def __init__(self, file: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.text = file.read_text(encoding="utf-8")
        self.feed(self.text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def prose(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def labels(svg: Path) -> set[str]:
    """The texts of a figure, which Matplotlib keeps as comments beside their glyphs."""
    return {found.strip() for found in re.findall(r"<!--(.*?)-->", svg.read_text(encoding="utf-8"))}


def root(svg: Path) -> Tree.Element:
    """The figure, parsed: fails where it is not well-formed."""
    element = Tree.fromstring(svg.read_text(encoding="utf-8"))
    assert element.tag == f"{SVG}svg"
    return element


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


# --- series in grey ---------------------------------------------------------------------------------------------------

Series = tuple[str, str, bool]
"""What is left of a series without colour: its dash (empty: no line), the shape of its marker, whether it is hollow"""
XLINK = "{http://www.w3.org/1999/xlink}href"
LONG = 4
"""Points of a line that is a curve, and no interval or rule across the panel"""


def groups_of_series(svg: Path) -> Iterator[tuple[str, list[Series]]]:
    """What a reader has to tell apart: the entries of each legend, and the curves of each panel by colour."""
    figure = root(svg)
    shapes = {path.get("id", ""): _shape(path.get("d", "")) for path in figure.iter(f"{SVG}path")}
    for group in figure.iter(f"{SVG}g"):
        name = group.get("id", "")
        lines = [each for each in group if each.get("id", "").startswith("line2d")]
        if name.startswith("legend"):
            yield f"{svg.name}: {name}", [_series(each, shapes) for each in lines]
        elif name.startswith("axes"):
            curves = {_style(line, "stroke"): _series(line, shapes) for line in lines if _points(line) >= LONG}
            yield f"{svg.name}: {name}", list(curves.values())


def _series(line: Tree.Element, shapes: Mapping[str, str]) -> Series:
    path = line.find(f"{SVG}path")
    uses = list(line.iter(f"{SVG}use"))
    dash = "" if path is None else _style(line, "stroke-dasharray") or "solid"
    shape = shapes[uses[0].get(XLINK, "")[1:]] if uses else ""
    return dash, shape, any(f"fill{no}" in each.get("style", "") for no in (": none", "-opacity: 0") for each in uses)


def _style(line: Tree.Element, key: str) -> str:
    path = line.find(f"{SVG}path")
    found = re.search(rf"{key}: ([^;]+)", "" if path is None else path.get("style", ""))
    return found[1] if found else ""


def _points(line: Tree.Element) -> int:
    path = line.find(f"{SVG}path")
    return 0 if path is None else len(re.findall(r"[ML] ", path.get("d", "")))


def _shape(path: str) -> str:
    """The path of a marker, whatever its size."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]
    size = max(map(abs, numbers), default=0) or 1.0
    return f"{re.sub(r'[^A-Za-z]', '', path)} {[round(number / size, 1) for number in numbers]}"
