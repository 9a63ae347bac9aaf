"""Watch a neural network grok: measure its loss landscape, forecast when it will generalize, and try what changes it.

The command line is `grokscope --help`. From Python, recorded runs are read with

    import grokscope

    run = grokscope.open("latest")          # or a name, a unique prefix, a path
    run.table().to_pandas()                 # one row a step
    run.detections()                        # what every rule found
    run.forecast(at=1000)                   # what was to be said at step 1,000
    grokscope.import_runs("log.csv")        # somebody else's record as a run, as `grokscope import` makes it

A model of your own, in a loop of your own, is measured with

    with grokscope.Probe(model, loss, batches, run="runs/mine", optimizer=optimizer):   # PyTorch; nothing in the loop
        train()
    probe = grokscope.Probe(model, loss, batches, run="runs/mine")    # PyTorch or MLX
    probe.step(loss=value, test_accuracy=accuracy)                    # behind every step; False: somebody asked to stop
    grokscope.defect(model, loss, batch_a, batch_b)                   # one number with its floor, no run

Importing this package imports nothing heavy: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokscope.contract.own_models import CannotProbe as CannotProbe
    from grokscope.imports.imported import import_runs as import_runs
    from grokscope.own.one_defect import Defect as Defect
    from grokscope.own.one_defect import ProbeWarning as ProbeWarning
    from grokscope.own.one_defect import defect as defect
    from grokscope.own.probe import Probe as Probe
    from grokscope.record import RecordedRun as RecordedRun
    from grokscope.record import RunTable as RunTable
    from grokscope.record import list_runs as list_runs
    from grokscope.record import open_run as open  # noqa: A004

__version__ = "0.1.0"

_HOME = {
    "CannotProbe": ("grokscope.contract.own_models", "CannotProbe"),
    "Defect": ("grokscope.own.one_defect", "Defect"),
    "Probe": ("grokscope.own.probe", "Probe"),
    "ProbeWarning": ("grokscope.own.one_defect", "ProbeWarning"),
    "defect": ("grokscope.own.one_defect", "defect"),
    "import_runs": ("grokscope.imports.imported", "import_runs"),
    "RecordedRun": ("grokscope.record", "RecordedRun"),
    "RunTable": ("grokscope.record", "RunTable"),
    "list_runs": ("grokscope.record", "list_runs"),
    "open": ("grokscope.record", "open_run"),
}
"""Where each public name stands, and what it is called there"""

__all__ = [
    "CannotProbe",
    "Defect",
    "Probe",
    "ProbeWarning",
    "RecordedRun",
    "RunTable",
    "defect",
    "import_runs",
    "list_runs",
    "open",
]


def __getattr__(name: str) -> Any:
    if name == "own":
        return import_module("grokscope.own")
    if name not in _HOME:
        raise AttributeError(f"module 'grokscope' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
