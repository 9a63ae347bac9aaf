"""Whole runs under interventions, on the NumPy reference: when they act, who may ask, and that nothing is lost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from interventions_made import TINY

from grokscope import registry
from grokscope.contract.parameters import Layout
from grokscope.contract.streams import generator
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.runs.log import read
from grokscope.runs.resumption import resumption
from grokscope.runs.snapshots import read_snapshot, snapshot_file, write_snapshot
from grokscope.settings.config import ConfigError, resolve
from grokscope.settings.schedule import replayed
from grokscope.training import loop
from grokscope.training.launch import launched, resumed_config
from grokscope.training.loop import Trainer

MODULAR = registry.get("tasks", "modular")
SNAPSHOTS = {"snapshot.every": 2}

Happening = Callable[[Trainer, Mapping[str, Any]], None]


class Crash(Exception):
    pass


@dataclass(frozen=True)
class Run:
    directory: RunDirectory

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(read(self.directory.events))

    @property
    def intervened(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "intervened"]

    @property
    def switches(self) -> list[tuple[int, str, str]]:
        return [
            (event["step"], event["kind"], event["state"]) for event in self.intervened if event["state"] != "applied"
        ]

    def applied(self, kind: str) -> list[int]:
        return [e["step"] for e in self.intervened if (e["kind"], e["state"]) == (kind, "applied")]

    @property
    def digest(self) -> str:
        return str([event for event in self.events if event["event"] == "finished"][-1]["parameters_digest"])


def run(
    folder: Path,
    *schedule: str,
    name: str = "tiny",
    resume: bool = False,
    happening: Happening | None = None,
    **settings: Any,
) -> Run:
    directory = RunDirectory(folder / name)
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    if resume:
        _, config, options = resumed_config(directory, changes)
    else:
        layer = {"backend.name": "reference", "interventions.schedule": list(schedule)}
        config, options = resolve(MODULAR, TINY, SNAPSHOTS, layer, changes)
    running: list[Trainer] = []

    def listen(event: Mapping[str, Any]) -> None:
        if happening is not None and running:
            happening(running[0], event)

    with launched(directory, config, MODULAR, options, resume=resume, listeners=[listen]) as trainer:
        running.append(trainer)
        trainer.run()
    return Run(directory)


def crashed(folder: Path, *schedule: str, at: int, happening: Happening | None = None, **settings: Any) -> None:
    """A run that dies when it records the loss of step `at`."""

    def crash(running: Trainer, event: Mapping[str, Any]) -> None:
        if happening is not None:
            happening(running, event)
        if event["event"] == "trained" and event["step"] == at:
            raise Crash

    with pytest.raises(Crash):
        run(folder, *schedule, happening=crash, **settings)


def asking(**steps: Any) -> Happening:
    """Asks for an intervention when the loss of a step is recorded: `at5=("noise", "on", {…})`."""

    def happening(running: Trainer, event: Mapping[str, Any]) -> None:
        asked = steps.get(f"at{event['step']}") if event["event"] == "trained" else None
        for kind, state, parameters in [asked] if isinstance(asked, tuple) else asked or []:
            command = Command(action="intervene", kind=kind, state=state, parameters=parameters)
            send(running.recorder.directory.control, command)

    return happening


@cache
def plain() -> str:
    with TemporaryDirectory() as folder:
        return run(Path(folder)).digest


def without_clock(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timing = {
        "time",
        "run",
        "seq",
        "session",
        "seconds",
        "bytes",
        "steps_per_second",
        "tokens_per_second",
        "seconds_left",
    }
    return [{k: v for k, v in event.items() if k not in timing} for event in events if event["event"] != "started"]


EVERYTHING = (
    "kick@2:alpha=1000", "kick@9:alpha=1000,published=true,basis=own", "noise@4..16:every=3", "penalty@6:weight=0.1",
    "project@8..18:strength=0.9", "rescale@11:strength=0.3,basis=random",
)  # fmt: skip


# --- the schedule -----------------------------------------------------------------------------------------------------


class TestSchedule:
    def test_from_step_to_step(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@4..13:every=3")
        assert done.switches == [(4, "noise", "on"), (13, "noise", "off")]
        assert done.applied("noise") == [5, 8, 11]

    def test_from_the_start_to_the_end(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise:every=10")
        assert (done.switches, done.applied("noise")) == ([(0, "noise", "on")], [1, 11])

    def test_switched_off_by_an_entry_of_its_own(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@4", "noise@9:off", "noise@15:off")
        assert done.switches == [(4, "noise", "on"), (9, "noise", "off")]

    def test_switched_off_twice_at_one_step(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@4..9", "noise@9:off")
        assert done.switches == [(4, "noise", "on"), (9, "noise", "off")]

    def test_with_other_parameters_while_it_is_on(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@4:every=2", "noise@10:every=5")
        assert done.switches == [(4, "noise", "on"), (10, "noise", "changed")]
        assert done.applied("noise") == [5, 7, 9, 11, 16]

    def test_what_acts_in_every_step_is_recorded_first_and_with_the_loss(self, tmp_path: Path) -> None:
        assert run(tmp_path, "project@7").applied("project") == [8, 10, 15, 20]

    def test_a_kick_is_off_again(self, tmp_path: Path) -> None:
        done = run(tmp_path, "kick@7")
        assert done.switches == [(7, "kick", "on"), (8, "kick", "off")]

    def test_doses_are_recorded(self, tmp_path: Path) -> None:
        (first, *_) = (e for e in run(tmp_path, "noise@4:epsilon=0.5").intervened if e["state"] == "applied")
        assert first["norm"] == pytest.approx(0.5)
        assert 0 < first["relative_norm"] < 0.1
        assert (first["target"], first["source"]) == ("parameters", "schedule")
        assert first["parameters"]["epsilon"] == 0.5

    def test_of_whatever_it_is_the_subspace_is_recorded(self, tmp_path: Path) -> None:
        facts = [run(tmp_path, f"project@{step}", name=str(step)).intervened[0]["facts"] for step in (6, 8)]
        assert [found["basis_dimension"] for found in facts] == [12, 12]
        assert facts[0]["basis_digest"] != facts[1]["basis_digest"]

    def test_it_is_offered_with_its_parameters(self, tmp_path: Path) -> None:
        started = run(tmp_path).events[0]
        assert {"kick", "noise", "penalty", "project", "rescale"} <= set(started["interventions"])
        assert started["intervention_parameters"]["noise"]["epsilon"] == 0.1
        assert next(iter(started["intervention_parameters"]["project"])) == "strength"

    def test_every_kind_changes_the_run(self, tmp_path: Path) -> None:
        digests = {run(tmp_path, entry, name=str(number)).digest for number, entry in enumerate(EVERYTHING)}
        assert len(digests | {plain()}) == len(EVERYTHING) + 1


FINDS = {"detect__memorization": 0.3, "evaluate__every": 2, "optimizer__lr": 0.05, "train__steps": 30}
"""A run that memorizes at once, by its own account."""


class TestConditions:
    def test_at_the_step_at_which_it_is_confirmed(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@memorized..20:every=4", **FINDS)
        (memorized,) = (event for event in done.events if event["event"] == "memorized")
        at = memorized["confirmed_at"]
        assert 0 < at < 20
        assert done.switches == [(at, "noise", "on"), (20, "noise", "off")]

    def test_an_end_that_comes_first(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@25..memorized", **FINDS)
        assert done.switches == [(25, "noise", "refused")]
        assert "(memorized) came before" in done.intervened[0]["reason"]

    def test_what_is_never_found_never_begins(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@onset")
        assert (done.intervened, done.digest) == ([], plain())
        assert warned(done) == [(20, "noise@onset never came: the run ended at step 20")]

    def test_what_comes_behind_the_last_step_is_told_at_once(self, tmp_path: Path) -> None:
        done = run(tmp_path, "noise@20", "noise@500", "noise@19", "noise@900:off")
        assert warned(done) == [
            (0, "noise@20 will never come: the run ends at step 20"),
            (0, "noise@500 will never come: the run ends at step 20"),
        ]

    def test_what_is_switched_off_and_never_on_is_told_at_once(self, tmp_path: Path) -> None:
        done = run(
            tmp_path, "noise@5:off", "noise@onset:off", "kick@3:off", "kick@3", "project@8..10", "project@12:off"
        )
        nothing = "has nothing to switch off: the schedule has not switched"
        assert warned(done) == [
            (0, f"noise@5:off {nothing} noise on"),
            (0, f"noise@onset:off {nothing} noise on"),
            (0, f"kick@3:off {nothing} kick on"),
            (0, f"project@12:off {nothing} project on"),
        ]

    def test_what_comes_is_not_warned_of(self, tmp_path: Path) -> None:
        assert warned(run(tmp_path, "noise@memorized", "noise@5..9", **FINDS)) == []

    @pytest.mark.parametrize(
        "schedule",
        [
            ("noise@4", "noise@9:off"),
            ("noise@memorized", "noise@9:off"),
            ("noise@4", "noise@memorized:off"),
            ("noise@4..memorized", "noise@9:off"),
        ],
    )
    def test_what_may_be_on_is_not_warned_of(self, tmp_path: Path, schedule: tuple[str, ...]) -> None:
        assert warned(run(tmp_path, *schedule, **FINDS)) == []


def warned(done: Run) -> list[tuple[int, str]]:
    return [(event["step"], event["reason"]) for event in done.events if event["event"] == "warned"]


# --- no trace ---------------------------------------------------------------------------------------------------------


def batches(monkeypatch: pytest.MonkeyPatch, folder: Path, *schedule: str) -> list[tuple[Any, ...]]:
    drawn: list[tuple[Any, ...]] = []

    def recorded(*key: Any) -> Any:
        drawn.append(key)
        return generator(*key)

    monkeypatch.setattr(loop, "generator", recorded)
    run(folder, *schedule)
    return drawn


class TestNoTrace:
    @pytest.mark.parametrize("entry", ["noise@3..9:epsilon=0,every=1", "kick@3:alpha=0"])
    def test_of_what_adds_nothing_to_the_bit(self, tmp_path: Path, entry: str) -> None:
        assert run(tmp_path, entry).digest == plain()

    def test_batches_and_probes_are_the_same_during_and_after(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        treated = batches(monkeypatch, tmp_path / "treated", "noise@3..9:every=1", "kick@4", "project@6..12")
        assert treated == batches(monkeypatch, tmp_path / "plain")

    def test_but_for_the_published_kick(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        treated = batches(monkeypatch, tmp_path / "treated", "kick@4:published=true")
        usual = batches(monkeypatch, tmp_path / "plain")
        assert treated[:5] == usual[:5]
        assert not set(treated[5:]) & set(usual)

    def test_observing_a_treated_run_does_not_disturb_it(self, tmp_path: Path) -> None:
        one = run(tmp_path, *EVERYTHING, name="one")
        other = run(tmp_path, *EVERYTHING, name="other", measure__every=1, log__every=1, evaluate__every=1)
        assert one.digest == other.digest


# --- live -------------------------------------------------------------------------------------------------------------


class TestLive:
    def test_on_changed_and_off(self, tmp_path: Path) -> None:
        done = run(tmp_path, happening=asking(
            at5=("noise", "on", {"every": 2}), at10=("noise", "on", {"every": 4}), at15=("noise", "off", {})
        ))  # fmt: skip
        assert done.switches == [(5, "noise", "on"), (10, "noise", "changed"), (15, "noise", "off")]
        assert done.applied("noise") == [6, 8, 10, 11, 15]
        assert {event["source"] for event in done.intervened} == {"control"}

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            (("kik", "on", {}), "did you mean kick"),
            (("kik", "off", {}), "did you mean kick"),
            (("noise", "on", {"epsilonn": 1}), "no parameter 'epsilonn'; the nearest is epsilon"),
            (("noise", "on", {"epsilon": -1}), "noise: epsilon: input should be greater"),
            (("noise", "off", {}), "noise is not on"),
            (("noise", None, {}), "on or off"),
            (("project", "on", {"basis": "nobody"}), "there is no run nobody"),
        ],
    )
    def test_refused(self, tmp_path: Path, asked: Any, reason: str) -> None:
        done = run(tmp_path, happening=asking(at5=asked))
        (answer,) = done.intervened
        assert (answer["state"], answer["source"]) == ("refused", "control")
        assert reason in answer["reason"]
        assert done.digest == plain()

    def test_too_few_snapshots_for_a_subspace_of_its_own(self, tmp_path: Path) -> None:
        done = run(tmp_path, happening=asking(at5=("project", "on", {})), snapshot__every=0)
        (answer,) = done.intervened
        assert answer["state"] == "refused"
        assert "needs 3 snapshots, but there are 0" in answer["reason"]

    def test_a_paused_run_answers(self, tmp_path: Path) -> None:
        asked = asking(at5=("noise", "on", {}))

        def happening(running: Trainer, event: Mapping[str, Any]) -> None:
            if event["event"] == "trained" and event["step"] == 5:
                send(running.recorder.directory.control, Command(action="pause"))
            asked(running, event)
            if event["event"] == "intervened" and event["state"] == "on":
                assert running.recorder.control.paused
                send(running.recorder.directory.control, Command(action="resume"))

        assert run(tmp_path, happening=happening).switches == [(5, "noise", "on")]

    def test_it_is_safe_before_it_is_acknowledged(self, tmp_path: Path) -> None:
        """Whoever reads of it finds it in the newest checkpoint, however soon the trainer is killed."""
        asked = asking(at6=[("noise", "on", {"every": 2}), ("project", "on", {})])

        def happening(running: Trainer, event: Mapping[str, Any]) -> None:
            asked(running, event)
            if event["event"] == "intervened" and event["kind"] == "project":
                raise Crash

        with pytest.raises(Crash):
            run(tmp_path, happening=happening, log__every=1)
        cut = Run(RunDirectory(tmp_path / "tiny"))
        plan = resumption(cut.directory, read_snapshot(snapshot_file(cut.directory.snapshots, 0)).layout)
        assert plan.checkpoint is not None
        assert (plan.checkpoint.state.step, plan.place.seq) == (6, len(cut.events))
        resumed = run(tmp_path, resume=True)
        whole = run(tmp_path, name="whole", happening=asked, log__every=1)
        assert resumed.switches == whole.switches == [(6, "noise", "on"), (6, "project", "on")]
        assert resumed.digest == whole.digest

    def test_what_was_not_acknowledged_has_not_happened(self, tmp_path: Path) -> None:
        """Killed between the checkpoint and the event that announces it."""
        asked = asking(at6=("noise", "on", {}))

        def happening(running: Trainer, event: Mapping[str, Any]) -> None:
            asked(running, event)
            if event["event"] == "snapshot" and event["step"] == 6:
                running.recorder._log.write = lambda event: (_ for _ in ()).throw(Crash())  # type: ignore[method-assign, assignment]

        with pytest.raises(Crash):
            run(tmp_path, happening=happening, log__every=1, snapshot__every=0)
        resumed = run(tmp_path, resume=True)
        assert [event["state"] for event in resumed.intervened] == ["refused"]
        assert resumed.digest == plain()
        assert [e["resumed_from"] for e in resumed.events if e["event"] == "started"] == [None, 6]


# --- resuming ---------------------------------------------------------------------------------------------------------


class TestResuming:
    @pytest.mark.parametrize("at", [5, 10, 15, 20])
    def test_ends_as_if_nothing_had_happened(self, tmp_path: Path, at: int) -> None:
        whole = run(tmp_path, *EVERYTHING, name="whole", checkpoint__every=3)
        crashed(tmp_path, *EVERYTHING, at=at, checkpoint__every=3)
        resumed = run(tmp_path, resume=True)
        assert resumed.digest == whole.digest
        assert without_clock(resumed.events) == without_clock(whole.events)

    def test_with_conditions(self, tmp_path: Path) -> None:
        schedule = ("noise@memorized..24:every=2", "project@10..memorized")
        whole = run(tmp_path, *schedule, name="whole", checkpoint__every=4, **FINDS)
        crashed(tmp_path, *schedule, at=15, checkpoint__every=4, **FINDS)
        resumed = run(tmp_path, resume=True)
        assert without_clock(resumed.events) == without_clock(whole.events)

    def test_live_switches_are_kept(self, tmp_path: Path) -> None:
        happening = asking(at5=("noise", "on", {"every": 2}), at10=("penalty", "on", {"weight": 1.0}))
        whole = run(tmp_path, name="whole", happening=happening)
        crashed(tmp_path, at=15, happening=happening)
        assert run(tmp_path, resume=True).digest == whole.digest

    def test_longer_than_was_meant(self, tmp_path: Path) -> None:
        whole = run(tmp_path, "noise@4:every=4", "project@10", name="whole")
        run(tmp_path, "noise@4:every=4", "project@10", train__steps=10)
        assert run(tmp_path, resume=True, train__steps=20).digest == whole.digest

    def test_its_schedule_is_its_own(self, tmp_path: Path) -> None:
        run(tmp_path, "noise@4")
        with pytest.raises(ConfigError, match=r"a resumed run keeps its interventions\.schedule"):
            run(tmp_path, resume=True, interventions__schedule=["noise@5"])

    def test_without_the_snapshot_it_was_switched_on_at(self, tmp_path: Path) -> None:
        crashed(tmp_path, "penalty@7", at=15)
        snapshot_file(tmp_path / "tiny" / "snapshots", 7).unlink()
        with pytest.raises(ConfigError, match=r"penalty, on since step 7, cannot continue: .*step-00000007"):
            run(tmp_path, resume=True)

    def test_on_another_basis(self, tmp_path: Path) -> None:
        run(tmp_path, name="base")
        crashed(tmp_path, "project@7:basis=base", at=15)
        snapshot_file(tmp_path / "base" / "snapshots", 20).unlink()
        with pytest.raises(ConfigError, match=r"project, on since step 7, .* its basis has changed"):
            run(tmp_path, resume=True)


# --- replaying --------------------------------------------------------------------------------------------------------


class TestReplaying:
    def test_a_live_toggled_run(self, tmp_path: Path) -> None:
        live = run(tmp_path, "project@memorized:strength=0.9", name="live", happening=asking(
            at5=[("noise", "on", {"every": 2}), ("kick", "on", {"published": True})],
            at10=[("noise", "off", {}), ("penalty", "on", {"weight": 0.5}), ("noise", "on", {"every": 3})],
            at15=[("noise", "on", {"epsilon": 0.2}), ("penalty", "off", {}), ("kick", "on", {})],
        ), **FINDS)  # fmt: skip
        schedule = replayed(live.events)
        assert all("memorized" not in entry for entry in schedule)
        again = run(tmp_path, *schedule, name="again", **FINDS)
        assert again.digest == live.digest
        assert sorted(replayed(again.events)) == sorted(schedule)


# --- the subspace of another run --------------------------------------------------------------------------------------


class TestEarlierRun:
    def test_beside_it_or_by_path(self, tmp_path: Path) -> None:
        run(tmp_path, name="base")
        by_name = run(tmp_path, "project@0:basis=base", name="a")
        by_path = run(tmp_path, f"project@0:basis={tmp_path / 'base'}", name="b")
        assert by_name.intervened[0]["facts"] == by_path.intervened[0]["facts"]
        assert by_name.digest == by_path.digest

    def test_up_to_a_step(self, tmp_path: Path) -> None:
        """The snapshots of an equal run up to a step are this run's own at that step."""
        run(tmp_path, name="base")
        own = run(tmp_path, "project@8", name="own")
        other = run(tmp_path, "project@8:basis=base,basis_until=8", name="other")
        assert own.intervened[0]["facts"] == other.intervened[0]["facts"]
        assert own.digest == other.digest

    @pytest.mark.parametrize(
        ("entry", "sentence"),
        [
            ("project@8:basis=nobody", "project: basis=nobody: there is no run nobody"),
            ("project@8:basis=base,basis_until=3", "basis=base needs 3 snapshots, .* has 2 up to step 3"),
            ("project@2", "basis=own needs 3 snapshots; by step 2 there will be fewer"),
        ],
    )
    def test_what_cannot_be_is_said_before_anything_runs(self, tmp_path: Path, entry: str, sentence: str) -> None:
        run(tmp_path, name="base")
        with pytest.raises(ConfigError, match=sentence):
            run(tmp_path, entry)
        assert not (tmp_path / "tiny").exists()

    def test_of_another_model(self, tmp_path: Path) -> None:
        run(tmp_path, name="base", model__feed_forward=16)
        with pytest.raises(ConfigError, match=r"project: the snapshots of base are of a model with .*, this one has"):
            run(tmp_path, "project@8:basis=base")
        assert not (tmp_path / "tiny").exists()
        (answer,) = run(tmp_path, happening=asking(at5=("project", "on", {"basis": "base"}))).intervened
        assert answer["state"] == "refused"
        assert "the snapshots of base are of a model with" in answer["reason"]

    def test_of_another_model_as_large(self, tmp_path: Path) -> None:
        """A token more and a position less."""
        folder = run(tmp_path, name="base").directory.snapshots
        snapshot = read_snapshot(snapshot_file(folder, 0))
        (tokens, positions, *others) = snapshot.layout
        changed = [(tokens, tokens.shape[0] + 1), (positions, positions.shape[0] - 1)]
        shapes = [replace(each, shape=(rows, *each.shape[1:])) for each, rows in changed]
        moved = replace(shapes[1], offset=shapes[0].stop)
        write_snapshot(folder, 0, Layout((shapes[0], moved, *others)), snapshot.parameters)
        with pytest.raises(ConfigError, match=r"project: the snapshots of base .* not of the same shapes"):
            run(tmp_path, "project@onset:basis=base")
        assert not (tmp_path / "tiny").exists()

    def test_that_is_damaged(self, tmp_path: Path) -> None:
        snapshot_file(run(tmp_path, name="base").directory.snapshots, 0).write_bytes(b"nothing")
        with pytest.raises(ConfigError, match=r"project: .*step-00000000\.safetensors is not a snapshot"):
            run(tmp_path, "project@8:basis=base")
        assert not (tmp_path / "tiny").exists()

    def test_that_is_still_at_it(self, tmp_path: Path) -> None:
        """Its snapshots are there when they are needed; at step 0 they would not be."""
        crashed(tmp_path, at=5, name="base", snapshot__every=4)  # by its signs of life it runs: its process is this one

        def happening(running: Trainer, event: Mapping[str, Any]) -> None:
            if event["event"] == "trained" and event["step"] == 5:
                run(tmp_path, name="base", resume=True)

        with pytest.raises(ConfigError, match=r"basis=base needs 3 snapshots, .* has 2"):
            run(tmp_path, "project@0:basis=base")
        with pytest.raises(ConfigError, match=r"basis=base needs 3 snapshots, .* has 1 up to step 3"):
            run(tmp_path, "project@8:basis=base,basis_until=3")
        assert run(tmp_path, "project@8:basis=base", happening=happening).switches == [(8, "project", "on")]

    def test_own_without_snapshots(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"project: basis=own needs snapshots of this run; set snapshot\.every"):
            run(tmp_path, "project@onset", snapshot__every=0)
