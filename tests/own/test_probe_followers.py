"""`Probe(sinks=…, notify=…)`: what `run --sink` and `--notify` do, from a loop of somebody's own."""

import json
import math
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_made import KINDS, events_of, probing, seeded, train, vectors
from torch import nn

import grokscope
from grokscope.sinks.notify import WORTH_A_NOTICE

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


def test_a_command_is_told_of_all_that_a_person_waits_for(tmp_path: Path) -> None:
    """A loop of which every turn is known: inputs that are stretched let the defect rise, the rest it says itself."""
    inputs, labels = vectors()
    told, run = tmp_path / "told", tmp_path / "mine"
    accuracies = [0.1] * 10 + [1.0] * 4 + [0.1] * 6
    losses = [2 + 0.3 * min(step, 20 - step) for step in range(20)]
    stretched = 1.0
    model = nn.Linear(6, 5)
    nn.init.zeros_(model.weight)

    def batch(random: np.random.Generator) -> Any:
        rows = torch.as_tensor(random.integers(len(labels), size=8))
        return stretched * inputs[rows], labels[rows]

    watching = grokscope.Probe(
        model, MLP.loss, batch, run=run, every=1, on_error="raise",
        notify=shlex.join([sys.executable, "-c", TELL, str(told)]),
    )  # fmt: skip
    for step, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), 1):
        stretched *= 1.3
        watching.step(0.5 if step < 20 else math.nan, test_accuracy=accuracy, test_loss=loss)
    watching.finish()
    lines = [line.split(" ", 1) for line in told.read_text().splitlines()]
    assert sorted({kind for kind, _ in lines}) == sorted(WORTH_A_NOTICE)
    assert [json.loads(text) for _, text in lines] == [e for e in events_of(run) if e["event"] in WORTH_A_NOTICE]


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
