"""The control inbox: how anybody asks a trainer for something.

One small JSON file a command, written under another name and then renamed, so that the trainer never sees half of one.
Names sort in the order of sending.
"""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Action = Literal["pause", "resume", "step", "stop", "snapshot", "intervene"]
ACTIONS: tuple[str, ...] = get_args(Action)


class Command(BaseModel):
    """One request. The trainer answers with an event: `paused`, `resumed`, `snapshot`, `intervened`, `finished`, or
    `warned` with the reason for refusing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    count: int = Field(1, ge=1, description="steps to take, for `step` while paused")
    kind: str | None = Field(None, description="which intervention, for `intervene`")
    state: Literal["on", "off"] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


def send(inbox: Path, command: Command) -> Path:
    """Put `command` into the inbox (a run's `control` folder) and return its file."""
    inbox.mkdir(exist_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(3)}"
    draft = inbox / f".{name}.draft"
    draft.write_text(command.model_dump_json())
    return draft.rename(inbox / f"{name}.json")


def receive(inbox: Path) -> list[Command | str]:
    """Take everything out of the inbox, in order; what cannot be understood comes as a sentence saying so."""
    received: list[Command | str] = []
    try:
        waiting = sorted(name for name in os.listdir(inbox) if name.endswith(".json"))
    except FileNotFoundError:
        return received
    for name in waiting:
        file = inbox / name
        try:
            received.append(Command.model_validate(json.loads(file.read_text())))
        except (OSError, ValueError, ValidationError) as problem:
            received.append(f"control command {name} was not understood: {str(problem).splitlines()[0]}")
        file.unlink(missing_ok=True)
    return received
