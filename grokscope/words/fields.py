"""Fields of dictionaries that somebody else wrote: what is there and of the right form, or nothing."""

from collections.abc import Mapping
from typing import Any


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One section of a configuration; empty where the configuration has no such section, or has no table there."""
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}
