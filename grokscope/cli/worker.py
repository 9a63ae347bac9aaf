"""`python -m grokscope.cli.worker`: one process that runs the cells of a sweep, one after the other.

Importing a framework takes seconds, so the process imports it once. Each line of stdin is a cell: a JSON object with
the `arguments` of `grokscope`, and the file for the `stderr` of the cell. After each cell the worker writes the exit
code of the cell to stdout, as a line. A cell that neither finished nor diverged ends the worker with the exit code of
the cell: what such a cell left in memory cannot reach the next cell, and the run has no living process.
"""

import gc
import json
import os
import queue
import signal
import sys
import threading

from grokscope.cli.exits import ExitCode
from grokscope.cli.main import exit_code


def run_cells() -> None:
    """Run cells until stdin ends or a cell fails."""
    answers = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # a cell prints its directory
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        code = _cell(**json.loads(lines.get()))
        if code not in {ExitCode.FINISHED, ExitCode.DIVERGED}:
            sys.exit(code)
        gc.collect()  # a run refers to itself, so its memory is free only then
        os.write(answers, b"%d\n" % code)


def _read(lines: "queue.SimpleQueue[str]") -> None:
    """Pass on each line of stdin. At the end of stdin the sweep is gone: then end this process, and the cell with a
    checkpoint, as SIGTERM does."""
    for line in sys.stdin:
        lines.put(line)
    os.kill(os.getpid(), signal.SIGTERM)


def _cell(arguments: list[str], stderr: str) -> int:
    sys.stderr.flush()
    with open(stderr, "ab") as file:
        os.dup2(file.fileno(), 2)
    return exit_code(arguments)


if __name__ == "__main__":
    run_cells()
