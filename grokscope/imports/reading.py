"""Makes runs from sheets: values by signal, settings, scale of accuracies, and budget.

Some properties could change a conclusion without notice: the scale of accuracies, two values for one step, a setting
that changes within a run, and budgets that reveal the outcome. These are decided from all files together, or are an
error that names the option to give.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.examples import Ints
from grokscope.imports.choice import NEEDED, Choice, Chosen, Lacking, choose
from grokscope.imports.epochs import with_steps
from grokscope.imports.names import usual_fact, usual_signal
from grokscope.imports.recipe import AccuracyScale, Duplicates, Recipe, fact_value
from grokscope.imports.sheets import ABSENT, Cells, Unimportable
from grokscope.imports.sources import Source
from grokscope.warning.predictors import LR
from grokscope.warning.tables import LARGEST_STEP
from grokscope.warning.trajectory import Fact
from grokscope.words.tracking import Track, untracked

ACCURACIES = ("train_accuracy", "test_accuracy")
ROUNDING = 1e-6
"""Relative tolerance: a mean of ones in float32 may be 1.0000001, a sum of percentages 100.0000076"""
TELLING = 10.0
"""Accuracies above this value are percentages. Between 1 and this value the scale is unknown"""
BUDGET = "train.steps"


@dataclass(frozen=True)
class ReadSeries:
    """The values of one signal, in the order of the file. All arrays [n]."""

    steps: Floats
    values: Floats
    lines: Ints
    place: str
    column: str


@dataclass
class Raw:
    """A run as it was read. Its accuracies have the scale of the file."""

    name: str
    source: Source
    series: dict[str, list[ReadSeries]] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def largest(self) -> float:
        """The largest accuracy; 0 without accuracies."""
        found = [each.values.max() for name in ACCURACIES for each in self.series.get(name, ()) if len(each.values)]
        return float(max(found, default=0.0))

    @property
    def last_step(self) -> int:
        return int(max(each.steps.max() for several in self.series.values() for each in several))


@dataclass(frozen=True)
class ForeignRun:
    """A run ready to be written."""

    name: str
    source: Source
    columns: Mapping[str, Floats]
    """`step`, ascending, and signals by our names. Each [n]; NaN for a missing value"""
    facts: Mapping[str, Fact]
    budget: int
    taken: Mapping[str, str]
    """Columns of the file by our names"""
    scale: AccuracyScale
    remarks: Sequence[str]


def read_runs(
    sources: Sequence[Source], recipe: Recipe, left_out: list[str], track: Track = untracked
) -> list[ForeignRun]:
    """All runs of the sources. Sources without a run are named in `left_out`.

    Raises `Unimportable` if no source has a run.
    """
    raws: list[Raw] = []
    without: list[str] = []
    known: list[int] = []
    """Columns with a usual name of the files that are `without` a run"""
    for source in track(sources, "files read"):
        try:
            raws += _raws_of(source, recipe, without)
        except Lacking as problem:
            without.append(f"{source.files[0].name}: {problem}")
        known += [_known_columns(source)] * (len(without) - len(known))
    if not raws:  # the file that a person has meant is the one that comes closest
        raise Unimportable(without[known.index(max(known))] if without else "there is no run in these files")
    left_out += [f"skipped, {each}" for each in without]
    scale = scale_of(raws, recipe)
    budget = recipe.budget or max(raw.last_step for raw in raws)
    return [_finished(raw, scale, budget, recipe) for raw in raws]


def _known_columns(source: Source) -> int:
    return sum(usual_signal(name) is not None for each in source.fragments for name in each.sheet.names)


def _raws_of(source: Source, recipe: Recipe, without: list[str]) -> Iterator[Raw]:
    """The runs of a source. If a source has several runs, those without a test accuracy are left out."""
    runs = source.runs
    for key, sheets in runs.items():
        name = "/".join([*source.parts, *([key] if key is not None else [])])
        try:
            choice = choose([with_steps(sheet, recipe) for sheet in sheets], recipe)
            raws = _read(name, source, choice)
        except Lacking as problem:
            if len(runs) == 1:
                raise
            without.append(f"{name}: {problem}")
            continue
        beside = {key: value for sheet in sheets for key, value in _facts_beside(sheet.facts)}
        for raw in raws:
            raw.facts = {**beside, **raw.facts, **recipe.facts}
            raw.columns = choice.columns
            raw.remarks += [*choice.remarks, *(each for sheet in sheets for each in sheet.left_out)]
            yield raw


def _facts_beside(facts: Mapping[str, object]) -> Iterator[tuple[str, Fact]]:
    """The settings that a document holds beside its history, by their usual names."""
    for name, value in facts.items():
        key = usual_fact(name)
        if key and isinstance(value, int | float | str) and not isinstance(value, bool):
            yield key, value


# --- numbers ----------------------------------------------------------------------------------------------------------


def _read(name: str, source: Source, choice: Choice) -> list[Raw]:
    """The runs in the chosen columns, in order of appearance."""
    raws: dict[str, Raw] = {}
    for chosen in choice.sheets:
        numbers = list(dict.fromkeys([chosen.step, *chosen.signals.values(), *_rates(chosen)]))
        words = [theirs for key, theirs in chosen.facts.items() if key != LR] + list(filter(None, [chosen.run]))
        cells = chosen.sheet.read(numbers, list(dict.fromkeys(words)))
        _check_steps(cells, chosen)
        for key, rows in _by_run(cells, chosen):
            raw = raws.setdefault(key, Raw(f"{name}/{key}" if key else name, source))
            _take(raw, cells, rows, chosen)
    found = [raw for raw in raws.values() if raw.series.get(NEEDED)]
    if not found:
        raise Lacking(f"run {name!r} has no test accuracy: {choice.columns[NEEDED]} is empty")
    without = [raw.name for raw in raws.values() if not raw.series.get(NEEDED)]
    choice.remarks += [f"run {each!r} has no test accuracy and is skipped" for each in without]
    return found


def _rates(chosen: Chosen) -> list[str]:
    """The column of the learning rate, if there is one. It is read as numbers, because it may be a schedule."""
    return [chosen.facts[LR]] if LR in chosen.facts else []


def _check_steps(cells: Cells, chosen: Chosen) -> None:
    steps = cells.numbers[chosen.step]
    wrong = np.flatnonzero(~((steps >= 0) & (steps <= LARGEST_STEP) & (steps == np.floor(steps))))
    if len(wrong):
        value = "empty" if np.isnan(steps[wrong[0]]) else f"{steps[wrong[0]]:g}"
        raise Unimportable(
            f"{chosen.sheet.place}, line {cells.lines[wrong[0]]}: {chosen.step} is {value}, but a step must be a whole "
            "number of at least 0"
        )


def _by_run(cells: Cells, chosen: Chosen) -> Iterator[tuple[str, Ints]]:
    """The rows of each run, in order of appearance."""
    if chosen.run is None:
        yield "", np.arange(len(cells.lines))
        return
    keys = cells.words[chosen.run]
    codes: dict[str, int] = {}
    code = [codes.setdefault(key, len(codes)) for key in keys]
    if not codes:
        return
    if "" in codes:
        line = cells.lines[keys.index("")]
        raise Unimportable(f"{chosen.sheet.place}, line {line} belongs to no run: the column {chosen.run!r} is empty")
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(codes)))
    yield from zip(codes, np.split(order, ends[:-1]), strict=True)


def _take(raw: Raw, cells: Cells, rows: Ints, chosen: Chosen) -> None:
    """Add the signals and settings of one run in one sheet to `raw`."""
    steps, lines = cells.numbers[chosen.step][rows], cells.lines[rows]
    columns = dict(chosen.signals)
    for key, theirs in chosen.facts.items():
        if key == LR:
            columns["lr"] = theirs
        else:
            texts = [cells.words[theirs][row] for row in rows]
            _take_fact(raw, key, theirs, texts, lines if key in chosen.asked else None, chosen.sheet.place)
    for ours, theirs in columns.items():
        values = cells.numbers[theirs][rows]
        seen = np.isfinite(values)
        if seen.any():
            series = ReadSeries(steps[seen], values[seen], lines[seen], chosen.sheet.place, theirs)
            raw.series.setdefault(ours, []).append(series)


def _take_fact(raw: Raw, key: str, theirs: str, texts: Sequence[str], lines: Ints | None, place: str) -> None:
    """Add a setting from a column to `raw`.

    A setting whose column the user named must be constant; `lines` are then the lines of `texts`. Another setting that
    varies is kept as its range, or left out. Raises `Unimportable`.
    """
    values = list(dict.fromkeys(fact_value(text) for text in dict.fromkeys(texts) if text.lower() not in ABSENT))
    known = raw.facts.get(key, values[0] if values else None)
    other = next((value for value in values if value != known), None)
    if known is None:
        return
    if other is None:
        raw.facts[key] = known
    elif lines is not None:
        line = next(line for text, line in zip(texts, lines, strict=True) if fact_value(text) == other)
        raise Unimportable(
            f"{place}, line {line}: {theirs} is {other}, but run {raw.name!r} starts with {known}; give --run-column "
            "if the file has several runs"
        )
    elif all(isinstance(value, int | float) for value in values):
        raw.facts[key] = _range([float(value) for value in values])
        raw.remarks.append(f"{theirs} varies within a run and is kept as a range: {key} {raw.facts[key]}")
    else:
        raw.remarks.append(f"{theirs} varies within a run and is not kept as a setting")


def _range(values: Sequence[float]) -> str:
    return f"{min(values):g} to {max(values):g}"


# --- scale ------------------------------------------------------------------------------------------------------------


def scale_of(raws: Sequence[Raw], recipe: Recipe) -> AccuracyScale:
    """The scale of the accuracies: as in `recipe`, else by the largest accuracy of each file.

    Training accuracies count too, because a run that never generalizes has only small test accuracies. Raises
    `Unimportable` if the scale is unclear.
    """
    if recipe.scale is not None:
        return recipe.scale
    largest: dict[str, float] = {}
    for raw in raws:
        place = raw.source.files[0].name
        largest[place] = max(largest.get(place, 0.0), raw.largest)
    fractions = [place for place, value in largest.items() if value <= 1 + ROUNDING]
    percentages = [place for place, value in largest.items() if value > TELLING]
    unclear = [place for place in largest if place not in fractions and place not in percentages]
    if percentages and fractions:
        raise Unimportable(
            f"accuracies are percentages in {percentages[0]}, but none exceeds 1 in {fractions[0]}; give --percent if "
            f"all are percentages, or import {fractions[0]} alone"
        )
    if unclear and not percentages:
        raise Unimportable(
            f"the largest accuracy in {unclear[0]} is {largest[unclear[0]]:g}, which may be a small percentage or no "
            "accuracy; give --percent, or the right --column"
        )
    return "percent" if percentages else "fraction"


def _fractions(series: ReadSeries, scale: AccuracyScale) -> Floats:
    """Accuracies as fractions [n]. Raises `Unimportable` for a value outside of the scale."""
    top = 100.0 if scale == "percent" else 1.0
    values = series.values / top
    wrong = np.flatnonzero((values < -ROUNDING) | (values > 1 + ROUNDING))
    if len(wrong):
        value = series.values[wrong[0]]
        hint = ""
        if scale == "fraction" and 1 < value <= 100:
            hint = "; give --percent if accuracies are percentages"
        raise Unimportable(
            f"{series.place}, line {series.lines[wrong[0]]}: {series.column} is {value:g}, but accuracies must be "
            f"between 0 and {top:g}{hint}"
        )
    return np.clip(values, 0.0, 1.0)


# --- the run ----------------------------------------------------------------------------------------------------------


def _finished(raw: Raw, scale: AccuracyScale, budget: int, recipe: Recipe) -> ForeignRun:
    series = {
        name: [replace(each, values=_fractions(each, scale)) for each in several] if name in ACCURACIES else several
        for name, several in raw.series.items()
    }
    merged = {name: _merged(name, several, recipe.duplicates) for name, several in series.items()}
    steps = np.unique(np.concatenate([own for own, _ in merged.values()]))
    columns = {"step": steps}
    for name, (own, values) in merged.items():
        columns[name] = np.full(len(steps), np.nan)
        columns[name][np.searchsorted(steps, own)] = values
    facts, remarks = dict(raw.facts), list(raw.remarks)
    if "lr" in columns and LR not in recipe.facts:
        facts[LR] = _rate(columns["lr"][np.isfinite(columns["lr"])], remarks)
        if not isinstance(facts[LR], str):
            del columns["lr"]
    own_budget = facts.pop(BUDGET, None)
    if recipe.budget is None and isinstance(own_budget, int | float) and own_budget >= steps[-1]:
        budget = int(own_budget)
    if budget < steps[-1]:
        raise Unimportable(f"run {raw.name!r} has step {int(steps[-1]):,}; give a --budget above {budget:,}")
    return ForeignRun(raw.name, raw.source, columns, facts, budget, raw.columns, scale, remarks)


def _rate(values: Floats, remarks: list[str]) -> Fact:
    """A constant learning rate as a number; a schedule as its range, because no single number is right."""
    high = float(values.max())
    if (values == high).all():
        return high
    between = _range(values.tolist())
    remarks.append(
        f"the learning rate varies ({between}) and is kept as a schedule; laws that need one learning rate skip this "
        f"run, unless you give --fact lr={high:g}"
    )
    return between


def _merged(name: str, several: Sequence[ReadSeries], duplicates: Duplicates) -> tuple[Floats, Floats]:
    """Distinct steps [n], ascending, and values [n]. Raises `Unimportable` if a step has two values."""
    steps, values = (np.concatenate([getattr(each, part) for each in several]) for part in ("steps", "values"))
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    again = np.flatnonzero((np.diff(steps) == 0) & (np.diff(values) != 0))
    if len(again) and duplicates == "error":
        raise Unimportable(_two_values(name, several, order, int(again[0])))
    first = np.flatnonzero(np.diff(steps, prepend=-1.0) != 0)
    kept = first if duplicates == "first" else np.append(first[1:], len(steps)) - 1
    return steps[kept], values[kept]


def _two_values(name: str, several: Sequence[ReadSeries], order: Ints, index: int) -> str:
    one, other = (_origin(several, int(order[place])) for place in (index, index + 1))
    (before, place), (after, again) = one, other
    return (
        f"{after.place}, line {after.lines[again]}: step {after.steps[again]:g} has {name} {after.values[again]:g}, "
        f"but on line {before.lines[place]} it has {before.values[place]:g}; give --run-column for several runs, or "
        "--duplicates last for a resumed run"
    )


def _origin(several: Iterable[ReadSeries], index: int) -> tuple[ReadSeries, int]:
    """The series, and the index in it, of an index into the concatenation of all series."""
    for series in several:
        if index < len(series.steps):
            return series, index
        index -= len(series.steps)
    raise IndexError(index)
