"""Signals of a run as people type them: `NAME[:parameter=value,…]`, the same in a flag and in TOML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from grokscope import registry
from grokscope.contract.signals import SignalDescription, SignalSpec, read_descriptions
from grokscope.settings.parameters import BadParameters, read_parameters, validated

MEASURING = {"exact": "defect", "finite-difference": "finite_difference_defect"}
"""The signal that fills the `measured` event, by `measure.estimator`"""


class BadSignal(ValueError):
    """A text names no signal, or the run cannot record the signal. The message is one sentence."""


@dataclass(frozen=True)
class AskedSignal:
    """A signal with its parameters."""

    spec: SignalSpec
    parameters: BaseModel


def asked_signals(texts: Sequence[str], snapshot_every: int) -> list[AskedSignal]:
    """The distinct signals that `texts` name. Raises `BadSignal`.

    `snapshot_every`: steps between snapshots; 0 without snapshots.
    """
    asked: dict[str, AskedSignal] = {}
    for text in texts:
        signal = _read(text)
        name = signal.spec.name
        if name in asked:
            raise BadSignal(f"signal {name} is given twice; give it once")
        if signal.spec.cost == "snapshot" and not snapshot_every:
            raise BadSignal(f"signal {name} needs snapshots; set snapshot.every too")
        asked[name] = signal
    return list(asked.values())


def _read(text: str) -> AskedSignal:
    name, _, rest = text.strip().partition(":")
    try:
        spec = registry.get("signals", name.strip())
        return AskedSignal(spec, validated(f"signal {spec.name}", spec.parameters, read_parameters(rest, text)))
    except (registry.NoSuchPlugin, registry.BrokenPlugin) as problem:
        raise BadSignal(str(problem.args[0])) from None
    except BadParameters as problem:
        raise BadSignal(str(problem)) from None


def installed_signals() -> list[SignalSpec]:
    """The installed signals that can be read, by name."""
    return registry.sound("signals")


def installed_descriptions() -> dict[str, SignalDescription]:
    """The descriptions of the installed signals, by name."""
    return {spec.name: spec.description for spec in installed_signals()}


def signals_of(started: Mapping[str, Any]) -> dict[str, SignalDescription]:
    """The signals that the first event of a run describes; for an older run, the installed signals."""
    return read_descriptions(started.get("signals")) or installed_descriptions()
