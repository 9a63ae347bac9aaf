"""All runs in one figure: one small panel per configuration, with its seeds overlaid, on common axes."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grokscope.contract.signals import names_of
from grokscope.report.labels import label, varying
from grokscope.report.parts import Part, Plate
from grokscope.report.sources import Run
from grokscope.report.style import DOUBLE, FAINT, GREEN, line, log_axis, points
from grokscope.warning.configuration import configuration_of
from grokscope.warning.detection import described
from grokscope.warning.relapse import relapses_in_words
from grokscope.words.names import in_words
from grokscope.words.numbers import count, counted, listed
from grokscope.words.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = (5, 4, 6, 3)
"""Possible numbers of panels per row, in order of preference: every value of the first setting should begin a row, or
all rows should be full"""
MOST_PANELS = 40
"""Largest number of panels in one figure; further panels go to another figure"""
TITLE_LINES = 3
"""Largest number of lines in the title of a panel"""
PANEL, TITLE_LINE = 1.05, 0.09
"""Height of a row of panels whose titles have one line, and of each further line, inches"""
AXES = 0.76
"""Height of the axes of a panel, inches"""
TITLE_POINTS = 6
"""Size of the letters of a title"""


def parts(runs: Sequence[Run], slug: str) -> list[Part]:
    """Figures of all configurations; none for a single run."""
    if len(runs) < 2:
        return []
    groups = by_configuration(runs)
    names = list(groups)
    pages = [names[start : start + MOST_PANELS] for start in range(0, len(names), MOST_PANELS)]
    first = varying([run.trajectory for run in runs])[:1]
    values = {group[0].trajectory.facts.get(key) for key in first for group in groups.values()}
    columns = next((each for each in COLUMNS if len(groups) % (each * max(len(values), 1)) == 0), 0)
    columns = columns or min(COLUMNS, key=lambda each: -len(groups) % each)
    return [
        _plate(runs, {name: groups[name] for name in page}, slug, columns, at, len(pages))
        for at, page in enumerate(pages, 1)
    ]


def by_configuration(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by configuration, under a label: the runs of a configuration differ only in their seeds."""
    keys = varying([run.trajectory for run in runs])
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        facts = run.trajectory.facts.items()
        treatment = (f"{key}={value}" for key, value in facts if key.startswith("interventions."))
        groups.setdefault((configuration_of(run.trajectory), *treatment), []).append(run)
    ordered = sorted(groups.values(), key=lambda group: [_rank(group[0], key) for key in keys])
    named: dict[str, list[Run]] = {}
    for group in ordered:
        name = label(group[0].trajectory, keys) if keys or len(group) == 1 else _seeds(group)
        named[name if name not in named else f"{name} ({len(named) + 1})"] = group
    return named


def _seeds(group: Sequence[Run]) -> str:
    """The label of a configuration whose runs differ in nothing else: `seeds 42 and 7`."""
    seeds = [run.trajectory.facts.get("train.seed") for run in group]
    if None in seeds or len(set(seeds)) < len(seeds):
        return counted(len(group), "run")
    return f"seeds {listed([str(seed) for seed in seeds])}"


_LAST: dict[str, Any] = {"marker": "x", "color": FAINT, "markersize": 3.5, "markeredgewidth": 0.8}


def _rank(run: Run, key: str) -> tuple[bool, float, str]:
    value = run.trajectory.facts.get(key)
    return (isinstance(value, str), float(value) if isinstance(value, int | float) else math.inf, str(value))


def _plate(
    runs: Sequence[Run], groups: Mapping[str, Sequence[Run]], slug: str, columns: int, page: int, pages: int
) -> Plate:
    several = f", {page} of {pages}" if pages > 1 else ""
    milestones = "; ".join(f"{name}: {_milestones(group)}" for name, group in groups.items())
    return Plate(
        slug=f"overview-{slug}" + (f"-{page}" if pages > 1 else ""),
        title=f"Defect and test accuracy, {runs[0].trajectory.task}{several}",
        caption=f"Defect (blue, left axis, logarithmic) and test accuracy (green, dashed, right axis, 0 to 1) against "
        f"training step (logarithmic, from the first record after step 0). Each panel is a configuration, with its "
        f"seeds overlaid. Circle: onset of the defect. Star: grokked. Cross: last step of a run that has not grokked. "
        f"{counted(len(runs), 'run')} in {counted(len(groups), 'configuration')}"
        + (" on this figure." if pages > 1 else "."),
        alt=f"Small line charts of defect and test accuracy. {milestones}.",
        draw=lambda: draw_overview(groups, columns),
    )


def _milestones(group: Sequence[Run]) -> str:
    steps = [f"{step:,}" for run in group if (step := run.trajectory.grok_step) is not None]
    return f"{len(steps)} of {len(group)} grokked" + (f" at {', '.join(steps)}" if steps else "")


