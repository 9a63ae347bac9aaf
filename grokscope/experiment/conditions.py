"""What can be done to a run, and what each of it is compared with. A condition has one number, its dose.

The published interventions each meet controls that share everything with them but the idea:

- `…-random`: random directions, as many in each weight matrix as the execution subspace has; or a kick of equal length
  in a random direction. What works there too is not about that subspace, or not about the commutator.
- `…-past`: the subspace of the baseline's trajectory up to where treatment starts, for the published one is made
  of the whole run and so knows where it will end. (Modular, small preset, seed 42, strength 0.5: never within 6,000
  steps on the whole run's subspace, at 2,950 on the past's; the baseline at 2,300.)
- `noise-isotropic`: noise that is projected off nothing.
- `rescale`: the gradient shrunk to the norm that the projection would leave, in its own direction.
- `lr`: learning rate times 1 − s. The gradient lies all but entirely off the subspace (trajectory components hold a
  few per cent of it), so removing a share s of what is off it is nearly a gradient times 1 − s. Plain descent could not
  tell that from a smaller learning rate; Adam, which divides by the gradient's own size, hardly notices it. So
  `rescale` says what shrinking does here, and `lr` what it would do if it counted in full. (Decoupled decay is lr · wd:
  it shrinks too. A rate of 0 is none, so there is no control of strength 1.)
- `sham`: a projection of strength 0. It changes nothing beyond rounding (a step that may be intervened in is computed
  in parts), so it shows what rounding alone becomes in the course of a run.

Beside the published doses stand some at which there is something to see: `update` is `project` applied to what Adam
makes of the gradient, where Adam cannot undo it; `kick-large` is long enough to be felt; `penalty` is one, unlike the
published one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grokscope.settings.config import ConfigError, RunConfig
from grokscope.settings.schedule import Entry

BASELINE = "baseline"


@dataclass(frozen=True)
class Condition:
    """A way to treat a run, at any dose."""

    name: str
    summary: str
    kind: str | None
    """The intervention; None where a setting is changed instead"""
    parameter: str
    """Which parameter of it is the dose; or which setting"""
    usual: float
    """The published dose"""
    grid: tuple[float, ...]
    """Doses of a full experiment"""
    basis: str | None = None
    """`random`, `none`; None: the execution subspace of the same seed's baseline"""
    control_of: str | None = None
    """The condition that it is a control of: same doses, compared dose by dose"""
    fixed: bool = False
    """Its dose is no choice"""
    past: bool = False
    """Its subspace is that of the baseline's trajectory up to where it starts"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Parameters beside dose and basis"""


@dataclass(frozen=True, order=True)
class Arm:
    """A condition at a dose. `Arm("baseline")` is what all others are measured against."""

    condition: str
    dose: float | None = None

    @property
    def label(self) -> str:
        return self.condition if self.dose is None or self.is_sham else f"{self.condition} {self.dose:g}"

    @property
    def slug(self) -> str:
        return self.label.replace(" ", "").replace("+", "")

    @property
    def is_baseline(self) -> bool:
        return self.condition == BASELINE

    @property
    def is_sham(self) -> bool:
        return self.condition == "sham"


STRENGTHS = (0.25, 0.5, 0.75, 1.0)

