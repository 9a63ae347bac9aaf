"""What signals may do to a run: say something, or nothing, or fail; never end it."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grokscope import registry
from grokscope.contract.backends import Prediction
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters
from grokscope.geometry import commutator
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import read
from grokscope.settings.config import ConfigError, resolve
from grokscope.testing import reference
from grokscope.testing.signals import CountingSession
from grokscope.training.evaluation import PreparedSplit
from grokscope.training.launch import launched, resumed_config
from grokscope.training.vantage import RememberedLandscape

MODULAR = registry.get("tasks", "modular")

TINY: dict[str, Any] = {
    "task.modulus": 5, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "train.steps": 12, "train.batch_size": 8, "evaluate.every": 2, "measure.every": 6, "measure.samples": 1,
    "measure.baseline_samples": 1, "log.every": 6, "checkpoint.every": 6, "train.stop_after_grok": -1,
    "forecast.enabled": False, "backend.name": "reference",
}  # fmt: skip

MODULE = """
from grokscope.contract.signals import NotOffered, SignalSpec

class Fragile:
    def observe(self, vantage):
        if vantage.step == 4:
            raise ZeroDivisionError("no such luck")
        return {"fragile": float(vantage.step)}

class Thief:
    def observe(self, vantage):
        return {"weight_norm": 0.0}

class Curious:
    def observe(self, vantage):
        return {"curious": float(len(list(vantage.answers("validation"))))}

def refuse(parameters, subject):
    raise ValueError(f"{subject.task} has no symmetry to look for")

def spec(name, open):
    return SignalSpec(name=name, words=name, summary=name, cost="free", open=open)

