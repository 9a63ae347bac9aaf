"""Ctrl-C and SIGTERM in every phase of a run: a checkpoint, a documented code, and it goes on to the same end.

The phases are named by what the contract of tasks and backends has, so that the signal lands inside of them.
"""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cli_moments
import pytest
from campaign import Ended, Tally
from cli_moments import place
from cli_process import PATIENCE, Nursery, Outcome, assert_whole, environment, tiny, until_logged

from grokscope import registry
from grokscope.runs.checkpoints import write_checkpoint
from grokscope.runs.log import EventLog

pytest.importorskip("torch")

from grokscope_torch.session import TorchSession

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BASELINE = 12
"""Samples of the measurement at step 0"""

RUN = tiny(
    "modular", f"--set=measure.baseline_samples={BASELINE}", "--set=checkpoint.every=10", "--set=snapshot.every=10",
    "--steps=40", "--continue",
)  # fmt: skip

BEFORE: Mapping[str, tuple[str, int]] = {
    "the data are loaded": (place(registry.get("tasks", "modular").load), 1),
    "the backend is opened": (place(TorchSession.__init__), 1),
}
"""Phases in which nothing is there yet that could be kept: a function, and which of its calls"""

PHASES: Mapping[str, tuple[str, int]] = {
    "the first measurement": (place(TorchSession.bracket), 3),
    "the first evaluation": (place(TorchSession.predict), 1),
    "the first step": (place(TorchSession.step), 1),
    "a step": (place(TorchSession.step), 17),
    "a measurement": (place(TorchSession.bracket), BASELINE + 2),
    "an evaluation": (place(TorchSession.predict), 5),
    "the run directory": (place(EventLog.write), 1),
    "the first checkpoint": (place(write_checkpoint), 1),
    "the last step": (place(TorchSession.step), 40),
}
"""And those in which there is"""

NUMBERS = tuple(CODES)
FEW = {("the first measurement", signal.SIGINT), ("an evaluation", signal.SIGTERM), ("a step", signal.SIGINT)}
"""Of which CI tries these"""

every_phase = pytest.mark.parametrize(
    ("phase", "number"),
    [
        pytest.param(phase, number, marks=() if (phase, number) in FEW else pytest.mark.campaign)
        for phase in PHASES
        for number in NUMBERS
    ],
)


def noted(tally: Tally, done: Outcome) -> Outcome:
    tally.note(Ended((), done.code, done.out, done.err))
    assert "Traceback" not in done.err, done.err
    assert "internal error" not in done.err, done.err
    return done


