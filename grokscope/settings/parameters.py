"""Parameters of a plugin as people type them behind its name: `parameter=value,…`, the same for all kinds of plugin."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from grokscope.settings.values import objection_to, problem_in_words, read_value

_BARE = re.compile(r"[A-Za-z0-9_./~+-]+")


class BadParameters(ValueError):
    """A text that is no list of parameters, or parameters that a plugin does not take; one sentence for a person."""


def read_parameters(text: str, whole: str) -> dict[str, Any]:
    """`parameter=value,…` read; `whole` is what it is part of, for the message. Raises `BadParameters`."""
    parameters: dict[str, Any] = {}
    for part in re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', text):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise BadParameters(f"{whole!r}: {part.strip()!r} is not parameter=value")
        parameters[name.strip()] = read_value(value.strip())
    return parameters


def written_parameters(parameters: Mapping[str, Any]) -> str:
    """Parameters such that `read_parameters` reads them back; those that are None are left out."""
    return ",".join(f"{name}={_written(value)}" for name, value in parameters.items() if value is not None)


def validated(name: str, model: type[BaseModel], parameters: Mapping[str, Any]) -> BaseModel:
    """The parameters as the plugin `name` takes them. Raises `BadParameters`, naming the nearest where one is
    unknown."""
    known = list(model.model_fields)
    for parameter in parameters:
        if parameter not in known:
            nearest = get_close_matches(parameter, known, n=1, cutoff=0.4)
            others = f"it has {', '.join(known)}" if known else "it has none"
            raise BadParameters(
                f"{name} has no parameter {parameter!r}; " + (f"the nearest is {nearest[0]}" if nearest else others)
            )
    try:
        found = model.model_validate(dict(parameters))
    except ValidationError as problem:
        raise BadParameters(f"{name}: {problem_in_words(problem)}") from None
    objection = objection_to(model, parameters) or objection_to(model, found.model_dump())
    if objection:
        raise BadParameters(f"{name}: {objection}")
    return found


def _written(value: Any) -> str:
    """A value such that `read_value` reads it back."""
    if not isinstance(value, str):
        return json.dumps(value)
    bare = _BARE.fullmatch(value) and read_value(value) == value
    return value if bare else json.dumps(value, ensure_ascii=False)
