"""The probe in loops that are not ours: it measures anybody's model while it is trained, and disturbs nothing.

`Probe` and `defect` are reached as `grokscope.Probe` and `grokscope.defect`. `transformers` and `lightning` hold the
callbacks for these two frameworks, each of them loaded when it is first asked for.
"""

from importlib import import_module
from typing import Any

_CALLBACKS = ("lightning", "transformers")


def __getattr__(name: str) -> Any:
    if name not in _CALLBACKS:
        raise AttributeError(f"module 'grokscope.own' has no attribute {name!r}")
    return import_module(f"grokscope.own.{name}")
