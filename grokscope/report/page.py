"""The page: one HTML file without scripts and without links to resources, readable in light, dark and print."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from grokscope.report.methods import CITATIONS, SIGNALS
from grokscope.report.parts import LeftOut, Listing, Part, Plate, Section, Sentence, ShortAnswer
from grokscope.report.style import BACKGROUND, BLUE, FAINT, GREEN, GRID, INK, VERMILLION
from grokscope.words.clean import for_html
from grokscope.words.numbers import counted
from grokscope.words.table import Table

Files = dict[tuple[str, str], list[str]]
"""Names of the files beside the page, by kind (`plate`, `table`) and slug"""

CSS = """
:root { color-scheme: light dark;
  --ink: #1b1b1b; --faint: #6a6a6a; --grid: #dcdcdc; --paper: #ffffff; --tint: #f5f5f3;
  --blue: #0072b2; --vermillion: #d55e00; --green: #009e73; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e3; --faint: #a3a3a3; --grid: #3a3d41; --paper: #16181b; --tint: #1f2226;
    --blue: #4aa8e8; --vermillion: #f2802f; --green: #2cc49a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; padding-top: .6rem; border-top: 1px solid var(--grid); }
h3 { font-size: 1.05rem; margin: 2rem 0 .3rem; }
p, li { max-width: 46rem; }
a { color: inherit; }
nav { margin-top: 2.5rem; }
nav ul { columns: 2 14rem; padding-left: 1.2rem; }
figure { margin: 1rem 0 2rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption, .note { color: var(--faint); font-size: .9rem; max-width: 46rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: max-content; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid);
  font-weight: normal; }
th, td { max-width: 24rem; }
thead th { font-weight: 600; vertical-align: bottom; max-width: 7rem; }
.number { text-align: right; }
td.number, tbody th { white-space: nowrap; }
.told th, .told td { border-bottom: none; }
.prose td { max-width: min(46rem, calc(100vw - 2rem)); }
.prose p { max-width: min(46rem, calc(100vw - 2rem)); margin: 0 0 .3rem; color: var(--faint); }
.prose p b { font-weight: 600; }
pre { background: var(--tint); padding: .7rem; white-space: pre-wrap; font-size: .85rem; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin: .8rem 0; }
summary { cursor: pointer; }
.answer { padding-left: 1.2rem; font-size: 1.05rem; }
.answer li { margin: .5rem 0; }
.findings { padding-left: 1.2rem; margin: .3rem 0; }
@media (max-width: 40rem) {
  figure { overflow-x: auto; }
  figure svg { min-width: 38rem; }
  figcaption { position: sticky; left: 0; max-width: calc(100vw - 2rem); }
}
.left-out { background: var(--tint); border-left: 3px solid var(--faint); padding: .4rem .7rem; }
@media print {
  :root { --ink: #000000; --faint: #555555; --grid: #cccccc; --paper: #ffffff; --tint: #f5f5f3;
    --blue: #0072b2; --vermillion: #d55e00; --green: #009e73; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure, tr { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .wide { overflow: visible; }
  details::details-content { content-visibility: visible; display: block; }
}
""".strip()

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Forbids a browser to fetch anything for the page"""


def page(title: str, sections: Sequence[Section], drawings: Mapping[str, str], files: Files) -> str:
    """The whole document: the answer, the contents, all else. `drawings`: SVG of the figures, by slug."""
    answers = [each for each in sections if any(isinstance(part, ShortAnswer) for part in each.parts)]
    others = _with_answers([each for each in sections if each not in answers], answers)
    contents = "\n".join(f'<li><a href="#{_anchor(each)}">{for_html(each.title)}</a></li>' for each in others)
    answer, body = ("\n".join(_section(each, drawings, files) for each in half) for half in (answers, others))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{for_html(title)}</title>
<style>
{CSS}
</style>
</head>
<body>
<main>
<h1>{for_html(title)}</h1>
{answer}
<nav aria-label="Contents"><ul>
{contents}
<li><a href="#section-left-out">Left out</a></li>
<li><a href="#section-methods">Methods</a></li>
<li><a href="#section-papers">Papers</a></li>
</ul></nav>
{body}
{_left_out(sections)}
{_methods()}
</main>
</body>
</html>
"""


def _with_answers(sections: Sequence[Section], answers: Sequence[Section]) -> list[Section]:
    """The sections, where every sentence of the answer also stands beside its figure."""
    said: dict[str, list[str]] = {}
    for sentence in _sentences(answers):
        said.setdefault(sentence.figure, []).append(sentence.text)

    def told(part: Part) -> Part:
        return replace(part, findings=(*said.get(part.slug, ()), *part.findings)) if isinstance(part, Plate) else part

    return [replace(section, parts=tuple(map(told, section.parts))) for section in sections]


def _sentences(answers: Sequence[Section]) -> Iterator[Sentence]:
    for section in answers:
        for part in section.parts:
            if isinstance(part, ShortAnswer):
                yield from part.sentences


def _anchor(section: Section) -> str:
    return f"section-{for_html(section.slug)}"


def _section(section: Section, drawings: Mapping[str, str], files: Files) -> str:
    paragraphs = "\n".join(f"<p>{for_html(text)}</p>" for text in section.paragraphs)
    parts = "\n".join(_part(part, drawings, files) for part in section.parts)
    return f'<section id="{_anchor(section)}">\n<h2>{for_html(section.title)}</h2>\n{paragraphs}\n{parts}\n</section>'


def _part(part: Part, drawings: Mapping[str, str], files: Files) -> str:
    match part:
        case Plate():
            return _plate(part, drawings[part.slug], files.get(("plate", part.slug), ()))
        case Table():
            return _table(part, files.get(("table", part.slug), ()))
        case Listing():
            return _listing(part)
        case ShortAnswer():
            return _answer(part, drawings)
        case LeftOut():
            return f'<p class="left-out"><strong>{for_html(part.what)}</strong> is left out: {_words(part.why)}.</p>'


def _answer(answer: ShortAnswer, drawings: Mapping[str, str]) -> str:
    items = "\n".join(
        f'<li>{for_html(each.text)} <a href="#{for_html(target)}">{words}</a></li>'
        for each in answer.sentences
        for target, words in [
            (each.figure, "Figure") if each.figure in drawings else (f"section-{each.section}", "Section")
        ]
    )
    return f'<ul class="answer">\n{items}\n</ul>'


def _plate(plate: Plate, drawing: str, files: Sequence[str]) -> str:
    slug = for_html(plate.slug)
    findings = "".join(f"<li>{for_html(text)}</li>\n" for text in plate.findings)
    said = f'<ul class="findings">\n{findings}</ul>\n' if findings else ""
    return (
        f'<h3 id="{slug}">{for_html(plate.title)}</h3>\n{said}<figure aria-labelledby="{slug}">\n'
        f"{inlined(drawing, plate.slug, plate.alt)}\n"
        f"<figcaption>{for_html(plate.caption)}{_beside(files)}</figcaption>\n</figure>"
    )


def _beside(files: Sequence[str]) -> str:
    links = ", ".join(f'<a href="{for_html(name)}">{for_html(name)}</a>' for name in files)
    return f" File: {links}." if len(files) == 1 else f" Files: {links}." if files else ""


def _table(table: Table, files: Sequence[str]) -> str:
    title = for_html(table.title)
    notes = " ".join(map(for_html, table.notes))
    below = f'<p class="note">{notes}{_beside(files)}</p>' if notes or files else ""
    whole = f'<div class="wide" role="region" aria-label="{title}" tabindex="0">\n{table.html()}\n</div>\n{below}'
    if not table.folded:
        return whole
    return f"<details>\n<summary>{title} ({counted(len(table.rows), 'row')})</summary>\n{whole}\n</details>"


def _listing(listing: Listing) -> str:
    return (
        f"<h3>{for_html(listing.title)}</h3>\n<pre><code>{for_html(listing.command)}</code></pre>\n"
        f"<details>\n<summary>{for_html(listing.slug)}</summary>\n<pre><code>{for_html(listing.text)}</code></pre>\n</details>"
    )


def _left_out(sections: Sequence[Section]) -> str:
    missing = [(section, part) for section in sections for part in section.parts if isinstance(part, LeftOut)]
    items = "\n".join(f"<li>{for_html(_named(section, part))}: {_words(part.why)}.</li>" for section, part in missing)
    body = f"<ul>\n{items}\n</ul>" if items else "<p>Nothing: these runs have the data for every figure.</p>"
    return f'<section id="section-left-out">\n<h2>Left out</h2>\n{body}\n</section>'


def _named(section: Section, part: LeftOut) -> str:
    """What is left out, with its section where that says more."""
    return part.what if section.title in part.what else f"{section.title}, {part.what}"


def _words(text: str) -> str:
    """A sentence in which words between backticks are commands."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", for_html(text))


def _methods() -> str:
    methods = "\n".join(f"<p>{for_html(text)}</p>" for text in SIGNALS)
    papers = "\n".join(
        f"<li>{for_html(each.text)}"
        + (f' <a href="{each.url}">{each.url}</a>' if each.url else "")
        + f" Used for {for_html(each.used_for)}.</li>"
        for each in CITATIONS
    )
    return (
        f'<section id="section-methods">\n<h2>Methods</h2>\n{methods}\n</section>\n'
        f'<section id="section-papers">\n<h2>Papers</h2>\n<ul>\n{papers}\n</ul>\n</section>'
    )


# --- SVG in HTML ------------------------------------------------------------------------------------------------------

_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_UNWANTED = re.compile(
    r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*|<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>\s*", re.DOTALL
)
_REFERENCE = re.compile(r'\b(id="|xlink:href="#|url\(#)')
_SIZE = re.compile(r'<svg ([^>]*?)width="([\d.]+)pt" height="[\d.]+pt" ')
PIXELS_PER_POINT = 1.9
"""A figure over two columns then fills the page, and all figures have letters of the same size"""

THEMED: Mapping[str, str] = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    GRID: "var(--grid)",
    BACKGROUND: "var(--paper)",
    BLUE: "var(--blue)",
    VERMILLION: "var(--vermillion)",
    GREEN: "var(--green)",
}
"""Colours of figures that change on a dark page; the light colours of the data stay"""


def inlined(drawing: str, slug: str, alt: str) -> str:
    """The text of an SVG file as an element of the page: with unique ids, the page's neutral colours, and `alt`."""
    drawing = _UNWANTED.sub("", _PROLOGUE.sub("", drawing))
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", slug)
    drawing = _REFERENCE.sub(lambda found: f"{found[1]}{prefix}-", drawing)
    words = for_html(alt)
    drawing = _SIZE.sub(
        lambda found: f'<svg role="img" aria-label="{words}" style="max-width: {_pixels(found[2])}px" {found[1]}',
        drawing,
        count=1,
    )
    for color, variable in THEMED.items():
        drawing = re.sub(re.escape(color), variable, drawing, flags=re.IGNORECASE)
    return re.sub(r"\n\s*", "\n", drawing).strip()


def _pixels(points: str) -> int:
    return round(PIXELS_PER_POINT * float(points))
