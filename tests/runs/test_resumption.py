"""Where a run goes on, decided from its files: what is believed, what is repeated, what would be lost."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints_made import LAYOUT, made
from events_made import whole

from grokscope.gate import Unreadable
from grokscope.runs.checkpoints import Checkpoint, Place, read_checkpoint, write_checkpoint
from grokscope.runs.directory import RunDirectory
from grokscope.runs.resumption import WouldLose, events_until, make_way, resumption

EVERY = 10
"""Steps between checkpoints"""


def recorded(steps: int, *, finished: bool = False) -> list[dict[str, Any]]:
    """`started`, a loss at every fifth step, a checkpoint at every tenth."""
    events = [whole("started")]
    for step in range(5, steps + 1, 5):
        events.append(whole("trained", len(events), step=step))
        if step % EVERY == 0:
            digest = checkpoint(step).digest
            events.append(whole("checkpoint", len(events), step=step, state_digest=digest))
    return [*events, whole("finished", len(events), step=steps)] if finished else events


def checkpoint(step: int, **place: Any) -> Checkpoint:
    """Behind the loss of its step: three events in every ten steps, and `started`."""
    seq = step // EVERY * 3
    return made(step, place=Place(**{"seq": seq, "began": seq, **place}))


def run_with(folder: Path, events: Sequence[dict[str, Any]], *checkpoints: Checkpoint) -> RunDirectory:
    directory = RunDirectory(folder / "a")
    directory.path.mkdir(parents=True)
    directory.events.write_text("".join(json.dumps(event) + "\n" for event in events))
    for each in checkpoints:
        write_checkpoint(directory.checkpoints, each)
    return directory


def contents(directory: RunDirectory) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.path.rglob("*")) if path.is_file()}


def spoil(directory: RunDirectory, step: int) -> None:
    file = directory.checkpoints / f"step-{step:08d}.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def test_behind_the_newest_checkpoint(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    before = contents(directory)
    plan = resumption(directory, LAYOUT)
    assert plan.checkpoint is not None
    assert (plan.checkpoint.state.step, plan.place.seq, list(plan.warnings)) == (20, 6, [])
    assert contents(directory) == before


def test_a_damaged_one_is_said_and_passed_over(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    spoil(directory, 20)
    plan = resumption(directory, LAYOUT)
    assert plan.checkpoint is not None
    assert (plan.checkpoint.state.step, plan.place.seq) == (10, 3)
    said, going = plan.warnings
    assert "step-00000020.safetensors is not a snapshot or checkpoint, or is damaged" in said
    assert going == "going on from step 10"


def test_one_that_the_log_does_not_speak_of(tmp_path: Path) -> None:
    """A whole file of the right model, from a backup or another run."""
    other = checkpoint(20)
    other = replace(other, state=other.state._replace(parameters=other.state.parameters * 2))
    directory = run_with(tmp_path, recorded(25), checkpoint(10), other)
    plan = resumption(directory, LAYOUT)
    assert plan.checkpoint is not None
    assert plan.checkpoint.state.step == 10
    assert "is not the file that the log speaks of" in plan.warnings[0]


@pytest.mark.parametrize("finished", [False, True])
def test_without_any_nothing_is_touched(tmp_path: Path, finished: bool) -> None:
    directory = run_with(tmp_path, recorded(25, finished=finished))
    before = contents(directory)
    with pytest.raises(WouldLose) as refused:
        resumption(directory, LAYOUT)
    assert str(refused.value) == (
        f"a was left as it is: it has no checkpoint; beginning anew discards {9 if finished else 8} events of steps 0 "
        "to 25 (--discard-events permits it)"
    )
    assert contents(directory) == before
    plan = resumption(directory, LAYOUT, discard=True)
    assert (plan.checkpoint, plan.place.seq) == (None, 0)
    assert plan.warnings[-1].startswith("beginning anew discards")


def test_all_of_them_damaged(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    spoil(directory, 10)
    spoil(directory, 20)
    with pytest.raises(WouldLose, match=r"step-00000020.*step-00000010.*beginning anew discards 8 events"):
        resumption(directory, LAYOUT)


def test_killed_before_the_first_there_is_nothing_to_lose(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(5))
    plan = resumption(directory, LAYOUT)
    assert (plan.checkpoint, plan.place.seq, list(plan.warnings)) == (None, 0, [])


@pytest.mark.parametrize(("lines", "step"), [(8, 20), (7, 20), (6, 20), (5, 10), (3, 10)])
def test_a_log_that_lost_its_end(tmp_path: Path, lines: int, step: int) -> None:
    directory = run_with(tmp_path, recorded(25)[:lines], checkpoint(10), checkpoint(20))
    plan = resumption(directory, LAYOUT)
    assert plan.checkpoint is not None
    assert plan.checkpoint.state.step == step


def test_a_log_that_lost_more_than_that(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25)[:2], checkpoint(10), checkpoint(20))
    before = contents(directory)
    with pytest.raises(WouldLose, match=r"beginning anew discards 2 events of steps 0 to 5 and 2 checkpoints \("):
        resumption(directory, LAYOUT)
    assert contents(directory) == before
    plan = resumption(directory, LAYOUT, discard=True)
    assert plan.checkpoint is None
    assert "was written behind 3 events, and the log holds 2 events" in plan.warnings[1]
    make_way(directory, plan)
    assert os.listdir(directory.checkpoints) == []


def test_an_empty_log_beside_a_checkpoint(tmp_path: Path) -> None:
    """Nothing of the log would be lost, but the checkpoint would."""
    directory = run_with(tmp_path, [], checkpoint(10))
    with pytest.raises(WouldLose, match=r"beginning anew discards a checkpoint \("):
        resumption(directory, LAYOUT)


def test_a_torn_last_line_is_no_damage(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    with directory.events.open("ab") as log:
        log.write(b'{"v":2,"run":"a","se')
    assert list(resumption(directory, LAYOUT).warnings) == []


@pytest.mark.parametrize("line", [b"\0" * 40, b"{", b"", b'{"v":2,"event":"trained"}', b"\xff\xfe"])
@pytest.mark.parametrize(("number", "step"), [(7, 20), (4, 10)])
def test_a_damaged_line_is_named_and_comes_again(tmp_path: Path, line: bytes, number: int, step: int) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    lines = directory.events.read_bytes().split(b"\n")
    lines[number - 1] = line
    directory.events.write_bytes(b"\n".join(lines))
    plan = resumption(directory, LAYOUT)
    assert plan.checkpoint is not None
    assert plan.checkpoint.state.step == step
    assert f"line {number} of {directory.events} is damaged" in plan.warnings


def test_a_line_damaged_before_all_of_them(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    lines = directory.events.read_bytes().split(b"\n")
    lines[1] = b"?"
    directory.events.write_bytes(b"\n".join(lines))
    before = contents(directory)
    said = "the log holds one event before a damaged line.*line 2 of .* is damaged; beginning anew discards 7 events"
    with pytest.raises(WouldLose, match=said):
        resumption(directory, LAYOUT)
    assert contents(directory) == before


@pytest.mark.parametrize(
    ("event", "lost"),
    [
        ({"event": "intervened", "state": "on", "source": "control"}, True),
        ({"event": "intervened", "state": "off", "source": "control"}, True),
        ({"event": "snapshot", "source": "control"}, True),
        ({"event": "intervened", "state": "on", "source": "schedule"}, False),
        ({"event": "intervened", "state": "refused", "source": "control"}, False),
        ({"event": "intervened", "state": "applied", "source": "control"}, False),
        ({"event": "snapshot", "source": "schedule"}, False),
    ],
)
def test_what_somebody_asked_for_does_not_come_again(tmp_path: Path, event: dict[str, Any], lost: bool) -> None:
    """It was acknowledged behind the older checkpoint, and the newer one, which held it, is damaged."""
    events = recorded(20)
    events.insert(5, whole(seq=5, step=15, **event))
    for seq, each in enumerate(events):
        each["seq"] = seq
    directory = run_with(tmp_path, events, checkpoint(10), checkpoint(20, seq=7))
    spoil(directory, 20)
    if lost:
        with pytest.raises(WouldLose, match="going on from step 10 discards one event of step 15"):
            resumption(directory, LAYOUT)
    plan = resumption(directory, LAYOUT, discard=lost)
    assert plan.checkpoint is not None
    assert plan.checkpoint.state.step == 10


class TestPlace:
    """What stays of the records of the checkpoint's own step."""

    @pytest.mark.parametrize(
        ("place", "longer", "kept", "again"),
        [
            ({}, False, 6, False),
            ({}, True, 6, False),
            ({"final": True, "began": 5}, False, 6, False),
            ({"final": True, "began": 5}, True, 5, True),
            ({"recorded": False}, False, 6, True),
            ({"recorded": False, "final": True, "began": 5}, False, 6, True),
            ({"recorded": False, "final": True, "began": 5}, True, 5, True),
            ({"following": 1}, False, 7, False),
            ({"following": 9}, False, 8, False),
        ],
    )
    def test_in_the_log(self, tmp_path: Path, place: dict[str, Any], longer: bool, kept: int, again: bool) -> None:
        directory = run_with(tmp_path, recorded(25), checkpoint(20, **place))
        plan = resumption(directory, LAYOUT, longer=longer)
        assert (plan.place.seq, plan.place.recorded) == (kept, not again)

    def test_is_put_right_before_the_log_is_cut(self, tmp_path: Path) -> None:
        """A process may die in between: the next one decides the same, also without knowing that the run is longer."""
        directory = run_with(tmp_path, recorded(25), checkpoint(20, final=True, began=5))
        plan = resumption(directory, LAYOUT, longer=True)
        make_way(directory, plan)
        again = resumption(directory, LAYOUT)
        assert (again.place, list(again.warnings)) == (plan.place, [])
        lines = directory.events.read_text().splitlines(keepends=True)
        directory.events.write_text("".join(lines[: plan.place.seq]))
        assert resumption(directory, LAYOUT).place == plan.place


