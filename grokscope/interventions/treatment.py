"""The treatment of one run: its interventions that are on, its schedule, and the steps under interventions.

A treatment is a fold over the run's `intervened` events, so that a resumed run continues exactly. All other state of an
intervention comes from the snapshot that was written when it was switched on, and from vectors in the checkpoint. While
no intervention acts, the loop does not call the treatment.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from grokscope import registry
from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import Prepared, Session
from grokscope.contract.examples import Packer
from grokscope.contract.interventions import Change, Plan, SwitchedOn
from grokscope.contract.memory import TooLarge, require_memory
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import Layout, layout
from grokscope.contract.signals import Number
from grokscope.events import Intervened
from grokscope.gate import Unreadable
from grokscope.geometry.commutator import norm
from grokscope.interventions.step import Acted, Active, TreatedStep, TreatmentSource
from grokscope.runs.directory import RunDirectory
from grokscope.runs.snapshots import read_snapshot, snapshot_file
from grokscope.settings.config import ConfigError, RunConfig
from grokscope.settings.schedule import (
    BadSchedule,
    Entry,
    Time,
    checked,
    may_be_on,
    reached,
    specified,
    validated_intervention,
)


class Refused(ValueError):
    """An intervention cannot be switched on or off. The message is one sentence."""


@dataclass(frozen=True)
class Switch:
    """An intervention to switch on or off now. `refusal`: why the schedule does not switch it."""

    kind: str
    on: bool
    parameters: Mapping[str, Any]
    refusal: str | None = None


class Treatment:
    """All interventions on one run."""

    def __init__(self, config: RunConfig, run: Path, session: Session, layout: Layout, train: Packer) -> None:
        self._config = config
        self._run = RunDirectory(run)
        self._session = session
        self._layout = layout
        self._train = train
        self._entries = [checked(text) for text in config.interventions.schedule]
        self._found: frozenset[str] = frozenset()
        self._on: dict[str, Active] = {}
        self._recorded: dict[str, Mapping[str, Any]] = {}
        self.batch_order = 0
        """Number of the order of the training batches"""

    # --- switching --------------------------------------------------------------------------------------------------

    def due(self, step: int, found: Collection[str]) -> list[Switch]:
        """The switches of the schedule at this step. `found`: the detections so far. To be called once per step."""
        found = frozenset(found)
        news: set[Time] = {step, *(found - self._found)}
        self._found = found
        ended = dict.fromkeys(entry.kind for entry in self._entries if _ends(entry, news) and entry.kind in self._on)
        switches = [Switch(kind, False, {}) for kind in ended]
        for entry in self._entries:
            if entry.when in news and not entry.off:
                over = entry.until is not None and reached(entry.until, step, found)
                refusal = f"its end ({entry.until}) came before its beginning ({entry.when})" if over else None
                switches.append(Switch(entry.kind, True, entry.parameters, refusal))
        return switches

    def switched_on(self, kind: str, parameters: Mapping[str, Any], source: TreatmentSource, step: int) -> Intervened:
        """Switch an intervention on, or on again with new parameters. Returns the event. Raises `Refused`."""
        try:
            spec = specified(kind)
            valid = validated_intervention(spec, parameters)
            require_memory(kind, spec.memory(valid, self._plan(step)))
            theta = self._session.tonumpy(self._session.parameters)
            opened = spec.open(valid, self._moment(step, theta))
        except ValueError as problem:
            raise Refused(str(problem)) from None
        except Exception as problem:  # a command may have any parameters, and a plugin may raise anything
            raise Refused(f"{kind} could not be switched on: {type(problem).__name__}: {problem}") from None
        state: Literal["on", "changed"] = "changed" if kind in self._on else "on"
        active = Active(kind, opened, step, valid.model_dump(mode="json"), source)
        self._on[kind] = active
        return Intervened(
            step=step, kind=kind, state=state, parameters=dict(active.parameters), source=source,
            facts=dict(opened.facts),
        )  # fmt: skip

    def switched_off(self, kind: str, source: TreatmentSource, step: int, reason: str | None = None) -> Intervened:
        """Switch an intervention off. Returns the event. Raises `Refused` if it is not on."""
        if kind not in self._on:
            try:
                specified(kind)
            except BadSchedule as problem:
                raise Refused(str(problem)) from None
            raise Refused(f"{kind} is not on")
        parameters = dict(self._on.pop(kind).parameters)
        return Intervened(step=step, kind=kind, state="off", parameters=parameters, source=source, reason=reason)

    def unreachable_entries(self) -> list[str]:
        """Sentences about entries of the schedule that can never act: after the last step, or nothing to switch off."""
        steps = self._config.train.steps
        late = [entry for entry in self._entries if not entry.off and self._behind_the_last_step(entry)]
        idle = [off for off in self._entries if off.off and not any(may_be_on(on, off) for on in self._entries)]
        return [f"{entry.kind}@{entry.when} will never come: the run ends at step {steps:,}" for entry in late] + [
            f"{entry.text} has nothing to switch off: the schedule has not switched {entry.kind} on" for entry in idle
        ]

    def missed_entries(self, step: int, found: Collection[str]) -> list[str]:
        """Sentences about entries of the schedule whose time did not come in a run that ended at `step`.

        Entries in `unreachable_entries` are left out.
        """
        waited = [entry for entry in self._entries if not entry.off and not self._behind_the_last_step(entry)]
        missed = [entry for entry in waited if not reached(entry.when, step - 1, found)]
        return [f"{entry.kind}@{entry.when} never came: the run ended at step {step:,}" for entry in missed]

    def _behind_the_last_step(self, entry: Entry) -> bool:
        return isinstance(entry.when, int) and entry.when >= self._config.train.steps

    # --- acting -----------------------------------------------------------------------------------------------------

    def acting(self, number: int) -> list[Active]:
        """The interventions that act in the step after `number` steps, in the order of switching on."""
        return [active for active in self._on.values() if active.acts_in(number)]

    def begun(
        self, acting: Sequence[Active], batch: Callable[[], Prepared], optimizer: Optimizer, number: int
    ) -> TreatedStep:
        """The step after `number` steps."""
        return TreatedStep(self._session, acting, batch, optimizer, number, self._config.train.seed, self._drawn)

    def events_for(self, acted: Sequence[Acted], step: int, logging: bool) -> list[Intervened]:
        """The events of a step: all acts if the loss is recorded too (`logging`), else the acts that are always kept.

        Only norms of recorded acts are read, because reading waits for the device.
        """
        events = []
        for one in acted:
            intervention, order = one.active.intervention, None
            if intervention.reorders_batches and _is_first(one):
                order = self.batch_order = self.batch_order + 1
            if logging or _is_always_recorded(one):
                events += [_applied(one.active, change, step, order) for change in one.changes]
            if order is not None and not one.changes:
                events.append(_idle(one.active, step, order))
            if intervention.once and self._on.get(one.active.kind) is one.active:
                events.append(self.switched_off(one.active.kind, one.active.source, step, "it has acted"))
        return events

    def events_left_out(self, acted: Sequence[Acted], step: int) -> list[Intervened]:
        """The events that `events_for` leaves out if the loss is not recorded."""
        silent = (one for one in acted if not _is_always_recorded(one))
        return [_applied(one.active, change, step, None) for one in silent for change in one.changes]

    # --- resuming ---------------------------------------------------------------------------------------------------

    def levers(self) -> dict[str, dict[str, FloatArray]]:
        """The vectors that interventions keep, by kind and name."""
        kept = {kind: active.intervention.kept for kind, active in self._on.items()}
        return {
            kind: {name: self._session.tonumpy(vector) for name, vector in vectors.items()}
            for kind, vectors in kept.items()
            if vectors
        }

    def put_back(self, levers: Mapping[str, Mapping[str, FloatArray]]) -> None:
        """Give the interventions that are on these vectors, and no others."""
        for kind, active in self._on.items():
            active.intervention.kept = {
                name: self._session.asarray(vector, "float64" if vector.dtype == np.float64 else "float32")
                for name, vector in levers.get(kind, {}).items()
            }

    def see(self, event: Mapping[str, Any]) -> None:
        """Fold an event of the log."""
        if event["event"] != "intervened":
            return
        if event["state"] in {"on", "changed"}:
            self._recorded[event["kind"]] = event
        elif event["state"] == "off":
            self._recorded.pop(event["kind"], None)
        if event["batch_order"] is not None:
            self.batch_order = event["batch_order"]

    def reopen(self, found: Collection[str], levers: Mapping[str, Mapping[str, FloatArray]]) -> None:
        """Open the interventions that are on after the events of the log, with their kept vectors.

        Raises `ConfigError` if an intervention can no longer be opened.
        """
        self._found = frozenset(found)
        for kind, seen in self._recorded.items():
            since = seen["step"]
            try:
                spec = specified(kind)
                theta = read_snapshot(snapshot_file(self._run.snapshots, since)).parameters
                opened = spec.open(validated_intervention(spec, seen["parameters"]), self._moment(since, theta))
            except (BadSchedule, Unreadable, ValueError) as problem:
                raise ConfigError(f"{kind}, on since step {since}, cannot continue: {problem}") from None
            if dict(opened.facts) != seen["facts"]:
                raise ConfigError(f"{kind}, on since step {since}, cannot continue: its basis has changed")
            self._on[kind] = Active(kind, opened, since, seen["parameters"], seen["source"])
        self.put_back(levers)

    def _plan(self, step: int) -> Plan:
        return Plan(self._run.path, self._config.snapshot.every, step, self._layout, self._train.model)

    def _moment(self, step: int, theta: Any) -> SwitchedOn:
        return SwitchedOn(
            run=self._run.path,
            snapshot_every=self._config.snapshot.every,
            step=step,
            seed=self._config.train.seed,
            session=self._session,
            layout=self._layout,
            parameters=theta,
            model=self._train.model,
        )

    def _drawn(self, random: np.random.Generator) -> Prepared:
        rows = random.integers(len(self._train.examples), size=self._config.train.batch_size)
        return self._session.prepare(self._train.batch(rows))


def offered() -> dict[str, dict[str, Any]]:
    """Every installed intervention that can be read, with its parameters and their defaults."""
    kinds = {}
    for spec in registry.sound("interventions"):
        try:
            kinds[spec.name] = spec.defaults()
        except Exception:  # a broken plugin must not stop a run that does not use it
            continue
    return kinds


def objections(config: RunConfig, run: Path, model: ModelSpec) -> list[str]:
    """Why what the schedule says will not be possible in this model, as far as is known before the run."""
    found = []
    for entry in map(checked, config.interventions.schedule):
        if not entry.off:
            spec, step = specified(entry.kind), entry.when if isinstance(entry.when, int) else None
            plan = Plan(run, config.snapshot.every, step, layout(model), model)
            parameters = validated_intervention(spec, entry.parameters)
            objection = spec.objection(parameters, plan)
            if objection is None:
                try:
                    require_memory("it", spec.memory(parameters, plan))
                except TooLarge as problem:
                    objection = str(problem)
            if objection is not None:
                found.append(f"{entry.kind}: {objection}")
    return found


def _applied(active: Active, change: Change, step: int, order: int | None) -> Intervened:
    length, whole = norm(change.delta), norm(change.of)
    relative: Number = length / whole if whole else None
    return Intervened(
        step=step, kind=active.kind, state="applied", parameters=dict(active.parameters), source=active.source,
        norm=length, relative_norm=relative, target=change.target, batch_order=order,
    )  # fmt: skip


def _idle(active: Active, step: int, order: int) -> Intervened:
    """It has changed nothing but the order of the batches to come, which a resumed run must know."""
    return Intervened(
        step=step, kind=active.kind, state="applied", parameters=dict(active.parameters), source=active.source,
        norm=0.0, batch_order=order, reason="there was no direction to move along",
    )  # fmt: skip


def _is_first(acted: Acted) -> bool:
    return acted.number == acted.active.since


def _is_always_recorded(acted: Acted) -> bool:
    """Whether it is recorded although the loss is not."""
    return _is_first(acted) or acted.active.intervention.every > 1


def _ends(entry: Entry, news: Collection[Time]) -> bool:
    return (entry.off and entry.when in news) or (entry.until is not None and entry.until in news)
