"""Writes a report into a folder: the page, figures in the wanted formats, and every table as CSV and Markdown."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from grokscope.gate import filling, write_file
from grokscope.report import answer, backtest, curves, experiments, law, methods, overview, phase, scoreboard
from grokscope.report.page import Files, page
from grokscope.report.parts import LeftOut, Listing, Part, Plate, Section, ShortAnswer
from grokscope.report.sources import ReportSource, Run
from grokscope.report.style import png, require_matplotlib, style, svg
from grokscope.words.table import Table
from grokscope.words.tracking import Track, untracked

PAGE = "report.html"


@dataclass(frozen=True)
class WrittenReport:
    """The files of a report."""

    page: Path
    files: tuple[Path, ...]
    """All files except the page"""
    left_out: tuple[LeftOut, ...]


def write_report(
    sources: Sequence[ReportSource],
    folder: Path,
    formats: Sequence[str] = ("svg",),
    most: int = curves.MOST_RUNS,
    track: Track = untracked,
) -> WrittenReport:
    """Write the report of these runs into `folder`. The same runs always give the same bytes.

    `most`: largest number of runs that get a figure each. Without `formats` there are no figures, and Matplotlib is not
    needed. Raises `Unavailable` if Matplotlib is needed and missing, `OSError`, `NoSuchRun` for a broken experiment.
    """
    title = f"grokscope report: {', '.join(source.name for source in sources)}"
    return write_sections(title, sections_of(sources, most), folder, formats, track)


def write_sections(
    title: str, found: Iterable[Section], folder: Path, formats: Sequence[str], track: Track = untracked
) -> WrittenReport:
    """Write a page of these sections, and their figures and tables beside it. Raises as `write_report`."""
    if formats:
        require_matplotlib()
    sections = _distinct(found)
    if not formats:
        sections = [_undrawn(section) for section in sections]
    drawings: dict[str, str] = {}
    files: Files = {}
    with filling(folder), style() if formats else nullcontext():
        for part in track([part for section in sections for part in section.parts], "figures and tables"):
            if isinstance(part, Plate):
                drawings[part.slug], files["plate", part.slug] = _drawn(part, folder, formats)
            elif isinstance(part, Table | Listing):
                files["table", part.slug] = _written(part, folder)
        write_file(folder / PAGE, page(title, sections, drawings, files))
    left_out = [part for section in sections for part in section.parts if isinstance(part, LeftOut)]
    return WrittenReport(
        folder / PAGE, tuple(folder / name for names in files.values() for name in names), tuple(left_out)
    )


def sections_of(sources: Sequence[ReportSource], most: int = curves.MOST_RUNS) -> Iterator[Section]:
    """The sections, in the order of the page. Treated runs appear only in the section of their experiment."""
    runs = [run for source in sources for run in source.runs]
    untreated = [run for run in runs if not run.treated]
    names = sorted({run.trajectory.task for run in untreated})
    tasks = {task: [run for run in untreated if run.trajectory.task == task] for task in names}
    laws = {task: law.laws_of(mine) for task, mine in tasks.items()}
    boards = {task: scoreboard.board_of(mine) for task, mine in tasks.items()}
    found = [experiments.read_experiment(each.path, each.name) for each in sources if each.kind == "experiment"]
    yield answer.section(
        [(task, mine, boards[task], laws[task][0]) for task, mine in tasks.items()],
        list(filter(None, map(experiments.sentence, found))),
        untreated="untreated run" if len(untreated) < len(runs) else "run",
    )
    yield methods.origin(sources)
    yield _all_runs(runs, tasks)
    for task, mine in tasks.items():
        yield law.section(laws[task], task)
        yield phase.section(mine, task)
        yield scoreboard.section(boards[task], task)
        yield backtest.section(mine, task)
    yield from map(experiments.section, found)
    if len(found) > 1:
        yield experiments.spectrum_section(found)
    if not found:
        nothing = LeftOut("Intervention results", "no source is the folder of an experiment (`grokscope intervene`)")
        yield Section("interventions", "Interventions", (), (nothing,))
    yield curves.section(runs, most)


def _all_runs(runs: Sequence[Run], tasks: Mapping[str, Sequence[Run]]) -> Section:
    parts: list[Part] = []
    for task, mine in tasks.items():
        parts += overview.parts(mine, task)
    if not parts:
        parts.append(LeftOut("Overview", "there is only one run"))
    return Section("all-runs", "All runs", (), (*parts, overview.overview_table(runs)))


def _distinct(sections: Iterable[Section]) -> list[Section]:
    """The sections with distinct slugs for all figures and tables, which are valid file names on every system."""
    taken: set[tuple[str, str]] = set()
    renamed: dict[str, str] = {}

    def named(part: Part) -> Part:
        if isinstance(part, LeftOut | ShortAnswer):
            return part
        kind = "plate" if isinstance(part, Plate) else "table"
        stem = slug = re.sub(r"[^A-Za-z0-9._-]+", "-", part.slug).strip("-.")
        number = 1
        while (kind, slug.casefold()) in taken:
            number += 1
            slug = f"{stem}-{number}"
        taken.add((kind, slug.casefold()))
        if isinstance(part, Plate):
            renamed.setdefault(part.slug, slug)
        return replace(part, slug=slug)

    def linked(part: Part) -> Part:
        if not isinstance(part, ShortAnswer):
            return part
        return ShortAnswer(
            tuple(replace(each, figure=renamed.get(each.figure, each.figure)) for each in part.sentences)
        )

    found = [replace(section, parts=tuple(map(named, section.parts))) for section in sections]
    return [replace(section, parts=tuple(map(linked, section.parts))) for section in found]


def _undrawn(section: Section) -> Section:
    parts = [
        LeftOut(part.title, "no figures were asked for") if isinstance(part, Plate) else part for part in section.parts
    ]
    return replace(section, parts=tuple(parts))


def _drawn(plate: Plate, folder: Path, formats: Sequence[str]) -> tuple[str, list[str]]:
    """The figure as SVG text, and the names of its files."""
    figure = plate.draw()
    text = svg(figure)
    figure.set_layout_engine("none")  # the layout is done; another format must not repeat it
    for suffix in formats:
        data = text.encode() if suffix == "svg" else png(figure)
        write_file(folder / f"{plate.slug}.{suffix}", data)
    return text, [f"{plate.slug}.{suffix}" for suffix in formats]


def _written(part: Table | Listing, folder: Path) -> list[str]:
    if isinstance(part, Listing):
        write_file(folder / part.slug, part.text)
        return [part.slug]
    for suffix, text in (("csv", part.csv()), ("md", f"### {part.title}\n\n{part.markdown()}")):
        write_file(folder / f"{part.slug}.{suffix}", text)
    return [f"{part.slug}.csv", f"{part.slug}.md"]