def test_files_ahead_are_removed(tmp_path: Path) -> None:
    directory = run_with(tmp_path, recorded(25), checkpoint(10), checkpoint(20))
    directory.snapshots.mkdir()
    for step in (0, 10, 11, 20):
        (directory.snapshots / f"step-{step:08d}.safetensors").touch()
    (directory.snapshots / "step-of-mine.safetensors").touch()
    spoil(directory, 20)
    make_way(directory, resumption(directory, LAYOUT))
    assert os.listdir(directory.checkpoints) == ["step-00000010.safetensors"]
    kept = ["step-00000000.safetensors", "step-00000010.safetensors", "step-of-mine.safetensors"]
    assert sorted(os.listdir(directory.snapshots)) == kept
    assert read_checkpoint(directory.checkpoints / "step-00000010.safetensors", LAYOUT).state.step == 10


def test_no_log_at_all(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        resumption(RunDirectory(tmp_path), LAYOUT)


@pytest.mark.parametrize(("step", "count"), [(0, 1), (5, 2), (10, 4), (12, 4), (1000, 8)])
def test_where_an_own_loop_goes_on(tmp_path: Path, step: int, count: int) -> None:
    """Its own checkpoint decides; a detection is dated back, and stays where it was found."""
    started, *others = recorded(25)
    directory = run_with(tmp_path, [started | {"origin": "own loop"}, *others])
    assert events_until(directory.events, step) == count


def test_an_own_loop_goes_on_in_no_other_s_run(tmp_path: Path) -> None:
    """Its log would be cut: of a trainer of ours, of an import, or one that nobody can read."""
    started, *others = recorded(25)
    logs = [[started, *others], [started | {"origin": "import"}], [{"event": 1}, started | {"origin": "own loop"}]]
    for number, events in enumerate(logs):
        directory = run_with(tmp_path / str(number), events)
        with pytest.raises(Unreadable, match="is not the log of a loop of your own"):
            events_until(directory.events, 10)


def test_an_own_loop_s_damaged_log(tmp_path: Path) -> None:
    """What stands behind the damage is not cut away where the loop's checkpoint is still further."""
    started, *others = recorded(25)
    events = [started | {"origin": "own loop"}, *others]
    directory = run_with(tmp_path, [*events[:3], {"event": 1}, *events[4:]])
    with pytest.raises(Unreadable, match="is damaged in line 4, and one event behind it would be lost"):
        events_until(directory.events, 15)
    assert events_until(directory.events, 10) == 3
    assert events_until(directory.events, 5) == 2


def test_what_was_acknowledged_right_behind_a_checkpoint(tmp_path: Path) -> None:
    """It is the first event that would be discarded; the one before it is kept."""
    asked = {"state": "on", "source": "control", "step": 10}
    for place, lost in ((3, True), (2, False)):
        events = recorded(20)
        events.insert(place, whole("intervened", **asked))
        directory = run_with(tmp_path / str(place), [{**each, "seq": seq} for seq, each in enumerate(events)])
        write_checkpoint(directory.checkpoints, checkpoint(10, seq=3))
        if lost:
            with pytest.raises(WouldLose, match="discards one event of step 10"):
                resumption(directory, LAYOUT)
        else:
            assert resumption(directory, LAYOUT).checkpoint is not None


def test_a_line_that_is_missing_is_damage(tmp_path: Path) -> None:
    """All lines that are left are events; those behind the gap are not where a checkpoint counts them."""
    events = recorded(20)
    del events[4]
    directory = run_with(tmp_path, events, checkpoint(10), checkpoint(20))
    plan = resumption(directory, LAYOUT)
    assert plan.checkpoint is not None
    assert plan.checkpoint.state.step == 10
    assert any("line 5 of" in warning for warning in plan.warnings)