def draw_overview(groups: Mapping[str, Sequence[Run]], columns: int = COLUMNS[0]) -> "Figure":
    """Panels in rows, all on the same axes. The layout is fixed, because solving it for 40 panels takes seconds."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = min(columns, len(groups))
    rows = math.ceil(len(groups) / columns)
    titles = {name: _title(name, columns) for name in groups}
    row = PANEL + TITLE_LINE * max(title.count("\n") for title in titles.values())
    height = row * rows + 0.75
    with rc_context({"figure.constrained_layout.use": False}):
        figure = Figure(figsize=(DOUBLE, height))
    figure.subplots_adjust(
        left=0.075, right=0.955, bottom=0.48 / height, top=1 - (0.25 + row - PANEL) / height,
        wspace=0.12, hspace=row / AXES - 1,
    )  # fmt: skip
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    places = list(grid.ravel())
    for place, (name, group) in zip(places, groups.items(), strict=False):
        for run in group:
            _draw(place, run)
        place.set_title(titles[name], fontsize=TITLE_POINTS, weight="normal", pad=2)
    for place in places[len(groups) :]:
        place.set_axis_off()
    _axes(figure, grid, rows, columns, len(groups))
    return figure


def _title(name: str, columns: int) -> str:
    """The label of a panel in lines that are no wider than the panel; what does not fit ends in `…`."""
    inches = 0.88 * DOUBLE / columns / 1.12
    parts = [part if _width(part) <= inches else part.replace(" ", "\n") for part in name.split(" · ")]
    lines: list[str] = []
    for part in "\n".join(parts).split("\n"):
        if lines and _width(f"{lines[-1]} · {part}") <= inches:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    if len(lines) > TITLE_LINES:
        lines[TITLE_LINES - 1] += "…"
    return "\n".join(_cut(line, inches) for line in lines[:TITLE_LINES])


def _cut(line: str, inches: float) -> str:
    """A line that is no wider than this; what does not fit ends in `…`."""
    kept = line
    while len(kept) > 1 and _width(kept) > inches:
        kept = f"{kept.removesuffix('…')[:-1]}…"
    return kept


def _width(text: str) -> float:
    """Inches of a title's text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", size=TITLE_POINTS)  # that of `style`, whatever is set outside
    return float(TextPath((0, 0), text, prop=font, usetex=False).get_extents().width / 72) if text.strip() else 0.0


def _draw(axes: "Axes", run: Run) -> None:
    name = "defect" if run.trajectory.has("defect") else "finite_difference_defect"
    steps, values = run.trajectory.signal(name)
    kept = (values > 0) & (steps > 0)
    axes.plot(steps[kept], values[kept], **line(name, linewidth=0.8))
    steps, accuracies = run.trajectory.signal("test_accuracy")
    later = steps > 0
    across = axes.get_xaxis_transform()  # height 1 is the top of the panel, so an accuracy is a height
    axes.plot(steps[later], accuracies[later], transform=across, **line("test", linewidth=0.8, linestyle=(0, (3, 1))))
    onset, grok = run.found.get("onset"), run.trajectory.grok_step
    if onset is not None and onset.step > 0:
        axes.plot([onset.step], [onset.value], **points("onset", markersize=3.2), zorder=4)
    if grok:
        axes.plot([grok], [0.98], transform=across, **points("grokked", markersize=5.5), zorder=4, clip_on=False)
    elif run.censored and len(accuracies):
        axes.plot([run.trajectory.steps], [accuracies[-1]], transform=across, **_LAST)


def _axes(figure: "Figure", grid: Any, rows: int, columns: int, count: int) -> None:
    """Add ticks to the outer panels only."""
    first = grid[0][0]
    log_axis(first.xaxis)
    log_axis(first.yaxis)
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        place = grid[row][column]
        place.grid(linewidth=0.35)
        place.tick_params(labelsize=6, length=2, which="major")
        place.tick_params(length=0, which="minor")
        place.tick_params(axis="x", labelbottom=index + columns >= count)
        if index < count and (column == columns - 1 or index == count - 1):
            for accuracy in (0, 1):
                place.annotate(str(accuracy), (1, accuracy), xycoords="axes fraction", xytext=(3, 0),
                               textcoords="offset points", fontsize=6, va="center", color=GREEN)  # fmt: skip
    figure.supxlabel("training step", fontsize=7.5, y=0.02)
    figure.supylabel("commutator defect D", fontsize=7.5, x=0.005)
    figure.text(0.985, 0.5, "test accuracy", fontsize=7.5, rotation=270, va="center", ha="center")


def overview_table(runs: Sequence[Run]) -> Table:
    """Every run: its settings, its outcome, and the steps of the rules."""
    keys = varying([run.trajectory for run in runs])[:6]
    fired = {rule for run in runs for rule, found in run.found.items() if found is not None}
    rules = sorted(fired - {"grokked"})
    rows = []
    for run in runs:
        found = [None if (each := run.found.get(rule)) is None else each.step for rule in rules]
        onset, grok = run.found.get("onset"), run.trajectory.grok_step
        lead = None if grok is None or onset is None else grok - onset.confirmed_at
        facts = [run.trajectory.facts.get(key) for key in (*keys, "train.seed")]
        trajectory = run.trajectory
        rows.append(
            (run.name, trajectory.task, *facts, run.outcome, *found, grok, lead, trajectory.steps, trajectory.budget)
        )
    names = names_of(described(run.trajectory for run in runs))
    columns = (
        *map(Column, ("run", "task", *keys, "train.seed", "outcome")),
        *(Column(in_words(rule, names), count, "step") for rule in (*rules, "grokked")),
        Column("lead from confirmed onset", count, "steps"),
        Column("last step", count),
        Column("budget", count, "steps"),
    )
    return Table(
        "runs",
        "All runs",
        columns,
        tuple(rows),
        notes=(
            "memorized: memorized, and not grokked within the budget.",
            "unfinished: the run was interrupted or stopped, or is still running.",
            *filter(None, [relapses_in_words([run.trajectory for run in runs])]),
        ),
        folded=True,
    )
