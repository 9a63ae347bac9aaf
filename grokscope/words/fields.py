"""Fields of dictionaries that somebody else wrote: what is there and of the right form, or nothing."""

from collections.abc import Mapping
from typing import Any


def section(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One section of a configuration, or a part of an event; empty where there is none, or no table."""
    found = whole.get(name)
    return found if isinstance(found, Mapping) else {}
