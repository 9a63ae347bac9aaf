"""Filters of runs by words and by configuration: `lr<1e-3 wd=1 modular state=crashed`. `ls` and the TUI share them.

Every term must hold. A condition is `name<value`, `<=`, `>`, `>=`, `=`, `!=` or `name~text` (contains). Its name is a
setting (a dotted path or the last part of a path), or `task`, `backend`, `state`, `step` and the like. Any other term
is a word, which must occur in the run's name, task, backend or state.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from grokscope.runs.state import DETECTED, RunCondition, RunState, summary
from grokscope.settings.values import dotted, setting

_OF_STARTED = ("task", "backend", "device", "precision", "parameters", "host")
_TERM = re.compile(r"([A-Za-z_][\w.]*)(<=|>=|!=|<|>|=|~)(.*)")
_SIGNS = frozenset("<>=~!")
_STATES = get_args(RunCondition)
_KNOWN = frozenset({"accuracy", "test", "train", "host", *DETECTED})
"""Names of facts that a run may lack"""
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
        """The filter of a text that may still be typed: any is valid. A condition without a value is ignored."""
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


class BadFilter(ValueError):
    """A filter that can mean nothing."""


def checked_filter(text: str, facts: Sequence[Mapping[str, Any]]) -> Filter:
    """The filter of a text that is no longer typed on. `facts` of the runs tell what names there are.

    Raises `BadFilter`, with a sentence.
    """
    for word in text.split():
        match = _TERM.fullmatch(word)
        if match and match[3] and match[3][0] not in _SIGNS:
            _check(Term(match[1], match[2], match[3]), facts)
        elif _SIGNS & set(word):
            raise BadFilter(f"{word!r} is no condition; write one as lr<1e-3: <, <=, >, >=, =, != or ~, without spaces")
    return Filter.parse(text)


def _check(term: Term, facts: Sequence[Mapping[str, Any]]) -> None:
    if facts and term.name not in _KNOWN and all(setting(each, term.name) is None for each in facts):
        names = {part for each in facts for key in dotted(each) for part in (key, key.rpartition(".")[2])}
        nearest = get_close_matches(term.name, sorted(names | _KNOWN), n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise BadFilter(f"no run here has a setting {term.name!r}{hint}")
    if term.relation in _ORDER and _number(term.value) is None:
        raise BadFilter(f"{term.value!r} in {term.name}{term.relation}{term.value} is not a number")
    if term.name == "state" and term.relation in {"=", "!="} and term.value.lower() not in _STATES:
        raise BadFilter(f"there is no state {term.value!r}; there are: {', '.join(_STATES)}")


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
