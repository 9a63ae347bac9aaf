"""How runs differ: the settings that have not the same value in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from grokscope.settings.values import dotted
from grokscope.words.clean import clean
from grokscope.words.numbers import value_text

_NEVER = ("log.", "checkpoint.", "snapshot.", "forecast.", "backend.threads")
"""Beginnings of settings that do not change what a run does"""


def distinguishing(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings that differ, by dotted name, seeds last: the value of each run, None if a run lacks the setting."""
    layers = [dotted(config) for config in configs]
    names = dict.fromkeys(name for layer in layers for name in layer if not name.startswith(_NEVER))
    found = {name: [layer.get(name) for layer in layers] for name in sorted(names, key=is_chance)}
    return {name: values for name, values in found.items() if len({repr(value) for value in values}) > 1}


def is_chance(name: str) -> bool:
    """Whether a setting only draws other random numbers."""
    return name.endswith(("seed", "replicate"))


def short_names(names: Sequence[str]) -> list[str]:
    """The last parts of dotted names; the whole name where several names have the same last part."""
    last = [name.rpartition(".")[2] for name in names]
    return [clean(short if last.count(short) == 1 else name, 24) for short, name in zip(last, names, strict=True)]


def difference_in_words(differences: Mapping[str, Sequence[Any]], index: int) -> str:
    """What sets one run apart from the others: `lr 0.001, seed 3`."""
    values = (value_text(several[index]) for several in differences.values())
    return ", ".join(f"{name} {value}" for name, value in zip(short_names(list(differences)), values, strict=True))


def change_in_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The settings of one run beside those of another: `lr 0.001 → 0.002, seed 3 → 4`."""
    differences = distinguishing([before, after])
    names = short_names(list(differences))
    pairs = zip(names, differences.values(), strict=True)
    return ", ".join(f"{name} {value_text(first)} → {value_text(second)}" for name, (first, second) in pairs)
