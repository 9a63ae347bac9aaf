"""Steps of a table that counts epochs, or nothing: the user says how many steps an epoch has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.imports.names import usual_signal
from grokscope.imports.recipe import Recipe
from grokscope.imports.sheets import Cells, Sheet, Unimportable, Wrapped


@dataclass(frozen=True)
class InEpochs(Wrapped):
    """A sheet with a column of steps beside its own columns."""

    step: str
    """Name of that column: how its numbers are made"""
    epoch: str | None
    """The column that counts epochs; None: every record is the end of one"""
    behind: int
    """1 where the first epoch is 0, at whose end its record was made"""
    steps: int
    """Steps in an epoch"""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.step, *self.sheet.names)

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        own = [name for name in numbers if name != self.step]
        cells = self.sheet.read(own if self.epoch is None else list(dict.fromkeys([self.epoch, *own])), words)
        records = np.arange(1.0, len(cells.lines) + 1)
        epochs: Floats = records if self.epoch is None else cells.numbers[self.epoch] + self.behind
        return Cells(cells.lines, {**cells.numbers, self.step: np.rint(epochs * self.steps)}, cells.words)


def epochs_of(names: Sequence[str]) -> str | None:
    """The column that counts epochs."""
    return next((name for name in names if name.lower() in {"epoch", "epochs"}), None)


def with_steps(sheet: Sheet, recipe: Recipe) -> Sheet:
    """The sheet, with steps where it has none and `recipe.steps_per_epoch` says how to make them.

    A column that the user named as the step counts epochs then. Raises `Unimportable` where records of several runs
    are mixed, so that their numbers are no epochs.
    """
    named = recipe.columns.get("step")
    if recipe.steps_per_epoch is None or (named is None and any(usual_signal(name) == "step" for name in sheet.names)):
        return sheet
    epoch, behind = named or epochs_of(sheet.names), 0
    if epoch is None and recipe.run_column in sheet.names:
        raise Unimportable(f"{sheet.place} has several runs and counts no epochs; give --column step=NAME")
    if epoch in sheet.names:
        epochs = sheet.read([epoch]).numbers[epoch]
        behind = int(len(epochs) > 0 and np.nanmin(epochs) == 0 and bool(np.all(epochs == np.floor(epochs))))
    counted = "record" if epoch is None else f"({epoch} + 1)" if behind else epoch
    return InEpochs(sheet, f"{counted} × {recipe.steps_per_epoch}", epoch, behind, recipe.steps_per_epoch)
