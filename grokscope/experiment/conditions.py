"""The conditions of an experiment, and the control of each condition. A condition has one number, its dose.

Each published intervention has controls, which differ from it only in the tested idea:

- `…-random`: random directions, as many in each weight matrix as the execution subspace has; or a kick of equal length
  in a random direction. An effect that this control shows too is not caused by the subspace, or by the commutator.
- `…-past`: the subspace of the baseline's trajectory up to the start of the treatment. The published subspace is made
  from the whole run, and so contains its end. (Modular, small preset, seed 42, strength 0.5: no grokking within 6,000
  steps with the subspace of the whole run; at 2,950 with that of the past; the baseline groks at 2,300.)
- `noise-isotropic`: noise without a projection.
- `rescale`: the gradient in its own direction, with the norm that the projection would leave.
- `lr`: the learning rate times 1 − s. Almost the whole gradient lies off the subspace (trajectory components hold a
  few per cent of it), so removing a share s of the part off the subspace nearly multiplies the gradient by 1 − s. For
  gradient descent this equals a smaller learning rate; Adam divides by the size of the gradient, and hardly changes.
  So `rescale` shows the effect of the shrinking, and `lr` the effect that it would have without Adam. (Decoupled decay
  is lr · wd, and shrinks too. A learning rate of 0 is impossible, so strength 1 has no such control.)
- `sham`: a projection of strength 0. It changes only rounding, because a treated step is computed in parts, and so
  shows how much rounding alone changes a run.

Some conditions were not published, because the published doses are too weak to show an effect: `update` is `project`
applied to Adam's update, where Adam cannot undo it; `kick-large` is a longer kick; `penalty` is a true penalty.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grokscope.experiment.levers import LEVERS, Condition
from grokscope.settings.config import ConfigError, RunConfig
from grokscope.settings.schedule import Entry

BASELINE = "baseline"


@dataclass(frozen=True, order=True)
class Arm:
    """A condition at a dose. `Arm("baseline")` is the reference of all other arms."""

    condition: str
    dose: float | None = None

    @property
    def label(self) -> str:
        fixed = self.dose is None or condition_named(self.condition).fixed
        return self.condition if fixed else f"{self.condition} {self.dose:g}"

    @property
    def slug(self) -> str:
        return self.label.replace(" ", "").replace("+", "")

    @property
    def is_baseline(self) -> bool:
        return self.condition == BASELINE

    @property
    def summary(self) -> str:
        """The condition in words; empty for the baseline, and for an arm of a sweep that is no condition."""
        return condition_named(self.condition).summary if self.condition in CONDITIONS or self.parts else ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The two conditions of a combination; none for another arm."""
        parts = tuple(self.condition.split("+"))
        return parts if len(parts) > 1 else ()

    @property
    def is_sham(self) -> bool:
        return self.condition == "sham"


STRENGTHS = (0.25, 0.5, 0.75, 1.0)

_PUBLISHED: tuple[Condition, ...] = (
    Condition("kick", "one displacement along the commutator", "kick", "alpha", 10.0, (10.0,)),
    Condition("noise", "noise off the subspace", "noise", "epsilon", 0.1, (0.1, 0.5, 2.0)),
    Condition("project", "gradient, less a share off the subspace", "project", "strength", 0.5, STRENGTHS),
    Condition("penalty-published", "the same, in every tenth step", "penalty", "strength", 0.5, (0.5,),
              options={"published": True}),
    Condition("sham", "projection of strength 0", "project", "strength", 0.0, (0.0,), fixed=True),
    Condition("project-random", "project, random basis", "project", "strength", 0.5, STRENGTHS,
              basis="random", control_of="project"),
    Condition("rescale", "gradient shrunk as much", "rescale", "strength", 0.5, STRENGTHS, control_of="project"),
    Condition("lr", "learning rate shrunk as much", None, "optimizer.lr", 0.5, STRENGTHS, control_of="project",
              settings=lambda config, dose: {"optimizer.lr": config.optimizer.lr * (1 - dose)}),
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
)  # fmt: skip

CONDITIONS: Mapping[str, Condition] = {each.name: each for each in (*_PUBLISHED, *LEVERS)}
"""All conditions but combinations, in the order of runs and tables"""

CONTROLS: Sequence[tuple[str, str]] = [(each.control_of, name) for name, each in CONDITIONS.items() if each.control_of]
"""Each condition with each of its controls"""

SETS: Mapping[str, tuple[str, ...]] = {
    "core": ("kick", "noise", "project", "penalty-published", "sham", "project-random", "project-past"),
    "all": tuple(each.name for each in _PUBLISHED),
    "levers": tuple(each.name for each in LEVERS),
}
"""Names for several conditions; `all` uses every dose of their grids, the others the usual doses"""


