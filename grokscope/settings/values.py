"""Settings as people type them, and what is wrong with one, in words: the same in files, flags and schedules."""

import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

LONGEST_SETTING = 80
"""Letters of a wrong value that a sentence repeats"""


def read_value(text: str) -> Any:
    """TOML where it is some; any other words are a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def problem_in_words(problem: ValidationError, prefix: str = "") -> str:
    """What is wrong first, where, and what was given instead."""
    first = problem.errors()[0]
    where = prefix + ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not where:
        return message
    return f"{where}: {message[0].lower()}{message[1:]} (it is {_shortened(repr(first['input']))})"


def dotted(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as a layer of dotted keys."""
    layer: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            layer |= dotted(value, f"{prefix}{key}.")
        else:
            layer[prefix + key] = value
    return layer


def setting(config: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value whose dotted key is `name` or ends with it; the shallowest one where there are several."""
    found = [(key.count("."), value) for key, value in dotted(config).items() if f".{key}".endswith(f".{name}")]
    return min(found, key=lambda item: item[0])[1] if found else default


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SETTING else f"{text[: LONGEST_SETTING - 1]}…"
