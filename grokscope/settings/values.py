"""Values of settings as people type them, and messages about wrong values, for files, flags and schedules."""

import math
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from grokscope.gate import parse_toml

LONGEST_SETTING = 80
"""Characters of a wrong value that a message repeats"""


def read_value(text: str) -> Any:
    """The value of a text: TOML if the text is a TOML value, else a string."""
    try:
        table = parse_toml(f"value = {text}")
    except ValueError:
        return text
    return table["value"] if table.keys() == {"value"} else text


def objection_to(model: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> str | None:
    """What is wrong with `values` for `model`, beyond the checks of pydantic; None if they are valid.

    Numbers must be finite and fit into 64 bits; a number is not a boolean, and a boolean is not a number; text must be
    encodable.
    """
    for name, value in values.items():
        field = model.model_fields.get(name)
        why = odd_value(value) or (field and _odd_kind(_kinds(field.annotation), value))
        if why:
            return f"{prefix}{name} {why}"
    return None


def _odd_kind(kinds: set[Any], value: Any) -> str | None:
    numeric = bool(kinds & {int, float})
    if isinstance(value, bool) and numeric and bool not in kinds:
        return f"must be a number, not {str(value).lower()}"
    if isinstance(value, int | float) and not isinstance(value, bool) and bool in kinds and not numeric:
        return f"must be true or false, not {value}"
    return None


def odd_value(value: Any) -> str | None:
    """What is wrong with a value of any setting, as the end of a sentence; None for a valid value."""
    if isinstance(value, list | tuple):
        return next((why for each in value if (why := odd_value(each))), None)
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, not {value}"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "must be a number of at most 64 bits"
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return "has characters that this terminal's encoding lacks; set LANG=C.UTF-8"
    return None


def _kinds(annotation: Any) -> set[Any]:
    """The types in an annotation."""
    arguments = get_args(annotation)
    return {kind for each in arguments for kind in _kinds(each)} if arguments else {annotation}


def problem_in_words(problem: ValidationError, prefix: str = "") -> str:
    """The first problem as a sentence: the setting, the problem, and the given value."""
    first = problem.errors()[0]
    where = prefix + ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not where:
        return message
    return f"{where}: {message[0].lower()}{message[1:]} (it is {_shortened(repr(first['input']))})"


def dotted(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one layer of dotted keys."""
    layer: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            layer |= dotted(value, f"{prefix}{key}.")
        else:
            layer[prefix + key] = value
    return layer


def setting(config: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value whose dotted key is `name`, or ends with it; of several keys, the one with the fewest parts."""
    found = [(key.count("."), value) for key, value in dotted(config).items() if f".{key}".endswith(f".{name}")]
    return min(found, key=lambda item: item[0])[1] if found else default


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SETTING else f"{text[: LONGEST_SETTING - 1]}…"
