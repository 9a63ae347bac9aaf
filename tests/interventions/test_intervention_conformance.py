"""The suite for interventions lets the built-in ones pass, and each way to break one has a test that says so."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interventions_made import TINY
from pydantic import ConfigDict, Field

from grokscope import registry
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress
from grokscope.interventions.basis import Parameters
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import read
from grokscope.settings.config import resolve
from grokscope.testing.interventions import InterventionConformance
from grokscope.training.launch import launched


class TestKick(InterventionConformance):
    spec = registry.get("interventions", "kick")
    parameters = {"basis": "own"}  # noqa: RUF012


class TestPublishedKick(InterventionConformance):
    spec = registry.get("interventions", "kick")
    parameters = {"published": True, "basis": "own"}  # noqa: RUF012


class TestNoise(InterventionConformance):
    spec = registry.get("interventions", "noise")


class TestPenalty(InterventionConformance):
    spec = registry.get("interventions", "penalty")


class TestPublishedPenalty(InterventionConformance):
    spec = registry.get("interventions", "penalty")
    parameters = {"published": True, "basis": "random"}  # noqa: RUF012


class TestProject(InterventionConformance):
    spec = registry.get("interventions", "project")


class TestProjectedUpdate(InterventionConformance):
    spec = registry.get("interventions", "project")
    parameters = {"at": "update"}  # noqa: RUF012


class TestRescale(InterventionConformance):
    spec = registry.get("interventions", "rescale")


class TestGrokfast(InterventionConformance):
    spec = registry.get("interventions", "grokfast")


class TestOrthograd(InterventionConformance):
    spec = registry.get("interventions", "orthograd")


class TestPublishedOrthograd(InterventionConformance):
    spec = registry.get("interventions", "orthograd")
    parameters = {"published": True}  # noqa: RUF012


class TestClamp(InterventionConformance):
    spec = registry.get("interventions", "clamp")
    parameters = {"ratio": 0.9}  # noqa: RUF012


class TestTemperature(InterventionConformance):
    spec = registry.get("interventions", "temperature")


class TestEmbeddingLR(InterventionConformance):
    spec = registry.get("interventions", "embedding-lr")


class TestAdaptiveEmbeddingLR(InterventionConformance):
    spec = registry.get("interventions", "embedding-lr")
    parameters = {"adaptive": True, "refresh": 2}  # noqa: RUF012


class TestClampAtRandom(InterventionConformance):
    spec = registry.get("interventions", "clamp")
    parameters = {"ratio": 0.9, "direction": "random"}  # noqa: RUF012


class TestOrthogradAtRandom(InterventionConformance):
    spec = registry.get("interventions", "orthograd")
    parameters = {"direction": "random"}  # noqa: RUF012


class TestTemperatureOfLength(InterventionConformance):
    spec = registry.get("interventions", "temperature")
    parameters = {"length_only": True}  # noqa: RUF012


class TestEmbeddingLRAtRandom(InterventionConformance):
    spec = registry.get("interventions", "embedding-lr")
    parameters = {"where": "random"}  # noqa: RUF012


class ShrinkParameters(Parameters):
    factor: float = Field(0.9, description="what the parameters are multiplied by")


class Shrink(Intervention):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def after_update(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1
        delta = (self.factor - 1) * theta
        step.displace(delta)
        return Change(delta, theta, "parameters")


SHRINK = InterventionSpec("shrink", "Shrink the parameters.", ShrinkParameters, lambda given, on: Shrink(given.factor))


class TestShrink(InterventionConformance):
    spec = SHRINK


class Drag(Shrink):
    """Against a moving average of the way so far, which it keeps."""

    def after_update(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1
        average = self.kept.get("average", 0 * theta)
        self.kept = {"average": self.factor * average + (1 - self.factor) * theta}
        delta = -0.1 * (theta - self.kept["average"])
        step.displace(delta)
        return Change(delta, theta, "parameters")


class TestDrag(InterventionConformance):
    spec = replace(SHRINK, open=lambda given, on: Drag(given.factor))


class Undescribed(Parameters):
    factor: float = 0.9


class Open(ShrinkParameters):
    model_config = ConfigDict(extra="allow")


class Silent(Shrink):
    def after_update(self, step: StepInProgress) -> Change | None:
        super().after_update(step)
        return None


class Boaster(Shrink):
    def after_update(self, step: StepInProgress) -> Change | None:
        change = super().after_update(step)
        assert change is not None
        return change._replace(delta=2 * change.delta)


class Whim(Shrink):
    random = np.random.default_rng()

    def after_update(self, step: StepInProgress) -> Change | None:
        self.factor = float(self.random.uniform(0.8, 0.9))
        return super().after_update(step)


class Forgetful(Shrink):
    """It remembers what no checkpoint holds."""

    def after_update(self, step: StepInProgress) -> Change | None:
        self.factor *= 0.99
        return super().after_update(step)


class Stranger:
    every, once, facts = 1, False, {}


class Rare(Shrink):
    every, once = 5, True


def opening(kind: Callable[..., Any]) -> InterventionSpec:
    return replace(SHRINK, open=lambda given, on: kind(given.factor))


@pytest.mark.parametrize(
    ("spec", "parameters", "test"),
    [
        (replace(SHRINK, name="Shrink it"), {}, "test_name_and_summary_are_said"),
        (replace(SHRINK, summary="two\nlines"), {}, "test_name_and_summary_are_said"),
        (replace(SHRINK, parameters=Undescribed), {}, "test_parameters_are_described_closed_and_have_defaults"),
        (replace(SHRINK, parameters=Open), {}, "test_parameters_are_described_closed_and_have_defaults"),
        (SHRINK, {"factor": 1.0}, "test_it_does_something"),
        (opening(Silent), {}, "test_what_it_did_is_told"),
        (opening(Boaster), {}, "test_how_far_it_went_is_true"),
        (opening(Whim), {}, "test_opened_again_it_is_the_same"),
        (opening(Forgetful), {}, "test_what_it_keeps_is_all_that_it_remembers"),
        (replace(SHRINK, memory=lambda given, plan: -1), {}, "test_what_it_takes_is_said"),
        (opening(lambda factor: Stranger()), {}, "test_when_it_acts_is_said"),
        (opening(Rare), {}, "test_when_it_acts_is_said"),
    ],
)
def test_a_broken_one_is_found(tmp_path: Path, spec: InterventionSpec, parameters: dict[str, Any], test: str) -> None:
    suite = type("Suite", (InterventionConformance,), {"spec": spec, "parameters": parameters})()
    run = InterventionConformance.run.__wrapped__(suite, tmp_path)  # type: ignore[attr-defined]
    arguments = {"run": run} if "run" in getattr(suite, test).__code__.co_varnames else {}
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(suite, test)(**arguments)


# --- the example ------------------------------------------------------------------------------------------------------

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_intervention.py"


class TestExample(InterventionConformance):
    spec = runpy.run_path(str(EXAMPLE))["SPEC"]


def test_the_example_holds_the_length() -> None:
    shown = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True)
    lengths = [float(line.rpartition(" ")[2]) for line in shown.stdout.splitlines()]
    assert lengths[0] > lengths[1] > lengths[2] > lengths[3]
    assert lengths[3:] == [lengths[3]] * 3


def test_it_enters_by_the_front_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed by somebody else, it is offered, scheduled and recorded like ours."""
    point = EntryPoint("hold", "own_intervention:SPEC", "grokscope.interventions")
    plugins = registry._entry_points
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    monkeypatch.setattr(
        registry,
        "_entry_points",
        lambda kind: {**plugins(kind), **({"hold": point} if kind == "interventions" else {})},
    )
    layer = {"backend.name": "reference", "interventions.schedule": ["hold@7"]}
    config, options = resolve(registry.get("tasks", "modular"), TINY, layer)
    directory = RunDirectory(tmp_path / "held")
    with launched(directory, config, registry.get("tasks", "modular"), options, resume=False) as trainer:
        trainer.run()
    events = list(read(directory.events))
    assert events[0]["intervention_parameters"]["hold"] == {"factor": 1.0}
    lengths = {e["step"]: e["signals"]["weight_norm"] for e in events if "weight_norm" in e.get("signals", {})}
    assert lengths[10] == pytest.approx(lengths[15]) == pytest.approx(lengths[20])
    assert [e["step"] for e in events if e.get("state") == "applied"] == [8, 10, 15, 20]