def condition_named(name: str) -> Condition:
    """The condition of this name; `ONE+OTHER` are two at a time, each at its usual dose. Raises `ConfigError`."""
    if name in CONDITIONS:
        return CONDITIONS[name]
    parts = tuple(part.strip() for part in name.split("+"))
    if len(parts) != 2 or not all(part in CONDITIONS for part in parts):
        known = ", ".join([*SETS, *CONDITIONS])
        raise ConfigError(f"there is no condition {name!r}; the conditions are {known}, and ONE+OTHER of them")
    one, other = (CONDITIONS[part] for part in parts)
    if one.kind is not None and one.kind == other.kind:
        raise ConfigError(f"{name}: both are {one.kind}, which can be on once; combine two different levers")
    kind = one.kind or other.kind
    return Condition("+".join(parts), f"{parts[0]} and {parts[1]}", kind, "", 1.0, (1.0,), fixed=True, parts=parts)


def conditions_in_order(names: Iterable[str]) -> list[str]:
    """Names of conditions in the order of runs and tables, combinations last."""
    order = list(CONDITIONS)
    return sorted(names, key=lambda name: order.index(name) if name in CONDITIONS else len(order))


def read_conditions(text: str) -> list[str]:
    """The conditions named in a text: a set, names with commas, or ONE+OTHER. Raises `ConfigError`."""
    chosen: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word != BASELINE:
            chosen += SETS[word] if word in SETS else (condition_named(word).name,)
    if not text.strip(" ,"):
        raise ConfigError(f"--conditions names none; choose of {', '.join(SETS)}, {', '.join(CONDITIONS)}")
    return conditions_in_order(dict.fromkeys(chosen))


def read_doses(texts: list[str]) -> dict[str, list[float]]:
    """`project=0.25,0.5` texts. Raises `ConfigError`."""
    doses: dict[str, list[float]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if name not in CONDITIONS or not equals:
            raise ConfigError(
                f"--doses needs CONDITION=DOSE,DOSE, not {text!r}; the conditions are: {', '.join(CONDITIONS)}"
            )
        if CONDITIONS[name].fixed:
            raise ConfigError(f"the dose of {name} is fixed; leave it out")
        try:
            doses[name] = sorted({float(value) for value in values.split(",")})
        except ValueError:
            raise ConfigError(f"the doses of {name} must be numbers, not {values!r}") from None
    return doses


def doses_of(name: str, given: Mapping[str, list[float]], *, grid: bool) -> list[float]:
    """The doses of a condition: the given ones, else those of the condition it controls, else its grid or usual one."""
    own = condition_named(name)
    parent = own.control_of
    doses = given.get(name) or (parent and given.get(parent)) or (own.grid if grid else (own.usual,))
    return [dose for dose in doses if possible(Arm(name, dose))]


def possible(arm: Arm) -> bool:
    """Whether an arm can be run: a learning rate of 0 is impossible."""
    return arm.condition != "lr" or (arm.dose or 0.0) < 1


def condition_settings(
    arm: Arm, config: RunConfig, *, start: int, basis: str, published: bool = False, blocks: str | None = None
) -> dict[str, Any]:
    """The settings that turn a run of `config` into a run of `arm`, treated from step `start` on.

    `basis`: the run that defines the execution subspace. `blocks`: the weight matrices that the subspace spans.
    """
    if arm.is_baseline or arm.dose is None:
        return {}
    own = condition_named(arm.condition)
    if own.parts:
        each = [
            condition_settings(Arm(part, condition_named(part).usual), config, start=start, basis=basis,
                               published=published, blocks=blocks)
            for part in own.parts
        ]  # fmt: skip
        schedule = [text for settings in each for text in settings.get("interventions.schedule", [])]
        both = (each[0].keys() & each[1].keys()) - {"interventions.schedule"}
        if both:
            raise ConfigError(f"{own.name}: both set {min(both)}, so that one undoes the other; combine two others")
        merged = {key: value for settings in each for key, value in settings.items()}
        return merged | ({"interventions.schedule": schedule} if schedule else {})
    if own.settings is not None:
        return dict(own.settings(config, arm.dose))
    assert own.kind is not None
    return {"interventions.schedule": [_entry(own, arm.dose, start, basis, published, blocks).text]}


def _entry(own: Condition, dose: float, start: int, basis: str, published: bool, blocks: str | None) -> Entry:
    """The intervention of a condition at a dose."""
    assert own.kind is not None
    number = int(dose) if dose.is_integer() else dose  # so that the schedule reads `alpha=10`
    parameters: dict[str, Any] = {own.parameter: number} if own.parameter else {}
    parameters |= own.options
    if not own.on_subspace:
        return Entry(own.kind, start, parameters=parameters)
    parameters["basis"] = own.basis or basis
    if own.past:
        parameters["basis_until"] = start
    if blocks is not None and own.basis != "none":
        parameters["blocks"] = blocks
    if published and own.kind != "rescale" and "at" not in own.options:
        parameters["published"] = True
    return Entry(own.kind, start, parameters=parameters)
