"""The hours that runs may take on this machine, from a short timing of each kind of run: what `--dry-run` tells."""

from collections.abc import Sequence

from grokscope import registry
from grokscope.cli.exits import complain
from grokscope.cli.progress import tracked
from grokscope.contract.backends import Unavailable
from grokscope.machine.estimate import Stopwatch
from grokscope.registry import NoSuchPlugin
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.local import LocalEngine
from grokscope.words.numbers import counted


def expected_hours(cells: Sequence[Cell], jobs: int) -> tuple[list[float | None], str | None]:
    """Hours of each cell, None for a cell that cannot be timed on this machine; and how the hours were measured."""
    threads = LocalEngine(jobs).threads
    watch = Stopwatch(threads)
    hours: list[float | None] = []
    problems: dict[str, str] = {}
    for cell in tracked(cells, "runs timed"):
        try:
            hours.append(watch.seconds(cell.config, registry.get("tasks", cell.task)) / 3600)
        except (Unavailable, NoSuchPlugin, ValueError) as problem:
            hours.append(None)
            problems.setdefault(str(problem), cell.slug)
    for reason, first in problems.items():
        complain(f"{first} and similar cells could not be timed: {reason}")
    kinds = len(watch.speeds)
    if not kinds:
        return hours, None
    return hours, (
        f"by a short timing of {counted(kinds, 'kind')} of cells on {counted(threads, 'thread')}; other programs on "
        "this machine make the estimate longer, and signals other than the defect are not included"
    )
