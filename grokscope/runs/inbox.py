"""The control inbox: how anybody asks a trainer for something.

One small JSON file a command, written under another name and then renamed, so that the trainer never sees half of one.
Names sort in the order of sending. Whatever else may stand in the folder, the trainer neither waits for it nor follows
it: it reads regular files of bounded size, and says of everything else what is wrong with it.
"""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from grokscope.gate import json_of
from grokscope.runs.directory import write_whole

Action = Literal["pause", "resume", "step", "stop", "snapshot", "intervene"]
ACTIONS: tuple[str, ...] = get_args(Action)

LARGEST = 1 << 16
"""Bytes of a command"""


class TooLong(ValueError):
    """A command with more parameters than a trainer would read."""


class Command(BaseModel):
    """One request. The trainer answers with an event: `paused`, `resumed`, `snapshot`, `intervened`, `finished`, or
    `warned` with the reason for refusing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    count: int = Field(1, ge=1, le=10**12, description="steps to take, for `step` while paused")
    kind: str | None = Field(None, max_length=100, description="which intervention, for `intervene`")
    state: Literal["on", "off"] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Letter:
    """A file of an inbox, read."""

    name: str
    command: Command | None
    trouble: str = ""
    """Why it was not understood; empty where it was"""


def send(inbox: Path, command: Command) -> Path:
    """Put `command` into the inbox (a run's `control` folder) and return its file. Raises `TooLong`, `OSError`."""
    content = command.model_dump_json()
    if len(content.encode()) > LARGEST:
        raise TooLong(f"a command has at most {LARGEST:,} bytes: give fewer or shorter parameters")
    file = inbox / f"{time.time_ns():020d}-{secrets.token_hex(3)}.json"
    write_whole(file, content)
    return file


class Inbox:
    """The trainer's side of it. Every file is taken once, and removed when what it asks for is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken: set[str] = set()

    def letters(self) -> Iterator[Letter]:
        """What has come since the last call, in the order of sending."""
        try:
            with self._opened() as folder:
                names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
                self._taken.intersection_update(names)
        except FileNotFoundError:
            return
        except OSError as problem:
            if "" not in self._taken:
                self._taken.add("")
                yield Letter("", None, f"the control inbox {self.folder} cannot be read: {problem.strerror}")
            return
        for name in names:
            if name not in self._taken:
                self._taken.add(name)
                yield self._read(name)

    def remove(self, name: str) -> None:
        """What it asked for is done, or refused. What cannot be removed stays, and is not taken again."""
        with suppress(OSError), self._opened() as folder:
            os.unlink(name, dir_fd=folder)

    def _read(self, name: str) -> Letter:
        try:
            with self._opened() as folder:
                data = _content(name, folder)
            return Letter(name, Command.model_validate(json_of(data)))
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
            return Letter(name, None, f"control command {name} was not understood: {_first_line(why)}")

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder itself: one that is a link to another would have other people's files read and removed."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)


def _content(name: str, folder: int) -> bytes:
    """Raises `OSError`, `ValueError`."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a file")
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    return data


def _first_line(text: str) -> str:
    return (text.splitlines() or [""])[0][:200]