CONDITIONS: Mapping[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition("kick", "one displacement along the commutator", "kick", "alpha", 10.0, (10.0,)),
        Condition("noise", "noise off the subspace", "noise", "epsilon", 0.1, (0.1, 0.5, 2.0)),
        Condition("project", "gradient, less a share off the subspace", "project", "strength", 0.5, STRENGTHS),
        Condition("penalty-published", "the same, in every tenth step", "penalty", "strength", 0.5, (0.5,),
                  options={"published": True}),
        Condition("sham", "projection of strength 0", "project", "strength", 0.0, (0.0,), fixed=True),
        Condition("project-random", "project, random basis", "project", "strength", 0.5, STRENGTHS,
                  basis="random", control_of="project"),
        Condition("rescale", "gradient shrunk as much", "rescale", "strength", 0.5, STRENGTHS, control_of="project"),
        Condition("lr", "learning rate shrunk as much", None, "optimizer.lr", 0.5, STRENGTHS, control_of="project"),
        Condition("penalty", "quadratic penalty off the subspace", "penalty", "weight", 1e-3, (1e-3, 1e-2)),
        Condition("penalty-random", "penalty, random basis", "penalty", "weight", 1e-3, (1e-3, 1e-2),
                  basis="random", control_of="penalty"),
        Condition("penalty-past", "penalty, basis of the past alone", "penalty", "weight", 1e-3, (1e-3, 1e-2),
                  control_of="penalty", past=True),
        Condition("update", "Adam's update, less a share off the subspace", "project", "strength", 0.5,
                  STRENGTHS, options={"at": "update"}),
        Condition("update-random", "update, random basis", "project", "strength", 0.5, STRENGTHS,
                  basis="random", control_of="update", options={"at": "update"}),
        Condition("project-past", "project, basis of the past alone", "project", "strength", 0.5, STRENGTHS,
                  control_of="project", past=True),
        Condition("noise-random", "noise off a random basis", "noise", "epsilon", 0.1, (0.1,),
                  basis="random", control_of="noise"),
        Condition("noise-isotropic", "noise in all directions", "noise", "epsilon", 0.1, (0.1,),
                  basis="none", control_of="noise"),
        Condition("kick-random", "a kick in a random direction", "kick", "alpha", 10.0, (10.0,),
                  control_of="kick", options={"direction": "random"}),
        Condition("kick-large", "a kick of a share of the weights' norm", "kick", "relative", 0.1, (0.03, 0.1, 0.3)),
        Condition("kick-large-random", "as long, in a random direction", "kick", "relative", 0.1, (0.03, 0.1, 0.3),
                  control_of="kick-large", options={"direction": "random"}),
    )
}  # fmt: skip
"""In the order in which they are run and told."""

SETS: Mapping[str, tuple[str, ...]] = {
    "core": ("kick", "noise", "project", "penalty-published", "sham", "project-random", "project-past"),
    "all": tuple(CONDITIONS),
}
"""Names for several conditions; `all` takes every dose of their grids, `core` the usual ones."""


def read_conditions(text: str) -> list[str]:
    """`core`, `all`, or names with commas, as names. The baseline is always there. Raises `ConfigError`."""
    chosen: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word != BASELINE and word not in CONDITIONS and word not in SETS:
            known = ", ".join([*SETS, *CONDITIONS])
            raise ConfigError(f"there is no condition {word!r}; there are: {known}")
        chosen += SETS.get(word, () if word == BASELINE else (word,))
    return [name for name in CONDITIONS if name in chosen]


def read_doses(texts: list[str]) -> dict[str, list[float]]:
    """`project=0.25,0.5` texts. Raises `ConfigError`."""
    doses: dict[str, list[float]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if name not in CONDITIONS or not equals:
            raise ConfigError(f"--doses takes CONDITION=DOSE,DOSE, not {text!r}; conditions: {', '.join(CONDITIONS)}")
        if CONDITIONS[name].fixed:
            raise ConfigError(f"{name} has no dose to choose")
        try:
            doses[name] = sorted({float(value) for value in values.split(",")})
        except ValueError:
            raise ConfigError(f"doses of {name} are numbers, not {values!r}") from None
    return doses


def doses_of(name: str, given: Mapping[str, list[float]], *, grid: bool) -> list[float]:
    """The doses at which a condition is tried: its own, else those of what it controls, else the grid or the usual."""
    condition = CONDITIONS[name]
    parent = condition.control_of
    doses = given.get(name) or (parent and given.get(parent)) or (condition.grid if grid else (condition.usual,))
    return [dose for dose in doses if possible(Arm(name, dose))]


def possible(arm: Arm) -> bool:
    """A learning rate of zero is none."""
    return arm.condition != "lr" or (arm.dose or 0.0) < 1


def condition_settings(
    arm: Arm, config: RunConfig, *, start: int, basis: str, published: bool = False, blocks: str | None = None
) -> dict[str, Any]:
    """The settings that make a run of `config` a run of `arm`, which acts from step `start` on.

    `basis` names the run whose execution subspace it is about, `blocks` the weight matrices that this one spans.
    """
    if arm.is_baseline or arm.dose is None:
        return {}
    condition = CONDITIONS[arm.condition]
    if condition.kind is None:
        return {condition.parameter: config.optimizer.lr * (1 - arm.dose)}
    dose = int(arm.dose) if arm.dose.is_integer() else arm.dose  # `alpha=10`, as one would write it
    parameters: dict[str, Any] = {condition.parameter: dose, **condition.options, "basis": condition.basis or basis}
    if condition.past:
        parameters["basis_until"] = start
    if blocks is not None and condition.basis != "none":
        parameters["blocks"] = blocks
    if published and condition.kind != "rescale" and "at" not in condition.options:
        parameters["published"] = True
    return {"interventions.schedule": [Entry(condition.kind, start, parameters=parameters).text]}
