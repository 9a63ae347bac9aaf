"""`Probe(sinks=…, notify=…)`: what `run --sink` and `--notify` do, from a loop of somebody's own."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from own_made import KINDS, events_of, probing, seeded, train

import grokscope

MLP = KINDS["MLP"]
TELL = "import os, sys; open(sys.argv[1], 'a').write(os.environ['NOTIFY_EVENT'] + ' ' + sys.stdin.read())"


def probed(run: Path, **options: Any) -> str:
    """The digest of what the loop came to; its accuracy is said to be perfect from the first step on."""
    model, data = seeded(MLP)
    asked = {"every": 2, "evaluate": {"test": lambda model: 1.0}, **options}
    return train(model, data, MLP.loss, 8, probing(MLP, model, data, run, **asked))


def test_a_command_is_told(tmp_path: Path) -> None:
    told = tmp_path / "told"
    alone = train(*seeded(MLP), MLP.loss, 8)
    assert probed(tmp_path / "mine", notify=shlex.join([sys.executable, "-c", TELL, str(told)])) == alone
    lines = [line.split(" ", 1) for line in told.read_text().splitlines()]
    assert [kind for kind, _ in lines] == ["grokked", "finished"]
    events = {event["event"]: event for event in events_of(tmp_path / "mine")}
    assert [json.loads(text) for _, text in lines] == [events["grokked"], events["finished"]]


def test_a_command_that_fails_is_one_warning(tmp_path: Path) -> None:
    """Wherever its failure is known: in the log, or behind the last event."""
    with pytest.warns(grokscope.ProbeWarning, match="notify command ended with 1; training goes on") as found:
        probed(tmp_path / "mine", notify="false")
    assert len(found) == 1
    assert len(events_of(tmp_path / "mine", "warned")) <= 1
    assert events_of(tmp_path / "mine")[-1]["status"] == "completed"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sinks": ["comet"]}, "'comet' is no tracker that grokscope knows: tensorboard, wandb, trackio, mlflow"),
        ({"notify": "no-such-command-at-all"}, "there is no command 'no-such-command-at-all'"),
    ],
    ids=["tracker", "command"],
)
def test_what_nobody_can_tell_is_refused_before_training(tmp_path: Path, options: Any, sentence: str) -> None:
    model, data = seeded(MLP)
    with pytest.raises(grokscope.CannotProbe) as found:
        grokscope.Probe(model, MLP.loss, data, run=tmp_path / "mine", **options)
    assert str(found.value) == sentence
    assert not (tmp_path / "mine").exists()
