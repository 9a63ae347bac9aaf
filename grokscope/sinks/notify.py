"""Notices: somebody's command is run when something happens in a run that a person waits for.

No shell sees anything of a run: the event goes to the command's standard input as JSON, and its facts stand in
variables of the environment.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from grokscope.gate import real_path
from grokscope.words.clean import clean
from grokscope.words.events import event_in_words

WORTH_A_NOTICE = frozenset({"onset", "turned", "grokked", "regressed", "diverged", "finished"})
LIMIT_SECONDS = 30.0
"""Time that a command may take"""
LONGEST_ERROR = 4096
"""Bytes of what a command printed last that are looked at where it fails"""


class BadCommand(ValueError):
    """A command that cannot be run; the message is one sentence."""


def parsed_command(text: str) -> list[str]:
    """A command as a person types it, as its arguments. Raises `BadCommand`."""
    try:
        arguments = shlex.split(text)
    except ValueError as problem:
        raise BadCommand(f"{text!r} is no command: {problem}") from None
    if not arguments or shutil.which(arguments[0]) is None:
        raise BadCommand(f"there is no command {arguments[0] if arguments else text!r}")
    return arguments


class Notifier:
    """Runs a command for each event that is worth a notice, and waits for it.

    The command finds the event on its standard input, as one line of JSON, and in its environment `NOTIFY_EVENT` (the
    kind), `NOTIFY_RUN` (the run directory), `NOTIFY_STEP` and `NOTIFY_TEXT` (a sentence for a person).
    """

    def __init__(self, command: list[str], path: Path, limit: float = LIMIT_SECONDS) -> None:
        self._command, self._path, self._limit = command, real_path(path), limit

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Raises `RuntimeError` with a sentence where the command fails or takes too long."""
        if event["event"] not in WORTH_A_NOTICE:
            return
        facts = {
            "NOTIFY_EVENT": str(event["event"]),
            "NOTIFY_RUN": str(self._path),
            "NOTIFY_STEP": str(event.get("step", "")),
            "NOTIFY_TEXT": f"{self._path.name}: {event_in_words(event)}",
        }
        with TemporaryFile() as errors:  # a pipe would stay open as long as whatever the command leaves running
            try:
                process = subprocess.Popen(
                    self._command, env={**os.environ, **facts}, start_new_session=True,
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors,
                )  # fmt: skip
            except OSError as problem:
                raise RuntimeError(f"the notify command cannot be run: {problem.strerror}") from None
            self._wait(process, json.dumps(event, allow_nan=False).encode() + b"\n", errors)

    def _wait(self, process: subprocess.Popen[bytes], text: bytes, errors: IO[bytes]) -> None:
        try:
            process.communicate(text, timeout=self._limit)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):  # it may have ended just now
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise RuntimeError(f"the notify command took more than {self._limit:g} s, and was ended") from None
        if process.returncode:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - LONGEST_ERROR))
            last = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            said = f": {clean(last[0], 200)}" if last else ""
            raise RuntimeError(f"the notify command ended with {process.returncode}{said}")
