"""The trackers that a run can be told to, by name.

A tracker's package is imported when a run is opened in it, and never before: `Tool.check` looks at metadata alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from grokscope.contract.backends import Unavailable, how_to_install
from grokscope.sinks.numbers import Told, ToldRun, numbers_of, told_run

ENDED_WELL = frozenset({"completed", "grokked", "stopped"})


class SinkFailed(RuntimeError):
    """A tracker could not take a run; the message is one sentence."""


class Sink(Protocol):
    """One run in one tracker. Any method may raise whatever the tracker's package raises."""

    @property
    def where(self) -> str:
        """The place of the run there: a folder, an address, or what the tracker calls it"""

    def log(self, told: Told) -> None:
        """Take numbers."""

    def close(self, status: str) -> None:
        """Take no more, and keep all. `status`: as `finished` has it; `running` where the run has not ended."""


@dataclass(frozen=True)
class Tool:
    """A tracker."""

    name: str
    package: str
    """The module that must be importable"""

    def check(self) -> None:
        """Raises `Unavailable` where the package is not installed."""
        if find_spec(self.package) is None:
            raise Unavailable(f"{self.name} is not installed: {how_to_install(self.name)}")

    def load(self) -> None:
        """Import the package. Raises `SinkFailed`."""
        try:
            self._module()
        except Exception as problem:  # somebody else's package
            raise SinkFailed(f"{self.name} cannot be imported: {problem}") from problem

    def _module(self) -> ModuleType:
        return import_module(f"grokscope.sinks.{self.name}")

    def open(self, run: ToldRun, folder: Path | None = None) -> Sink:
        """Begin a run there. `folder`: for files, where the tracker keeps files of its own in a folder of ours."""
        opened: Callable[[ToldRun, Path | None], Sink] = self._module().opened_sink
        return opened(run, folder)


TOOLS: Mapping[str, Tool] = {
    "tensorboard": Tool("tensorboard", "tensorboard"),
    "wandb": Tool("wandb", "wandb"),
    "trackio": Tool("trackio", "trackio"),
    "mlflow": Tool("mlflow", "mlflow"),
}


class ToldTool:
    """Tells a tracker the events of one run, in order."""

    def __init__(self, tool: Tool, path: Path, folder: Path | None = None) -> None:
        """`path`: the run directory."""
        self._tool, self._path, self._folder = tool, path, folder
        self._sink: Sink | None = None
        self._status = "running"

    @property
    def where(self) -> str:
        """See `Sink.where`; empty before the first event."""
        return "" if self._sink is None else self._sink.where

    def tell(self, event: Mapping[str, Any]) -> None:
        """Hand over what the tracker is told of an event. Raises `SinkFailed`."""
        try:
            self._tell(event)
        except Exception as problem:  # a tracker's package raises whatever it likes
            raise self._failure(problem) from problem

    def tell_all(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Hand over the events of a whole run. Raises `SinkFailed`."""
        for event in events:
            self.tell(event)
        self.close()

    def close(self) -> None:
        """No more events come. Raises `SinkFailed`."""
        try:
            if self._sink is not None:
                self._sink.close(self._status)
        except Exception as problem:
            raise self._failure(problem) from problem

    def _tell(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "started":
            self._sink = self._sink or self._tool.open(told_run(event, self._path), self._folder)
            self._status = "running"
        elif self._sink is not None and (told := numbers_of(event)) is not None:
            self._sink.log(told)
        if event["event"] == "finished":
            self._status = str(event.get("status"))

    def _failure(self, problem: Exception) -> SinkFailed:
        lines = str(problem).strip().splitlines()
        return SinkFailed(f"{self._tool.name} failed: {lines[0] if lines else type(problem).__name__}")
