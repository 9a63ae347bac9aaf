"""Damaged checkpoints, snapshots and logs of runs that go on: the right bits, or a refusal, and nothing is lost."""

import json
import shutil
from pathlib import Path

import pytest
from campaign import Ended, Tally, assert_sound, call, campaign, lengths
from cli_process import assert_whole, tiny
from damage import Flipped, changed, changes, of_bytes
from hypothesis import strategies as st

FLIPS = 300
STEPS = 40
LONGER = 60
RUN = tiny(
    "modular", "--set=checkpoint.every=10", "--set=snapshot.every=10", "--intervene=noise@6..30:every=4", "--quiet",
    "--name=a",
)  # fmt: skip


def resume(folder: Path, *more: str) -> Ended:
    return call("run", "--resume=a", f"--steps={LONGER}", "--quiet", *more, folder=folder)


def digest(folder: Path) -> str:
    return str(assert_whole(folder / "runs/a")[-1]["parameters_digest"])


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `STEPS` steps."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("half")
    done = call(*RUN, f"--steps={STEPS}", folder=folder)
    assert done.code == 0, str(done)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run of `LONGER` steps that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    done = call(*RUN, f"--steps={LONGER}", folder=folder)
    assert done.code == 0, str(done)
    return digest(folder)


@pytest.fixture
def folder(half: Path, tmp_path: Path) -> Path:
    return restored(half, tmp_path)


def restored(half: Path, folder: Path) -> Path:
    """The half run as it was."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
    shutil.copytree(half / "runs", folder / "runs")
    return folder


def checkpoints(folder: Path) -> list[Path]:
    """The newest first."""
    return sorted((folder / "runs/a/checkpoint").iterdir(), reverse=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the run, but for what says who is at it."""
    run = folder / "runs/a"
    kept = [path for path in run.rglob("*") if path.is_file() and path.name not in {"heartbeat", "lock"}]
    return {str(path.relative_to(run)): path.read_bytes() for path in kept}


def assert_refused(ended: Ended, folder: Path, before: dict[str, bytes]) -> None:
    """Exit code 3, one sentence, and nothing is touched."""
    assert ended.code == 3, str(ended)
    assert ended.err.count("\n") == 1, str(ended)
    assert contents(folder) == before


@lengths(12, FLIPS)
def test_a_flipped_bit_of_the_newest(inputs: int, tally: Tally, half: Path, whole: str, tmp_path: Path) -> None:
    """It is noticed and said, and the one before is gone on from."""
    size = checkpoints(half)[0].stat().st_size

    @campaign(inputs, st.integers(0, size - 1), st.integers(0, 7))
    def _(at: int, bit: int) -> None:
        newest = checkpoints(restored(half, tmp_path))[0]
        newest.write_bytes(Flipped(at, bit).of(newest.read_bytes()))
        ended = resume(tmp_path)
        tally.note(ended)
        assert_sound(ended)
        assert ended.code == 0, str(ended)
        assert digest(tmp_path) == whole
        events = assert_whole(tmp_path / "runs/a")
        assert any(newest.name in event["reason"] for event in events if event["event"] == "warned")


@lengths(12, FLIPS)
def test_a_flipped_bit_of_both(inputs: int, tally: Tally, half: Path, tmp_path: Path) -> None:
    """Nothing is left to go on from: refused, and nothing is lost."""
    size = min(file.stat().st_size for file in checkpoints(half))

    @campaign(inputs, st.integers(0, size - 1), st.integers(0, 7))
    def _(at: int, bit: int) -> None:
        for file in checkpoints(restored(half, tmp_path)):
            file.write_bytes(Flipped(at, bit).of(file.read_bytes()))
        before = contents(tmp_path)
        ended = resume(tmp_path)
        tally.note(ended)
        assert_sound(ended)
        assert_refused(ended, tmp_path, before)


