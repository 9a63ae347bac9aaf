"""Examples of every command, for its help and for the command reference. Tests check that each of them is accepted."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "grokscope run modular --preset quick",
        "grokscope run dyck --lr 1e-3 --steps 5000 --tui",
        "grokscope run modular --set task.operation=div --signal elasticity",
        "grokscope run --resume latest",
    ),
    "sweep": (
        "grokscope sweep modular --axis lr=1e-3,2e-3 --axis seed=42,137 --jobs 2",
        "grokscope sweep --config sweep.toml --dry-run",
    ),
    "sweep run": (
        "grokscope sweep run modular --axis wd=0,1",
        "grokscope sweep modular --axis seed=1,2,3,4 --engine replicas",
    ),
    "sweep status": ("grokscope sweep status latest",),
    "sweep replicas": ("grokscope sweep replicas my-sweep seed1 seed2 --threads 2",),
    "sweep resume": ("grokscope sweep resume latest --jobs 2",),
    "intervene": (
        "grokscope intervene modular --preset small --dry-run",
        "grokscope intervene dyck --conditions kick,project --doses kick=1,10",
    ),
    "intervene run": ("grokscope intervene run modular --preset small",),
    "intervene results": ("grokscope intervene results latest -o results",),
    "intervene spectrum": ("grokscope intervene spectrum intervene-modular-small intervene-dyck-paper",),
    "reproduce": (
        "grokscope reproduce --judge",
        "grokscope reproduce dyck --judge",
        "grokscope reproduce grokfast-sooner --dry-run",
        "grokscope reproduce --budget small -o verdicts",
    ),
    "control": (
        "grokscope control latest pause",
        "grokscope control latest intervene noise on --set epsilon=0.1",
        "grokscope control latest stop",
    ),
    "watch": (
        "grokscope watch",
        "grokscope watch --demo",
        "grokscope watch my-sweep",
        "grokscope watch latest --export-svg run.svg --size 120x40",
    ),
    "ls": ("grokscope ls", "grokscope ls 'lr<1e-3' state=finished --sort test -r", "grokscope ls my-sweep"),
    "show": ("grokscope show latest",),
    "pca": ("grokscope pca latest --blocks all",),
    "report": ("grokscope report latest -o report",),
    "mv": ("grokscope mv latest baseline",),
    "rm": ("grokscope rm baseline", "grokscope rm my-sweep --yes"),
    "forecast": ("grokscope forecast latest", "grokscope forecast latest --at 1000", "grokscope forecast --backtest"),
    "law": ("grokscope law --published", "grokscope law my-sweep"),
    "export": ("grokscope export latest --csv -o run.csv", "grokscope export latest --json --events evaluated"),
    "events": ("grokscope events latest --follow --kinds evaluated,grokked",),
    "import": (
        "grokscope import log.csv --fact lr=1e-3",
        "grokscope import seed0.csv seed1.csv --name seeds",
        "grokscope import sweep.csv --run-column id --column test_accuracy=acc",
        "grokscope import lightning_logs",
    ),
    "schema": ("grokscope schema", "grokscope schema --config modular"),
    "tasks": ("grokscope tasks", "grokscope tasks export scan -o data"),
    "tasks export": ("grokscope tasks export scan --split simple -o data",),
    "signals": ("grokscope signals", "grokscope signals elasticity"),
    "interventions": ("grokscope interventions", "grokscope interventions project"),
    "backends": ("grokscope backends",),
    "doctor": ("grokscope doctor", "grokscope doctor --verify"),
    "bench": ("grokscope bench modular --threads 1",),
}
"""By command, without `grokscope`; the first one is the most common use"""
