"""`accuracy_roughness`: how far test accuracy goes to and fro. Runs at high learning rates do little else."""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage


class AccuracyRoughnessParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(10, ge=3, description="evaluations, the last ones, that are looked at")


class AccuracyRoughness:
    """(Σ |Δa| − |Σ Δa|) / n over the n changes Δa of test accuracy a within the window: 0 where a only rises."""

    def __init__(self, window: int) -> None:
        self._window = window

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        changes = np.diff(vantage.series("test_accuracy")[1][-self._window :])
        if len(changes) < self._window - 1:
            return {}
        return {"accuracy_roughness": float((np.abs(changes).sum() - abs(changes.sum())) / len(changes))}


def _open(parameters: AccuracyRoughnessParameters, subject: Subject) -> AccuracyRoughness:
    return AccuracyRoughness(parameters.window)


SPEC = SignalSpec(
    name="accuracy_roughness",
    words="roughness of test accuracy",
    summary="Mean change of test accuracy from one evaluation to the next that comes to nothing, (Σ |Δa| − |Σ Δa|) / n "
    "over the last evaluations; it depends on how far apart they are.",
    cost="recorded",
    open=_open,
    parameters=AccuracyRoughnessParameters,
    higher=False,
    default=True,
)
