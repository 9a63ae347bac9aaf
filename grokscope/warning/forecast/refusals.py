"""Why the forecaster gives no answer: one name and one sentence for each reason.

An answer that is a guess looks like one that is known. So each question is refused by name where the bank has not
earned an answer, and a script can tell the reasons apart.
"""

from dataclasses import dataclass
from enum import Enum


class Refusal(Enum):
    """A reason; its value is the sentence that a person reads."""

    GROKKED = "already grokked"
    USED_UP = "the budget is used up"
    TREATED = "this run was intervened in, and no run of the bank was"
    NO_CLOCK = "lr · wd is no clock here"
    NO_BANK = "there is no bank for this task"
    OUTSIDE_BANK = "outside of the bank"
    SMALL_BANK = "too few runs in the bank"
    NO_SIGNAL = "a signal is missing"
    NOT_YET = "cannot be known yet"
    NOT_EARNED = "on runs left out of the bank, nothing beats its base rate at this decay time"
    MEMORIZED_ENOUGH = "not asked of this task: memorizing the training set is enough to pass half of the test"
    NO_CHANCE = "what guessing reaches in this task is not on record"
    UNLIKELY = "the run is unlikely to grok within the budget"

    @property
    def code(self) -> str:
        """The name in a log: `not-yet`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class NoAnswer:
    """A refusal of one run, with what makes it so."""

    refusal: Refusal
    detail: str = ""

    def in_words(self) -> str:
        """`outside of the bank: model.width 128 (the bank has 64)`. A missing bank has a sentence of its own."""
        if self.refusal is Refusal.NO_BANK and self.detail:
            return self.detail
        return self.refusal.value + (f": {self.detail}" if self.detail else "")
