"""Which column is which signal or setting: first by the user's options, then by our names, then by usual names.

If two columns could be the same signal, the choice is an error or a remark, never a guess. A column that the user named
has no second meaning.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grokscope.imports.databases import COUNTER
from grokscope.imports.epochs import InEpochs, epochs_of
from grokscope.imports.names import is_bare_accuracy, usual_fact, usual_signal, words_of
from grokscope.imports.recipe import Recipe
from grokscope.imports.sheets import Renamed, Sheet, Unimportable, nearest, some
from grokscope.warning.predictors import LR
from grokscope.warning.trajectory import exported, known_columns

BATCH: Mapping[str, str] = {"loss": "trained.loss", "lr": "trained.lr"}
"""Values of the training batches, which no rule uses, and their columns in the output of `grokscope export`"""
NEEDED = "test_accuracy"
_SPLITS: Mapping[str, tuple[str, ...]] = {
    NEEDED: ("test", "val", "valid", "validation", "eval"),
    "train_accuracy": ("train", "training"),
}
"""Names that say which split a column is of, and not what it holds"""


_TOGETHER = "; files of one signal each are joined if one command gets them all"


class Lacking(Unimportable):
    """A table lacks a needed or named column. The table is an error if it is the only one; otherwise it is left out."""


@dataclass(frozen=True)
class Chosen:
    """The columns chosen from one sheet."""

    sheet: Sheet
    step: str
    signals: Mapping[str, str]
    """Columns by our names of signals"""
    facts: Mapping[str, str]
    """Columns by the dotted keys of settings"""
    asked: frozenset[str]
    """Keys of the settings whose column the user named"""
    run: str | None
    """The column that distinguishes runs"""


@dataclass
class Choice:
    """The columns chosen from all sheets of one run, and remarks about columns that were not taken."""

    sheets: list[Chosen] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def columns(self) -> dict[str, str]:
        """Columns by our names of signals and settings, the step first."""
        steps = {"step": " or ".join(dict.fromkeys(each.step for each in self.sheets))}
        return steps | {ours: theirs for each in self.sheets for ours, theirs in {**each.signals, **each.facts}.items()}


def known_signals() -> list[str]:
    """All signals that a column may hold."""
    return [*known_columns(), *BATCH]


def choose(sheets: Sequence[Sheet], recipe: Recipe) -> Choice:
    """The columns to read.

    Raises `Unimportable` for an unknown name, and if the step or the test accuracy is missing or ambiguous.
    """
    _check_known(recipe.columns)
    names = list(dict.fromkeys(name for sheet in sheets for name in sheet.names))
    for named in (*recipe.columns.values(), *recipe.fact_columns.values(), *filter(None, [recipe.run_column])):
        if not any(_found(sheet, named, sheets) for sheet in sheets):
            raise Lacking(f"there is no column {named!r}{nearest(named, names)}; the columns are: {some(names)}")
    choice = Choice()
    given = {*recipe.columns.values(), *recipe.fact_columns.values(), recipe.run_column}
    free = [name for name in names if name not in given]
    signals = {ours: _signal(ours, free, recipe, choice.remarks) for ours in known_signals() if ours != "step"}
    facts = {**recipe.fact_columns, **dict(_facts(free, recipe, choice.remarks))}
    if not signals[NEEDED]:
        alone = len(sheets) == 1 and len(names) == 2  # TensorBoard and others write one file a signal
        raise Lacking(_which(NEEDED, names) + (_TOGETHER if alone else ""))
    bare = [name for name in free if is_bare_accuracy(name)]
    if not signals["train_accuracy"] and len(bare) == 1:  # as Keras names it beside that of the test split
        signals["train_accuracy"] = bare[0]
    for sheet in sheets:
        mine = {ours: column for ours, theirs in signals.items() if (column := _found(sheet, theirs, sheets))}
        settings = {key: column for key, theirs in facts.items() if (column := _found(sheet, theirs, sheets))}
        if mine or LR in settings:
            run = recipe.run_column if recipe.run_column in sheet.names else None
            asked = frozenset(recipe.fact_columns)
            choice.sheets.append(Chosen(sheet, _step(sheet, recipe, sheets), mine, settings, asked, run))
    return choice


def _check_known(asked: Iterable[str]) -> None:
    known = known_signals()
    for ours in asked:
        if ours not in known:
            raise Unimportable(f"there is no signal {ours!r}{nearest(ours, known)}; the signals are: {some(known, 40)}")


def _found(sheet: Sheet, theirs: str, sheets: Sequence[Sheet]) -> str:
    """The sheet's name of a column; empty if the sheet has no such column. `theirs` may be the name in the file."""
    if theirs in sheet.names:
        return theirs
    if isinstance(sheet, Renamed) and (len(sheets) == 1 or (theirs in sheet.sheet.names and " - " in theirs)):
        return next((ours for ours, own in sheet.renamed.items() if own == theirs), "")
    return ""