fragile = spec("fragile", lambda parameters, subject: Fragile())
thief = spec("thief", lambda parameters, subject: Thief())
curious = spec("curious", lambda parameters, subject: Curious())
picky = spec("picky", refuse)
nonsense = 7
"""


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reference and a few odd signals as if they were plugins."""
    (tmp_path / "odd_signals.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = registry._entry_points
    names = ("fragile", "thief", "curious", "picky", "nonsense")
    odd = {name: EntryPoint(name, f"odd_signals:{name}", "grokscope.signals") for name in names}
    odd["gone"] = EntryPoint("gone", "nobody_has_this:SPEC", "grokscope.signals")
    more: Mapping[str, Any] = {
        "backends": {"reference": EntryPoint("reference", "grokscope.testing.reference:SPEC", "grokscope.backends")},
        "signals": odd,
    }
    monkeypatch.setattr(registry, "_entry_points", lambda kind: {**plugins(kind), **more.get(kind, {})})


def run(folder: Path, *, resume: bool = False, **settings: Any) -> list[dict[str, Any]]:
    directory = RunDirectory(folder / "tiny")
    if resume:
        _, config, options = resumed_config(directory, {"train.steps": 12})
    else:
        named = {name.replace("__", "."): value for name, value in settings.items()}
        config, options = resolve(MODULAR, TINY, named)
    with launched(directory, config, MODULAR, options, resume=resume) as trainer:
        trainer.run()
    return list(read(directory.events))


def steps_of(events: list[dict[str, Any]], name: str) -> list[int]:
    return [event["step"] for event in events if event["event"] == "observed" and name in event["signals"]]


def failed(events: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    told = [event for event in events if event["event"] == "warned" and event["signal"]]
    return [(event["step"], event["signal"], event["reason"]) for event in told]


def test_one_that_fails_is_named_once_and_left_out(tmp_path: Path) -> None:
    events = run(tmp_path, observe__signals=["fragile"])
    assert failed(events) == [(4, "fragile", "signal fragile failed, and is left out from here on: no such luck")]
    assert steps_of(events, "fragile") == [0, 2]
    assert steps_of(events, "weight_norm") == [0, 2, 4, 6, 8, 10, 12], "the others go on"
    assert events[-1]["parameters_digest"] == run(tmp_path / "alone")[-1]["parameters_digest"]


def test_one_that_failed_stays_out_of_the_resumed_run(tmp_path: Path) -> None:
    run(tmp_path, observe__signals=["fragile"], train__steps=6)
    assert failed(run(tmp_path, resume=True))[1:] == []


@pytest.mark.parametrize("name", ["thief", "curious"])
def test_numbers_of_others_and_splits_that_are_not_there(tmp_path: Path, name: str) -> None:
    events = run(tmp_path, observe__signals=[name])
    ((step, signal, reason),) = failed(events)
    assert (step, signal) == (0, name)
    assert "not its own" in reason or "no 'validation'" in reason
    observed = [event["signals"] for event in events if event["event"] == "observed"]
    assert all(numbers["weight_norm"] > 0 for numbers in observed if "weight_norm" in numbers)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("picky", "^signal picky cannot be had: modular has no symmetry to look for$"),
        ("gone", "the signal 'gone' is broken .ModuleNotFoundError: No module named 'nobody_has_this'"),
        ("nonsense", "the signal 'nonsense' is broken .odd_signals:nonsense is not a SignalSpec"),
        ("weight_nrom", "did you mean weight_norm"),
        ("weight_norm:power=2", "signal weight_norm has no parameter 'power'; it has none"),
        ("finite_difference_defect:eta=0", "eta: input should be greater than 0"),
        ("finite_difference_defect:etta=1", "the nearest is eta"),
        ("pc1", "signal pc1 needs snapshots; set snapshot.every too"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_written(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(tmp_path, observe__signals=[text])
    assert not (tmp_path / "tiny").exists()


def test_asked_for_twice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="signal weight_norm is given twice"):
        run(tmp_path, observe__signals=["weight_norm", "weight_norm"])


def test_the_run_says_what_it_looks_at(tmp_path: Path) -> None:
    events = run(tmp_path, measure__estimator="finite-difference")
    signals = events[0]["signals"]
    assert {"finite_difference_defect", "weight_norm", "test_loss"} <= signals.keys()
    assert not {"defect", "fragile", "pc1"} & signals.keys()
    assert signals["weight_norm"] == {
        "name": "weight_norm", "words": "weight norm", "unit": "", "source": "Liu et al. 2022, arXiv 2210.01117",
        "cost": "free", "log": True, "higher": False, "floor": "",
        "rules": [{"name": "weight-norm-halved", "shape": "falls", "words": "weight norm halved", "factor": 0.5}],
    }  # fmt: skip


def test_a_signal_beside_the_estimator_that_measures_it_is_looked_at_once(tmp_path: Path) -> None:
    events = run(tmp_path, observe__signals=["defect"])
    assert steps_of(events, "defect") == []
    assert [event["step"] for event in events if event["event"] == "measured"] == [0, 6, 12]
    events = run(tmp_path / "off", observe__signals=["defect"], measure__estimator="off")
    assert steps_of(events, "defect") == [0, 6, 12]


# --- the vantage ------------------------------------------------------------------------------------------------------


def test_a_landscape_computes_nothing_twice_at_its_point() -> None:
    model = ModelSpec("decoder", 5, 2, 5, 8, 1, 2, 8)
    pairs = np.array([[first, second] for first in range(5) for second in range(5)])
    labels = np.stack([np.full(len(pairs), IGNORED), pairs.sum(axis=1) % 5], axis=1)
    train = Packer(Examples(pairs, np.full(len(pairs), 2), labels), model)
    session = CountingSession(reference.SPEC.open(model, initial_parameters(model, 0), precision="float64"))
    one, other = (session.prepare(train.batch(np.arange(start, start + 5))) for start in (0, 5))
    point, elsewhere = session.parameters, session.parameters * 1
    landscape = RememberedLandscape(session, point)
    first = landscape.gradient(point, one)
    assert landscape.gradient(point, one) is first
    assert session.work.gradients == 1
    landscape.gradient(elsewhere, one)
    assert session.work.gradients == 2
    whole = commutator.exact(landscape, point, one, other, precision="float64")
    session.reset()
    assert commutator.exact(landscape, point, one, other, precision="float64").defect == whole.defect
    assert session.work == (0, 0)


def test_answers_weigh_reads_by_the_labels_they_answer() -> None:
    """Of six examples three are equal: their read answers three labels."""
    model = ModelSpec("decoder", 5, 2, 5, 8, 1, 2, 8)
    pairs = np.array([[0, 1], [0, 1], [0, 1], [2, 3], [3, 4], [1, 1]])
    labels = np.stack([np.full(6, IGNORED), pairs.sum(axis=1) % 5], axis=1)
    session = reference.SPEC.open(model, initial_parameters(model, 0), precision="float64")
    split = PreparedSplit(Packer(Examples(pairs, np.full(6, 2), labels), model), session)
    predictions: list[Prediction] = list(split.predictions(session.parameters))
    answers = list(split.answers(predictions))
    times = np.concatenate([each.times for each in answers])
    losses = np.concatenate([each.prediction.losses for each in answers])
    assert sorted(times.tolist()) == [1, 1, 1, 3]
    assert float((losses * times).sum() / times.sum()) == pytest.approx(split.scored(predictions).loss, rel=1e-12)
