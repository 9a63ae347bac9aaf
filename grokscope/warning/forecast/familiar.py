"""Which settings of a run are outside of what a bank's runs had. Unset is a setting; unknown is none.

A run of ours has all its settings on record, so that one that it lacks is unset, which is a difference. A run that was
imported, or trained by a loop of somebody's own, states some: what it does not state may be anything, and is no reason
to refuse it.
"""

from collections.abc import Iterable, Mapping, Sequence

from grokscope.warning.configuration import as_ever, settings_of
from grokscope.warning.trajectory import ORIGIN, Fact
from grokscope.words.numbers import number

Known = Mapping[str, tuple[Fact | None, ...]]
"""What the runs of a bank had, by setting; None is unset. Of a setting that is not here nothing is known"""
MOST_WORDS = 6
"""Values of a bank that are repeated"""


def known_settings(runs: Sequence[Mapping[str, Fact]]) -> Known:
    """What is known of the settings of a bank's runs, by their facts."""
    keys = {key for facts in runs for key in settings_of(facts)}
    found = {key: tuple(dict.fromkeys(value for facts in runs for value in _values(facts, key))) for key in keys}
    return {key: values for key, values in found.items() if values}


def outside(known: Known, facts: Mapping[str, Fact], *, complete: bool) -> dict[str, Fact | None]:
    """The settings of a run that no run of the bank had, nor two between which they lie. None is unset.

    `complete`: a setting that the bank does not have was unset in its runs, for some of them are ours.
    """
    asked = settings_of(facts)
    differing: dict[str, Fact | None] = {}
    for key in sorted(asked.keys() | known.keys()):
        had = known.get(key, (None,) if complete else ())
        values = list(_values(facts, key))
        if values and had and not _within(values[0], had):
            differing[key] = values[0]
    return differing


def fact_in_words(key: str, value: Fact | None, known: Known) -> str:
    """`optimizer.lr 0.1 (the bank has 0.001 to 0.003)`; each value of the bank where the run's lies between them."""
    had = known.get(key, (None,))
    values = _words(_in_order(had)) if isinstance(value, int | float) and _within(value, had) else _range(had)
    return f"{key} {_word(value)} ({'unset in the bank' if had == (None,) else f'the bank has {values}'})"


def far_outside(known: Known, facts: Mapping[str, Fact], key: str, factor: float) -> bool:
    """Whether a setting is outside of what the bank has by more than a factor, or is no number."""
    value, had = facts.get(key), [each for each in known.get(key, ()) if isinstance(each, int | float) and each > 0]
    inside = isinstance(value, int | float) and had and min(had) / factor <= value <= max(had) * factor
    return not inside


def is_complete(facts: Mapping[str, Fact]) -> bool:
    """Whether all settings of a run are on record."""
    return ORIGIN not in facts


def _values(facts: Mapping[str, Fact], key: str) -> Iterable[Fact | None]:
    """The value of a setting; None where it is unset, nothing where nobody knows."""
    if key in facts or is_complete(facts):
        value = facts.get(key)
        yield None if value is None or as_ever(key, value) else value


def _within(value: Fact | None, known: Sequence[Fact | None]) -> bool:
    """Numbers may lie between those known; words must be among them."""
    numbers = [each for each in known if isinstance(each, int | float)]
    if isinstance(value, int | float) and numbers:
        return min(numbers) * (1 - 1e-9) <= value <= max(numbers) * (1 + 1e-9)
    return value in known


def _in_order(values: Sequence[Fact | None]) -> list[Fact | None]:
    """Numbers by size, then the others."""
    return [*_numbers(values), *(value for value in values if not isinstance(value, int | float))]


def _range(values: Sequence[Fact | None]) -> str:
    numbers = _numbers(values)
    return _words([value for value in values if value not in numbers], [_ends(numbers)] if numbers else [])


def _numbers(values: Sequence[Fact | None]) -> list[int | float]:
    return sorted(value for value in values if isinstance(value, int | float))


def _ends(numbers: Sequence[int | float]) -> str:
    return " to ".join(dict.fromkeys(map(number, (numbers[0], numbers[-1]))))


def _words(values: Sequence[Fact | None], first: Sequence[str] = ()) -> str:
    words = [*first, *map(_word, values)]
    return ", ".join(words[:MOST_WORDS]) + (", …" if len(words) > MOST_WORDS else "")


def _word(value: Fact | None) -> str:
    return "unset" if value is None else value if isinstance(value, str) else number(value)
