"""The trackers and the command that follow a run, whoever trains it: our loop or somebody's own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grokscope.contract.backends import Unavailable
from grokscope.sinks.background import Background
from grokscope.sinks.notify import Notifier, parsed_command
from grokscope.sinks.tools import TOOLS, ToldTool

CLOSE_SECONDS = 120.0
"""Time that a tool may take at the end of a run for what it has not taken yet"""


class Followers:
    """Who is told of a run while it goes on."""

    def __init__(self, sinks: Iterable[str], notify: str | None) -> None:
        """`sinks`: names of `TOOLS`; `notify`: a command as a person types it.

        Raises `Unavailable` for a tool that is not known or not installed, `BadCommand` for what is no command.
        """
        names = tuple(dict.fromkeys(sinks))
        for name in names:
            if name not in TOOLS:
                raise Unavailable(f"{name!r} is no tracker that grokscope knows: {', '.join(TOOLS)}")
            TOOLS[name].check()
        self.tools = tuple(TOOLS[name] for name in names)
        self._command = None if notify is None else parsed_command(notify)

    @contextmanager
    def following(
        self, path: Path, complain: Callable[[str], None], leave: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Background]]:
        """Yields listeners for the recorder of the run directory `path`.

        Waits at the end until they have taken everything, for `CLOSE_SECONDS` at most, and no longer than until
        `leave()`. A failure that no event has told of is handed to `complain`.
        """
        listeners = [Background(tool.name, told.tell, told.close) for tool in self.tools
                     for told in [ToldTool(tool, path)]]  # fmt: skip
        if self._command is not None:
            listeners.append(Background("the notify command", Notifier(self._command, path), stubborn=True))
        try:
            yield listeners
        finally:
            for listener in listeners:
                if (problem := listener.close(CLOSE_SECONDS, leave)) is not None:
                    complain(problem)
