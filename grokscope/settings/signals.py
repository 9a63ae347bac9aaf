"""What is looked at along a run, as people type it: `NAME[:parameter=value,…]`, the same in a flag and in TOML."""

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
    """A text that names no signal, or one that this run cannot have; one sentence for a person."""


@dataclass(frozen=True)
class AskedSignal:
    """One signal with its parameters."""

    spec: SignalSpec
    parameters: BaseModel


def asked_signals(texts: Sequence[str], snapshot_every: int) -> list[AskedSignal]:
    """The signals that `texts` name, each once. Raises `BadSignal`.

    `snapshot_every`: steps between snapshots; 0 where the run takes none.
    """
    asked: dict[str, AskedSignal] = {}
    for text in texts:
        signal = _read(text)
        name = signal.spec.name
        if name in asked:
            raise BadSignal(f"signal {name} is asked for twice")
        if signal.spec.cost == "snapshot" and not snapshot_every:
            raise BadSignal(f"signal {name} looks at snapshots: set snapshot.every too")
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
    """The signals that are installed and can be read, by name."""
    return registry.sound("signals")


def installed_descriptions() -> dict[str, SignalDescription]:
    """What readers get to know of the signals that are installed, by name."""
    return {spec.name: spec.description for spec in installed_signals()}


def signals_of(started: Mapping[str, Any]) -> dict[str, SignalDescription]:
    """The signals of a run as its first event describes them; of an older run, those that are installed."""
    return read_descriptions(started.get("signals")) or installed_descriptions()
