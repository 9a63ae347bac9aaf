"""Parameters of a plugin as people type them after its name: `parameter=value,…`, for all kinds of plugins."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from grokscope.settings.values import objection_to, problem_in_words, read_value

_BARE = re.compile(r"[A-Za-z0-9_./~+-]+")


class BadParameters(ValueError):
    """A text is not a list of parameters, or a plugin does not have a parameter. The message is one sentence."""


def read_parameters(text: str, whole: str) -> dict[str, Any]:
    """The parameters in a text. `whole`: the text that contains it, for messages. Raises `BadParameters`."""
    parameters: dict[str, Any] = {}
    for part in re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', text):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise BadParameters(f"{whole!r}: write parameter=value, not {part.strip()!r}")
        parameters[name.strip()] = read_value(value.strip())
    return parameters


def written_parameters(parameters: Mapping[str, Any]) -> str:
    """Parameters as a text for `read_parameters`. Parameters that are None are left out."""
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
    """A value as a text for `read_value`."""
    if not isinstance(value, str):
        return json.dumps(value)
    bare = _BARE.fullmatch(value) and read_value(value) == value
    return value if bare else json.dumps(value, ensure_ascii=False)
