"""Settings as people type them, and what is wrong with one, in words: the same in files, flags and schedules."""

import tomllib
from typing import Any

from pydantic import ValidationError


def read_value(text: str) -> Any:
    """TOML where it is some; any other words are a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def sentence(problem: ValidationError, prefix: str = "") -> str:
    """What is wrong first, where, and what was given instead."""
    first = problem.errors()[0]
    where = prefix + ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not where:
        return message
    return f"{where}: {message[0].lower()}{message[1:]} (it is {first['input']!r})"
