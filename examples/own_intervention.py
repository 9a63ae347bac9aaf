"""An intervention of your own: hold the length of all parameters where it was when it was switched on.

python examples/own_intervention.py

Installed, it is offered like the built-in ones, to every run and on every backend:

    [project.entry-points."grokscope.interventions"]
    hold = "own_intervention:SPEC"

    grokscope run modular --preset quick --intervene hold@1000
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import norm


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    factor: float = Field(1.0, gt=0, description="of the length at which it was switched on")


class Hold(Intervention):
    def __init__(self, length: float) -> None:
        self.length = length

    def after_update(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1  # a copy: the session goes on moving its own
        delta = (self.length / norm(theta) - 1) * theta
        step.displace(delta)
        return Change(delta, theta, "parameters")


def opened(parameters: Any, on: SwitchedOn) -> Hold:
    return Hold(parameters.factor * norm(on.parameters))


SPEC = InterventionSpec("hold", "Hold the length of all parameters.", Parameters, opened)


def main() -> None:
    """Train a tiny model for 60 steps with weight decay, holding its length from the 30th on."""
    from grokscope import registry
    from grokscope.contract.examples import Packer
    from grokscope.contract.parameters import initial_parameters, layout
    from grokscope.contract.streams import generator
    from grokscope.interventions.step import Active, stepped
    from grokscope.settings.config import resolve
    from grokscope.testing.reference import SPEC as NUMPY

    sizes = {"task.modulus": 7, "model.width": 8, "model.heads": 2, "model.feed_forward": 8, "optimizer.lr": 0.01}
    config, options = resolve(registry.get("tasks", "modular"), sizes)
    data = registry.get("tasks", "modular").load(options, 0)
    model = config.model_of(data.model)
    train, session = Packer(data.train, model), NUMPY.open(model, initial_parameters(model, 0))

    def draw(random: Any) -> Any:
        return session.prepare(train.batch(random.integers(len(data.train), size=8)))

    acting: list[Active] = []
    for number in range(60):
        if number % 10 == 0:
            print(f"step {number}: ‖θ‖ = {norm(session.parameters):.3f}")
        if number == 30:
            on = SwitchedOn(Path(), 0, number, 0, session, layout(model), session.tonumpy(session.parameters))
            acting = [Active(SPEC.name, SPEC.open(SPEC.parameters(), on), number, {}, "control")]
        stepped(session, acting, draw(generator(0, "batch", number)), config.optimizer_at(number), number, 0, draw)


if __name__ == "__main__":
    main()
