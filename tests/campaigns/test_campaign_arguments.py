"""Wrong words on the command line: any command, any options, any values. Nothing is trained, timed or sent anywhere."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from unittest.mock import patch

import pytest
from campaign import Tally, assert_sound, built, call, campaign, lengths
from cli_made import made_events, write_made_run
from hypothesis import strategies as st

from grokscope.cli.main import app
from grokscope.machine import bench as timing
from grokscope.machine.estimate import Stopwatch
from grokscope.sweeps.local import LocalEngine
from grokscope.sweeps.slurm import SlurmEngine
from grokscope.training.loop import Trainer

PLAIN = """
- -- -1 0 1 2 1e-3 1e999 nan inf true latest made mad other ../made runs runs/made runs/made/events.jsonl table
table.csv config.toml missing/folder/file . .. /dev/null /proc/self/mem /dev/full modular dyck scan modlar paper quick
small torch mlx auto cpu float32 noise noise@5 kick@onset:alpha=1 on off pause stop intervene on=off optimizer.lr=1e-3
optimizer.lr lr=1,2 lr=1..5 seed=1,2 = a=b=c train.steps=3 model.width=8 80x24 0x0 99999x99999 ² é %s {} * ~ $HOME svg
*=* accuracy=accuracy test_accuracy=test.accuracy step=step trained,evaluated state=running grokked>5
"""
WORDS = (*PLAIN.split(), "", " ", "1" + "0" * 30, "\x1b[31m", "\u202e", "\udcff", "x" * 5000, "\n")
NOT_TRIED = {"--timing", "--verify", "--tui", "--show-completion", "--install-completion", "--engine", "--debug"}
"""Options that measure this machine, need a terminal, or change a shell"""


ASKED_TO_GO = {"rm", "mv"}
"""Commands after which a run may be elsewhere, or nowhere: no other command takes one away"""


@dataclass(frozen=True)
class Leaf:
    """A command, its options (name, choices, whether a value follows), and how many arguments it may take."""

    path: tuple[str, ...]
    options: tuple[tuple[str, tuple[str, ...], bool], ...]
    arguments: int


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    below = getattr(command, "commands", {})
    for name in sorted(below):
        yield from leaves(below[name], (*path, name))
    options = tuple(
        (option, choices_of(each), not each.is_flag)
        for each in command.params
        if each.param_type_name == "option"
        for option in each.opts
        if option not in NOT_TRIED
    )
    yield Leaf(path, options, sum(each.param_type_name == "argument" for each in command.params))


def choices_of(parameter: Any) -> tuple[str, ...]:
    kind = getattr(parameter, "bare_type", None)
    return get_args(kind) if get_origin(kind) is Literal else ()


LEAVES = list(leaves(built(app)))

words = st.sampled_from(WORDS) | st.text(max_size=6).filter(lambda text: "\0" not in text)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    leaf = draw(st.sampled_from(LEAVES))
    line: list[str] = []
    options = st.lists(st.sampled_from(leaf.options), max_size=4) if leaf.options else st.just([])
    for option, choices, valued in draw(options):
        line += [option, draw(st.sampled_from(choices) | words if choices else words)] if valued else [option]
    arguments = draw(st.lists(words, max_size=leaf.arguments + 1))
    at = draw(st.integers(0, len(line)))
    line = [*line[:at], *arguments, *line[at:]]
    odd = draw(st.sampled_from([[], [], [], ["--frobnicate"], ["--help"], ["-x"], ["--version"], ["--set"]]))
    return [*leaf.path, *line, *odd]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run, a table, a configuration; deep enough that `..` leads nowhere else."""
    inside = tmp_path / "a" / "b"
    write_made_run(inside / "runs" / "made")
    rows = [event for event in made_events() if event["event"] == "evaluated"]
    text = "".join(f"{row['step']},{row['train']['accuracy']},{row['test']['accuracy']}\n" for row in rows)
    (inside / "table.csv").write_text("step,train_accuracy,test_accuracy\n" + text)
    (inside / "config.toml").write_text("[train]\nsteps = 3\n")
    assert call("import", "table.csv", folder=inside).code == 0
    return inside


@pytest.fixture
def _nothing_is_done() -> Iterator[None]:
    pytest.importorskip("torch")
    with ExitStack() as patches:
        for patched in (
            patch.object(Trainer, "run", lambda trainer, recorded=(): "completed"),
            patch.object(LocalEngine, "run", lambda engine, cells, on_change: []),
            patch.object(SlurmEngine, "run", lambda engine, cells, on_change: []),
            patch.object(Stopwatch, "seconds", lambda stopwatch, config, task: 1.0),
            patch.object(
                timing,
                "time_operations",
                lambda config, task, options, seconds: timing.Bench("torch", "cpu", {}, 1, []),
            ),
        ):
            patches.enter_context(patched)
        yield


@lengths(120, 8000)
@pytest.mark.usefixtures("_nothing_is_done")
def test_command_lines(inputs: int, tally: Tally, folder: Path) -> None:
    made = {path.name for path in (folder / "runs").iterdir()}

    @campaign(inputs, command_lines())
    def _(line: list[str]) -> None:
        ended = call(*line, folder=folder)
        tally.note(ended)
        assert_sound(ended)
        for path in (folder / "runs").iterdir():
            if path.name not in made:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if ASKED_TO_GO & set(line[:1]) and not (folder / "runs/made").exists():
            write_made_run(folder / "runs" / "made")
        assert json.loads((folder / "runs/made/events.jsonl").read_text().splitlines()[-1])["event"] == "finished"
