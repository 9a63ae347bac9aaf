"""Words of other programs, and what they are called here: an error that knows what was meant says it."""

from collections.abc import Iterable, Mapping

COMMANDS_MEANT: Mapping[str, str] = {
    "attach": "grokscope watch RUN",
    "clean": "grokscope rm RUN",
    "config": "grokscope show RUN",
    "delete": "grokscope rm RUN",
    "init": "grokscope run TASK",
    "kill": "grokscope control RUN stop",
    "list": "grokscope ls",
    "log": "grokscope events RUN",
    "logs": "grokscope events RUN --follow",
    "pause": "grokscope control RUN pause",
    "plot": "grokscope report RUN -o DIR",
    "predict": "grokscope forecast RUN",
    "presets": "grokscope tasks",
    "remove": "grokscope rm RUN",
    "rename": "grokscope mv RUN NAME",
    "resume": "grokscope run --resume RUN",
    "start": "grokscope run TASK",
    "status": "grokscope ls",
    "stop": "grokscope control RUN stop",
    "tail": "grokscope events RUN --follow",
    "train": "grokscope run TASK",
    "tui": "grokscope watch RUN",
    "verify": "grokscope doctor --verify",
    "version": "grokscope --version",
}
"""Commands that grokscope does not have, and the command that does what they say"""

OPTIONS_MEANT: Mapping[str, str] = {
    "--bs": "--batch-size",
    "--dir": "--runs",
    "--dtype": "--precision",
    "--epochs": "--steps",
    "--force": "--yes",
    "--iterations": "--steps",
    "--learning-rate": "--lr",
    "--learning_rate": "--lr",
    "--logdir": "--runs",
    "--max-steps": "--steps",
    "--num-steps": "--steps",
    "--out": "--output",
    "--output-dir": "--output",
    "--random-seed": "--seed",
    "--run-name": "--name",
    "--setting": "--set",
    "--signals": "--signal",
    "--step": "--steps",
    "--verbose": "--debug",
    "--weight-decay": "--wd",
    "--weight_decay": "--wd",
}
"""Options of other programs, and ours"""


def option_meant(option: str, known: Iterable[str]) -> str | None:
    """The option of a command that another program calls `option`; None if the command has none like it."""
    ours = OPTIONS_MEANT.get(option)
    return ours if ours in set(known) else None