def _signal(ours: str, free: Sequence[str], recipe: Recipe, remarks: list[str]) -> str:
    """The column of a signal; empty without one."""
    if ours in recipe.columns:
        return recipe.columns[ours]
    if ours == "lr":
        return ""  # a setting, see `_facts`
    own = next((name for name in (ours, BATCH.get(ours) or exported(ours)) if name in free), "")
    usual = [name for name in free if usual_signal(name) == ours]
    if own or len(usual) < 2:
        return own or "".join(usual)
    if ours == NEEDED:
        raise Unimportable(_compete(ours, usual))
    remarks.append(f"{ours} is skipped: {_compete(ours, usual)}")
    return ""


def _facts(free: Sequence[str], recipe: Recipe, remarks: list[str]) -> Iterator[tuple[str, str]]:
    """Settings, and their columns by usual names. Settings that the user gave are left out."""
    candidates: dict[str, list[str]] = {}
    for name in free:
        key = LR if name == BATCH["lr"] else usual_fact(name)
        if key and key not in recipe.facts and key not in recipe.fact_columns:
            candidates.setdefault(key, []).append(name)
    for key, names in candidates.items():
        if len(names) == 1:
            yield key, names[0]
        else:
            remarks.append(
                f"{key} is skipped: {' and '.join(names)} could all be {key}; give --fact-column {key}={names[0]}"
            )


def _step(sheet: Sheet, recipe: Recipe, sheets: Sequence[Sheet]) -> str:
    if isinstance(sheet, InEpochs):
        return sheet.step
    asked = recipe.columns.get("step")
    if asked is not None and (found := _found(sheet, asked, sheets)):
        return found
    if "step" in sheet.names:
        return "step"
    usual = [name for name in sheet.names if usual_signal(name) == "step"]
    if COUNTER in usual:  # Lightning and Hugging Face tell trackers the step, which count their own records
        usual = [name for name in usual if words_of(name)[-2:] == ["global", "step"]] or usual
    if len(usual) > 1:
        raise Unimportable(_compete("step", usual))
    if not usual:
        raise Unimportable(_which("step", sheet.names))
    return usual[0]


def _compete(ours: str, names: Sequence[str]) -> str:
    advice = " or ".join(f"--column {_quoted(f'{ours}={name}')}" for name in names[:3])
    return f"{' and '.join(names)} could all be {ours}; give {advice}"


def _which(ours: str, names: Sequence[str]) -> str:
    bare = {each: name for each, splits in _SPLITS.items() for name in names if name.lower() in splits}
    if ours in bare:
        advice = " ".join(f"--column {_quoted(f'{each}={name}')}" for each, name in bare.items())
        hold = "hold" if len(bare) > 1 else "holds"
        return f"no column is known as {ours}; if {' and '.join(bare.values())} {hold} the accuracy, give {advice}"
    if not names:
        return "it holds no table"
    hint = nearest(ours, names)
    if ours == "step":
        epochs = epochs_of(names)
        counted = "if each record is the end of an epoch" if epochs is None else f"because {epochs} counts epochs"
        hint = f", or --steps-per-epoch N {counted}"
    return f"no column is known as {ours}; give --column {ours}=NAME{hint}; the columns are: {some(names)}"


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text
