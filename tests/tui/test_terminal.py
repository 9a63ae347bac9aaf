"""In a real terminal: start a run, watch its numbers move, pause it, intervene, leave, kill the trainer."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tui_made import whole_run

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]

PATIENCE = 60.0
RUN = (
    "run modular --preset quick --name e2e --backend torch --eval-every 5 --measure-every 10 --samples 1 "
    "--set log.every=1 --set measure.baseline_samples=1 --set task.modulus=13 --steps 1000000"
)
WATCH = "from pathlib import Path; from grokscope.tui.app import open_app; open_app(Path('runs/e2e'))"


class Terminal:
    """A tmux server of its own with one window of 100 by 30 cells."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        environment = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(folder / "config")}
        for name in ("NO_COLOR", "TMUX", "GROKSCOPE_RUNS", "COLUMNS", "LINES"):
            environment.pop(name, None)
        command = ["new-session", "-d", "-s", "t", "-x", "100", "-y", "30", "-c", str(folder), "sh"]
        subprocess.run(["tmux", "-S", self._socket, "-f", "/dev/null", *command], check=True, env=environment)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-S", self._socket, *arguments], check=True, capture_output=True, text=True)
        return done.stdout

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "t", *keys)

    def run(self, *command: str) -> None:
        self.type("-l", shlex.join(command))
        self.type("Enter")

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t")

    def until(self, holds: Callable[[str], object]) -> str:
        """The first screen of which this holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds(seen := self.screen()):
            assert time.monotonic() < deadline, f"waited in vain; the screen was:\n{seen}"
            time.sleep(0.1)
        return seen

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def step_on(screen: str) -> int:
    found = re.search(r"step ([\d,]+) of", screen)
    return int(found[1].replace(",", "")) if found else -1


def trainer_of(run: Path) -> int:
    return int(json.loads((run / "heartbeat").read_text())["process"])


def test_from_start_to_crash(tmp_path: Path, terminal: Terminal) -> None:
    pytest.importorskip("torch")
    run = tmp_path / "runs" / "e2e"
    terminal.run(sys.executable, "-m", "grokscope", *RUN.split(), "--tui")
    first = step_on(terminal.until(lambda screen: "● running" in screen and step_on(screen) > 0))
    trainer = trainer_of(run)
    try:
        terminal.until(lambda screen: step_on(screen) > first and "commutator defect  " in screen)

        terminal.type("Space")
        terminal.until(lambda screen: "‖ paused" in screen)
        terminal.type("s")
        terminal.type("Space")
        terminal.until(lambda screen: "● running" in screen)

        terminal.type("5")
        terminal.until(lambda screen: "5 interventions" in screen)
        terminal.type("Space")
        terminal.until(lambda screen: "Switch clamp on in this run?" in screen)
        terminal.type("y")
        terminal.until(lambda screen: re.search(r"clamp +● on", screen))
        terminal.type("Space")
        terminal.until(lambda screen: re.search(r"clamp +○ off", screen))
        switched = [line for line in (run / "events.jsonl").read_text().splitlines() if '"source":"control"' in line]
        assert [json.loads(line)["state"] for line in switched if '"applied"' not in line] == ["on", "off"]

        terminal.type("q")
        terminal.until(lambda screen: "commutator" not in screen)
        os.kill(trainer, 0)  # leaving touched nothing

        terminal.run(sys.executable, "-c", WATCH)
        terminal.until(lambda screen: "● running" in screen)
    finally:
        os.kill(trainer, signal.SIGKILL)
    terminal.until(lambda screen: "✗ crashed" in screen)
    terminal.type("q")


def test_a_trainer_that_dies_at_once_says_why(tmp_path: Path, terminal: Terminal) -> None:
    terminal.run(sys.executable, "-m", "grokscope", "run", "modular", "--backend", "no-such", "--tui")
    screen = terminal.until(lambda screen: "no-such" in screen.replace("--backend no-such", ""))
    assert "Traceback" not in screen


@pytest.mark.parametrize("locale", ["LANG=C", "LC_ALL=POSIX", "LANG=de_DE.ISO-8859-1", "LANG=C.UTF-8"])
def test_a_locale_without_other_letters_gets_ascii(tmp_path: Path, terminal: Terminal, locale: str) -> None:
    whole_run("mine").write(tmp_path / "runs")
    command = (sys.executable, "-m", "grokscope")
    terminal.run("env", "-u", "LC_ALL", "-u", "LC_CTYPE", "-u", "LANG", locale, *command, "show", "mine")
    shown = terminal.until(lambda screen: re.search(r"^files .*\n(.*\n)*\S*[$#]", screen, re.MULTILINE))
    terminal.run("env", "-u", "LC_ALL", "-u", "LC_CTYPE", "-u", "LANG", locale, *command, "watch", "mine")
    watched = terminal.until(lambda screen: "finished" in screen and "commutator defect  " in screen)
    terminal.type("q")
    assert (shown.isascii(), watched.isascii()) == (("UTF-8" not in locale),) * 2


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path, terminal: Terminal) -> None:
    """Its loop has made its folder, and nothing is recorded yet."""
    (tmp_path / "runs/mine/control").mkdir(parents=True)
    terminal.run(sys.executable, "-m", "grokscope", "watch", "mine")
    terminal.until(lambda screen: "waiting for the first record" in screen)
    whole_run("mine").write(tmp_path / "runs")
    terminal.until(lambda screen: "✓ finished" in screen and "commutator defect  " in screen)
    terminal.type("q")


def test_suspended_and_back(tmp_path: Path, terminal: Terminal) -> None:
    """What does not move is drawn again too; Ctrl-C says which key leaves."""
    whole_run("mine").write(tmp_path / "runs")
    terminal.run(sys.executable, "-m", "grokscope", "watch", "mine")
    terminal.until(lambda screen: "commutator defect  " in screen)
    terminal.type("C-z")
    terminal.until(lambda screen: "commutator defect  " not in screen and "grokscope watch mine" in screen)
    terminal.run("fg")
    terminal.until(lambda screen: "commutator defect  " in screen and "✓ finished" in screen)
    terminal.type("C-c")
    terminal.until(lambda screen: "q closes the TUI; the run continues" in screen)
    terminal.type("q")
    terminal.until(lambda screen: "commutator defect  " not in screen)
