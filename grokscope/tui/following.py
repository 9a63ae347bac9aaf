"""Follows runs: holds their readers, the newest snapshot of each run, and the frame that all screens show."""

from pathlib import Path

from textual import on
from textual.app import App
from textual.message import Message
from textual.reactive import reactive

from grokscope.gate import last_line
from grokscope.runs.directory import RunDirectory
from grokscope.tui.control import Requests
from grokscope.tui.frame import Frame, Overlay
from grokscope.tui.reader import Reader, ReadSoFar, TrainerProcess
from grokscope.tui.replay import Player, as_known_at
from grokscope.tui.run_look import RunLook
from grokscope.tui.screens.base import RunScreen
from grokscope.tui.trainer import trainer_output
from grokscope.words.clean import clean
from grokscope.words.numbers import count

_MINDING_SECONDS = 2.0


class Refreshed(Message):
    """A reader has a newer snapshot. It replaces an older message that still waits."""

    def __init__(self, reader: Reader, snapshot: ReadSoFar) -> None:
        super().__init__()
        self.reader = reader
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Refreshed) and message.reader is self.reader


class FollowingApp(App[None]):
    """Follows one run and its overlaid runs, and gives each new frame to the screens."""

    player: reactive[Player | None] = reactive[Player | None](None)
    requests: reactive[Requests] = reactive(Requests)
    log_scale: reactive[bool] = reactive(True)
    excepted: reactive[frozenset[str]] = reactive(frozenset[str]())
    """The last curves of the charts whose axis of values is not that of `log_scale`"""
    fixed: reactive[dict[str, tuple[float, float]]] = reactive(dict[str, tuple[float, float]])
    """Bottom and top of the axes of values that the user has fixed, by the last curve of the chart"""
    log_steps: reactive[bool] = reactive(False)
    guide: reactive[float | None] = reactive[float | None](None)
    """The step whose values all charts show; None: the newest values"""

    def __init__(self, run: RunDirectory, *, trainer: TrainerProcess | None, follow: bool) -> None:
        super().__init__()
        self.run_directory = run
        self.snapshot = ReadSoFar()
        self.overlays: dict[Path, ReadSoFar] = {}
        self._readers: dict[Path, Reader] = {}
        self._trainer, self._follow = trainer, follow

    def on_mount(self) -> None:
        self._minding = self.set_interval(_MINDING_SECONDS, self._mind_trainer)

    def _mind_trainer(self) -> None:
        """Say once that the trainer that was started here has ended with an error."""
        code = self._trainer.poll() if self._trainer is not None else None
        if code is None:
            return
        self._minding.pause()
        if code and self.snapshot.view.events:
            message = f"the trainer ended with code {code}: {self._last_error()}"
            self.notify(message, severity="error", timeout=30, markup=False)
        self.show()

    def on_unmount(self) -> None:
        for reader in self._readers.values():
            reader.close()

    def open_run(self, run: RunDirectory, trainer: TrainerProcess | None = None) -> None:
        """Follow `run` instead of the present run. `trainer`: its process, if it was started here."""
        before = self.run_directory
        if run.path != before.path:
            self._trainer = trainer
            self._minding.resume()
        if before.path in self.overlays and run.path != before.path:
            self.overlays[before.path] = self.snapshot
        else:
            self._close(before)
        self._close(run)
        self.run_directory = run
        self.snapshot, self.player, self.requests, self.guide = ReadSoFar(), None, Requests(), None
        self._read(run, self._trainer)
        self.show()

    def overlay(self, run: RunDirectory) -> None:
        """Overlay another run."""
        self.overlays[run.path] = ReadSoFar()
        if run.path not in self._readers:
            self._read(run)

    def without(self, run: RunDirectory) -> None:
        """Remove an overlaid run."""
        del self.overlays[run.path]
        if run.path != self.run_directory.path:
            self._close(run)

    def seen_first(self) -> None:
        """Called after the first events of the run were read."""

    def _close(self, run: RunDirectory) -> None:
        reader = self._readers.pop(run.path, None)
        if reader is not None:
            reader.close()

    def _read(self, run: RunDirectory, trainer: TrainerProcess | None = None) -> None:
        reader: Reader

        def publish(snapshot: ReadSoFar) -> None:
            self.post_message(Refreshed(reader, snapshot))

        reader = Reader(run, publish, trainer)
        self._readers[run.path] = reader
        if self._follow:
            reader.start()
        else:
            reader.poll()

    @on(Refreshed)
    def _refreshed(self, message: Refreshed) -> None:
        path = message.reader.run.path
        if self._readers.get(path) is not message.reader:
            return
        if path != self.run_directory.path:
            self.overlays[path] = message.snapshot
        else:
            first = not self.snapshot.view.events
            self._announce(self.snapshot, message.snapshot)
            self.snapshot = message.snapshot
            self.requests = self.requests.unanswered(self.snapshot.view)
            if first and self.snapshot.view.events:
                self.seen_first()
        self.show()

    def _announce(self, before: ReadSoFar, now: ReadSoFar) -> None:
        """Show a notification for each new detection of a live run."""
        if (
            self.player is not None
            or not before.view.events
            or now.reloads != before.reloads
            or before.loading is not None
        ):
            return
        for found in now.view.detected:
            if before.view.detection(found.name) is None:
                self.notify(f"{found.name} at step {count(found.step)}", title=clean(now.view.run), markup=False)

    def frame(self) -> Frame:
        """The present frame."""
        whole, state = self.snapshot.view, self.snapshot.state
        view = whole
        if self.player is not None:
            view, state = as_known_at(whole, self.player.step(whole)), RunLook.RECORDED
        overlays = tuple(
            Overlay(path.name, snapshot.view)
            for path, snapshot in self.overlays.items()
            if path != self.run_directory.path
        )
        return Frame(
            name=self.run_directory.name,
            view=view,
            whole=whole,
            state=state,
            loading=self.snapshot.loading,
            player=self.player,
            requests=self.requests,
            overlays=overlays,
            waiting=self._waiting(),
            log_scale=self.log_scale,
            excepted=self.excepted,
            fixed=self.fixed,
            log_steps=self.log_steps,
            guide=self.guide,
        )

    def show(self) -> None:
        """Give the screens the present frame."""
        if not self.is_running:
            return
        now = self.frame()
        for screen in self.screen_stack:
            if isinstance(screen, RunScreen):
                screen.show_frame(now)

    def _waiting(self) -> str:
        """Why there are no events yet; empty if there are events."""
        if self.snapshot.view.events:
            return ""
        code = self._trainer.poll() if self._trainer is not None else None
        if code is None:
            return (
                "waiting for the run to start"
                if self._trainer
                else "nothing is recorded yet; waiting for the first record"
            )
        return f"the trainer ended with code {code} before its first event: {self._last_error()}"

    def _last_error(self) -> str:
        return clean(last_line(trainer_output(self.run_directory))) or "it printed no message"

    def watch_log_scale(self) -> None:
        self.show()

    def watch_fixed(self) -> None:
        self.show()

    def watch_excepted(self) -> None:
        self.show()

    def watch_log_steps(self) -> None:
        self.show()

    def watch_guide(self) -> None:
        self.show()

    def watch_requests(self) -> None:
        self.show()
