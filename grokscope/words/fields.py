"""Reads fields of dictionaries from other programs. A field of the wrong form counts as missing."""

from collections.abc import Mapping
from typing import Any


def section(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a configuration, or a part of an event; empty if it is missing or no table."""
    found = whole.get(name)
    return found if isinstance(found, Mapping) else {}