@pytest.fixture(scope="module")
def digest(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("alone")
    done = nursery.run(*RUN, "--name=a", "--quiet", folder=folder)
    assert done.code == 0, done.err
    return str(assert_whole(folder / "runs/a")[-1]["parameters_digest"])


def assert_goes_on(nursery: Nursery, tally: Tally, folder: Path, digest: str) -> None:
    done = noted(tally, nursery.run(*RUN, "--name=a", folder=folder))
    assert done.code == 0, done.err
    assert assert_whole(folder / "runs/a")[-1]["parameters_digest"] == digest


def assert_left_in_order(folder: Path, done: Outcome, number: int) -> None:
    """The code of the signal, and a log that ends in `finished` behind a checkpoint."""
    assert done.code == CODES[signal.Signals(number)], done
    assert done.err.strip(), "it said nothing"
    events = assert_whole(folder / "runs/a")
    assert events[-1]["status"] == "interrupted"
    assert list((folder / "runs/a/checkpoint").iterdir())


@every_phase
def test_in_every_phase(
    nursery: Nursery, tmp_path: Path, tally: Tally, digest: str, phase: str, number: signal.Signals
) -> None:
    function, time = PHASES[phase]
    told = tmp_path / "told"
    moment = {"function": function, "time": time, "signals": [number], "told": str(told)}
    done = noted(tally, nursery.run(*RUN, "--name=a", folder=tmp_path, moment=moment))
    assert int(told.read_text()) >= time, f"{phase} was not reached"
    assert_left_in_order(tmp_path, done, number)
    assert_goes_on(nursery, tally, tmp_path, digest)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("phase", [pytest.param(phase, marks=pytest.mark.campaign) for phase in BEFORE])
def test_before_the_run_begins(
    nursery: Nursery, tmp_path: Path, tally: Tally, digest: str, phase: str, number: signal.Signals
) -> None:
    function, time = BEFORE[phase]
    moment = {"function": function, "time": time, "signals": [number]}
    done = noted(tally, nursery.run(*RUN, "--name=a", folder=tmp_path, moment=moment))
    assert done.code in {CODES[number], -number}
    assert not (tmp_path / "runs").exists()
    assert_goes_on(nursery, tally, tmp_path, digest)


@pytest.mark.parametrize("phase", ["the first measurement", pytest.param("a measurement", marks=pytest.mark.campaign)])
def test_a_measurement_ends_behind_its_sample(nursery: Nursery, tmp_path: Path, tally: Tally, phase: str) -> None:
    """At most one more sample is computed, of the many that were asked for."""
    function, time = PHASES[phase]
    told = tmp_path / "told"
    moment = {"function": function, "time": time, "signals": [signal.SIGINT], "told": str(told)}
    noted(tally, nursery.run(*RUN, "--samples=12", "--name=a", folder=tmp_path, moment=moment))
    assert time <= int(told.read_text()) <= time + 1


@pytest.mark.parametrize(
    "phase", ["a step", *(pytest.param(phase, marks=pytest.mark.campaign) for phase in PHASES if phase != "a step")]
)
def test_two_at_once(nursery: Nursery, tmp_path: Path, tally: Tally, digest: str, phase: str) -> None:
    """As a terminal and a scheduler send them: the second does not take the checkpoint of the first away."""
    function, time = PHASES[phase]
    moment = {"function": function, "time": time, "signals": [signal.SIGINT, signal.SIGTERM]}
    done = noted(tally, nursery.run(*RUN, "--name=a", folder=tmp_path, moment=moment))
    assert done.code in CODES.values()
    assert assert_whole(tmp_path / "runs/a")[-1]["status"] == "interrupted"
    assert_goes_on(nursery, tally, tmp_path, digest)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.campaign)])
def test_while_paused(nursery: Nursery, tmp_path: Path, tally: Tally, number: signal.Signals) -> None:
    run = tmp_path / "runs/a"
    process = nursery.start(*RUN, "--name=a", "--steps=1000000", folder=tmp_path)
    until_logged(run, "started")
    assert nursery.run("control", "a", "pause", folder=tmp_path).code == 0
    process.signal(number)
    assert_left_in_order(tmp_path, noted(tally, process.wait()), number)


MODULES = ("typer", "pydantic", "numpy", "torch", "grokscope_torch.session")
HOWS = ("raised", "swallowed")


def hit_while_importing(folder: Path, tally: Tally, moment: str, number: int, how: str) -> Outcome:
    """A process of its own that gets a signal before anything is there that could be kept."""
    command = [sys.executable, cli_moments.__file__, moment, str(number), how, *RUN, "--name=a"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment(), timeout=PATIENCE, check=False
    )
    outcome = noted(tally, Outcome(done.returncode, done.stdout, done.stderr))
    assert not (folder / "runs").exists()
    return outcome


@pytest.mark.parametrize(
    ("module", "how"),
    [
        pytest.param(module, how, marks=() if (module, how) == ("numpy", "swallowed") else pytest.mark.campaign)
        for module in MODULES
        for how in HOWS
    ],
)
def test_an_interrupt_while_it_imports(tmp_path: Path, tally: Tally, module: str, how: str) -> None:
    assert hit_while_importing(tmp_path, tally, module, signal.SIGINT, how).code == 130


@pytest.mark.campaign
@pytest.mark.parametrize("module", MODULES)
def test_terminated_while_it_imports(tmp_path: Path, tally: Tally, module: str) -> None:
    assert hit_while_importing(tmp_path, tally, module, signal.SIGTERM, "raised").code in {143, -signal.SIGTERM}


@pytest.mark.parametrize("every", [pytest.param(20, marks=[pytest.mark.campaign, pytest.mark.timeout(0)])])
def test_an_interrupt_at_every_moment_of_the_start(tmp_path: Path, tally: Tally, every: int) -> None:
    """Raised and swallowed by turns, at each so-many-th import; behind some 540 of them the run begins."""
    for at in range(1, 500, every):
        outcome = hit_while_importing(tmp_path, tally, str(at), signal.SIGINT, HOWS[at // every % 2])
        assert outcome.code == 130, at
