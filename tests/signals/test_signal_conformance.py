"""Every built-in signal passes the suite that ships, on the NumPy reference and the installed backends."""

from typing import Any, ClassVar

from grokscope import registry
from grokscope.contract.backends import BackendSpec, Unavailable
from grokscope.contract.signals import SignalSpec
from grokscope.testing.signals import SignalConformance

PARAMETERS: dict[str, dict[str, Any]] = {
    "accuracy_roughness": {"window": 4},
    "hankel_dmd": {"window": 4, "delays": 2},
    "tangential_share": {"examples": 4},
}
"""For a run of seven evaluations on fifteen examples"""


def available() -> list[BackendSpec]:
    found = []
    for name in registry.names("backends"):
        spec = registry.get("backends", name)
        try:
            spec.devices()
        except Unavailable:
            continue
        found.append(spec)
    return found


def suite(signal: SignalSpec) -> type[SignalConformance]:
    class Suite(SignalConformance):
        spec: ClassVar[SignalSpec] = signal
        parameters: ClassVar[dict[str, Any]] = PARAMETERS.get(signal.name, {})
        backends: ClassVar[list[BackendSpec]] = available()

    Suite.__name__ = Suite.__qualname__ = "Test" + signal.name.title().replace("_", "")
    return Suite


for _suite in [suite(registry.get("signals", name)) for name in registry.names("signals")]:
    globals()[_suite.__name__] = _suite
del _suite