@lengths(15, 1500)
def test_damaged_checkpoints(inputs: int, tally: Tally, half: Path, whole: str, tmp_path: Path) -> None:
    """One of the two or both, each in a way of its own, or lost, or changed for another file."""
    other = (half / "runs/a/snapshots/step-00000010.safetensors").read_bytes()
    damage = st.none() | st.just(b"") | st.just(other) | st.lists(of_bytes, max_size=3)

    @campaign(inputs, damage, damage)
    def _(newer: object, older: object) -> None:
        sound = [file.read_bytes() for file in checkpoints(restored(half, tmp_path))]
        hurt = 0
        for file, by in zip(checkpoints(tmp_path), (newer, older), strict=True):
            data = changed(file.read_bytes(), by) if isinstance(by, list) else by
            hurt += data not in sound
            file.unlink() if data is None else file.write_bytes(data)  # type: ignore[arg-type]
        before = contents(tmp_path)
        ended = resume(tmp_path)
        tally.note(ended)
        assert_sound(ended)
        if hurt == 2:
            assert_refused(ended, tmp_path, before)
        else:
            assert ended.code == 0, str(ended)
            assert digest(tmp_path) == whole


@lengths(12, FLIPS)
def test_a_flipped_bit_of_a_snapshot(inputs: int, tally: Tally, half: Path, tmp_path: Path) -> None:
    size = (half / "runs/a/snapshots/step-00000020.safetensors").stat().st_size

    @campaign(inputs, st.integers(0, size - 1), st.integers(0, 7))
    def _(at: int, bit: int) -> None:
        file = restored(half, tmp_path) / "runs/a/snapshots/step-00000020.safetensors"
        file.write_bytes(Flipped(at, bit).of(file.read_bytes()))
        ended = call("pca", "a", folder=tmp_path)
        tally.note(ended)
        assert_sound(ended)
        assert ended.code == 3, str(ended)
        assert file.name in ended.err, str(ended)


@lengths(15, 1500)
def test_damaged_snapshots(inputs: int, tally: Tally, half: Path, tmp_path: Path) -> None:
    readers = (["pca", "a"], ["intervene", "spectrum", "a"], tiny("modular", "--intervene=kick@3:basis=a", "--steps=5"))

    @campaign(inputs, st.lists(of_bytes, min_size=1, max_size=3), st.sampled_from(readers))
    def _(by: list[object], arguments: list[str]) -> None:
        file = restored(half, tmp_path) / "runs/a/snapshots/step-00000020.safetensors"
        sound = file.read_bytes()
        file.write_bytes(changed(sound, by))
        ended = call(*arguments, *(["--name=b", "--quiet"] if arguments[0] == "run" else []), folder=tmp_path)
        tally.note(ended)
        assert_sound(ended)
        assert ended.code != 0 or file.read_bytes() == sound, str(ended)


def altered(log: bytes, sound: bytes) -> bool:
    """Whether a line was changed into another that is an event too: no reader can know that."""
    known = set(sound.splitlines())
    return any(_is_event(line) for line in log.splitlines() if line not in known)


def _is_event(line: bytes) -> bool:
    try:
        return "event" in json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return False


@lengths(20, 2000)
def test_a_damaged_log(inputs: int, tally: Tally, half: Path, whole: str, tmp_path: Path) -> None:
    """Whatever happened to it, going on gives the right bits, or is refused with all that was there still there."""

    @campaign(inputs, changes)
    def _(by: list[object]) -> None:
        log = restored(half, tmp_path) / "runs/a/events.jsonl"
        sound = log.read_bytes()
        log.write_bytes(changed(sound, by))
        before = contents(tmp_path)
        ended = resume(tmp_path)
        tally.note(ended)
        assert_sound(ended)
        if ended.code != 0:
            assert_refused(ended, tmp_path, before)
            return
        assert altered(before["events.jsonl"], sound) or digest(tmp_path) == whole


@lengths(12, 600)
def test_a_log_and_a_checkpoint(inputs: int, tally: Tally, half: Path, whole: str, tmp_path: Path) -> None:
    """Both at once; and with the flag for people who mean it, a run that ends right whatever there was."""

    @campaign(inputs, changes, st.lists(of_bytes, max_size=2), st.booleans())
    def _(by: list[object], newest_by: list[object], discard: bool) -> None:
        log = restored(half, tmp_path) / "runs/a/events.jsonl"
        sound = log.read_bytes()
        log.write_bytes(changed(sound, by))
        newest = checkpoints(tmp_path)[0]
        newest.write_bytes(changed(newest.read_bytes(), newest_by))
        before = contents(tmp_path)
        ended = resume(tmp_path, *(["--discard-events"] if discard else []))
        tally.note(ended)
        assert_sound(ended)
        if ended.code == 0:
            assert altered(before["events.jsonl"], sound) or digest(tmp_path) == whole
        else:
            assert not discard, str(ended)
            assert_refused(ended, tmp_path, before)
