"""Filters of runs by words and by configuration: `lr<1e-3 wd=1 modular state=crashed`. `ls` and the TUI share them.

Every term must hold. A condition is `name<value`, `<=`, `>`, `>=`, `=`, `!=` or `name~text` (contains). Its name is a
setting (a dotted path or the last part of a path), or `task`, `backend`, `state`, `step` and the like. Any other term
is a word, which must occur in the run's name, task, backend or state.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grokscope.runs.state import DETECTED, RunState, summary
from grokscope.settings.values import setting

_OF_STARTED = ("task", "backend", "device", "precision", "parameters", "host")
_TERM = re.compile(r"([A-Za-z_][\w.]*)(<=|>=|!=|<|>|=|~)(.*)")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Term:
    name: str
    relation: str
    value: str

    def holds(self, facts: Mapping[str, Any]) -> bool:
        found = setting(facts, self.name)
        if found is None:
            return self.relation == "!="
        if self.relation == "~":
            return self.value.lower() in str(found).lower()
        if self.relation in _ORDER:
            left, right = _number(found), _number(self.value)
            return left is not None and right is not None and _ORDER[self.relation](left, right)
        return _equal(found, self.value) == (self.relation == "=")


@dataclass(frozen=True)
class Filter:
    """All conditions and words of one line of text."""

    conditions: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """The filter of a text; every text is valid. A condition without a value (still being typed) is ignored."""
        conditions, words = [], []
        for term in text.split():
            match = _TERM.fullmatch(term)
            if match is None:
                words.append(term.lower())
            elif match[3]:
                conditions.append(Term(match[1], match[2], match[3]))
        return cls(tuple(conditions), tuple(words))

    def holds(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Whether the filter accepts a run with this name and these facts. The facts include the configuration."""
        described = " ".join([name, *(str(facts.get(key, "")) for key in ("task", "backend", "state"))]).lower()
        return all(word in described for word in self.words) and all(
            condition.holds(facts) for condition in self.conditions
        )


def run_facts(state: RunState) -> Mapping[str, Any]:
    """The values of a run that a filter and a sort may use, by name."""
    started, about = state.last.get("started", {}), summary(state)
    found = {kind: state.detected_step(kind) for kind in DETECTED}
    # the configuration stands last, because a filter takes the name with the shortest path
    return {
        "state": state.condition,
        "status": state.status or "",
        "step": state.step or 0,
        "defect": about["defect"],
        "accuracy": {split: about[split] for split in ("train", "test")},
        **{kind: step for kind, step in found.items() if step is not None},
        **{key: started[key] for key in _OF_STARTED if key in started},
        "config": state.config,
    }


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _equal(found: Any, wanted: str) -> bool:
    left, right = _number(found), _number(wanted)
    if left is not None and right is not None and not isinstance(found, bool):
        return left == right
    return str(found).lower() == wanted.lower()
