"""The application: carries out the user's actions on screens, replays and files."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import ClassVar

from textual import on
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.reactive import reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from grokscope.gate import write_file
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command
from grokscope.tui import themes
from grokscope.tui.actions import KEY_ACTIONS, actions_of, bindings, keys_of, printed
from grokscope.tui.ascii import Ascii
from grokscope.tui.controlling import ControllingApp
from grokscope.tui.frame import read_range
from grokscope.tui.messages import ChartOpened, GuideMoved, RunOpened, RunOverlaid
from grokscope.tui.offers import label_now
from grokscope.tui.reader import TrainerProcess
from grokscope.tui.replay import Player, fitting_speed
from grokscope.tui.run_look import RunLook
from grokscope.tui.screens.base import RunScreen
from grokscope.tui.screens.dialogs import Ask
from grokscope.tui.screens.watch import WatchScreen
from grokscope.tui.settings import Settings, read_settings
from grokscope.tui.widgets.plot import sample_beside
from grokscope.tui.widgets.transport import Transport
from grokscope.words.clean import clean

REDRAW_SECONDS = 0.25
MAX_OVERLAYS = 6
_NO_CHART = "no chart has the focus; 1, 2 or 3 gives it to one"


class GrokscopeApp(ControllingApp):
    """Follows a run, and carries out actions on the trainer, on a replay and on the screens."""

    TITLE = "grokscope"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["styles/app.tcss", "styles/watch.tcss"]
    """Other screens bring their own styles: the first curve does not wait for them."""
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")
    ENABLE_COMMAND_PALETTE = True

    ascii_mode: reactive[bool] = reactive(False)

    def __init__(
        self,
        run: RunDirectory,
        *,
        settings: Settings | None = None,
        theme: str = "",
        trainer: TrainerProcess | None = None,
        replaying: bool = False,
        at: int | None = None,
        pick: bool = False,
        sweep: Path | None = None,
        follow: bool = True,
    ) -> None:
        super().__init__(run, trainer=trainer, follow=follow)
        self.settings = read_settings() if settings is None else settings
        self._replay_at_once, self._pick, self._at, self._sweep = replaying, pick, at, sweep
        self._ascii_filter = Ascii()
        self._ticker: Timer | None = None
        for known in themes.THEMES:
            self.register_theme(known)
        wanted = theme or self.settings.theme or themes.DEFAULT
        self.theme = wanted if wanted in self.available_themes else themes.DEFAULT
        self.ascii_mode = self.settings.ascii
        self._unknown_theme = "" if self.theme == wanted else wanted

    @property
    def available_themes(self) -> dict[str, Theme]:
        known = super().available_themes
        if not getattr(self, "no_color", False):
            return known
        return {name: theme for name, theme in known.items() if themes.allowed(name, no_color=True)}

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {f"series-{index}": colour for index, colour in enumerate(themes.OKABE_ITO, start=1)}

    def get_line_filters(self) -> list[LineFilter]:
        filters = list(super().get_line_filters())
        return [*filters, self._ascii_filter] if self.ascii_mode else filters

    def get_default_screen(self) -> Screen[None]:
        return WatchScreen()

    def on_mount(self) -> None:
        self.set_keymap(self.settings.keys)
        for problem in self.settings.problems:
            self.notify(problem, severity="warning", markup=False)
        if self._unknown_theme:
            message = f"there is no theme {self._unknown_theme!r}; using {self.theme}"
            self.notify(message, severity="warning", markup=False)
        self.app_resume_signal.subscribe(self, lambda app: app.refresh(layout=True))  # the shell has cleared the screen
        self._ticker = self.set_interval(REDRAW_SECONDS, self._tick, pause=True)
        self.open_run(self.run_directory)
        if self._pick:
            self.action_runs()
        if self._sweep is not None:
            from grokscope.tui.screens.sweep import SweepScreen

            self.push_screen(SweepScreen(self._sweep))

    def _tick(self) -> None:
        """Advance a playing replay."""
        if self.player is not None and self.player.playing:
            self.player = self.player.advanced(REDRAW_SECONDS, self.snapshot.view)

    def watch_player(self, player: Player | None) -> None:
        if self._ticker is not None:
            if player is not None and player.playing:
                self._ticker.resume()
            else:
                self._ticker.pause()
        if player is not None and self.guide is not None and self.guide > player.step(self.snapshot.view):
            self.guide = None
        self.show()

    def watch_ascii_mode(self) -> None:
        self.refresh_css(animate=False)

    def seen_first(self) -> None:
        """Start the replay that the command line asked for, at the first events of the run."""
        if self._at is not None and self.snapshot.view.length:
            self.player = Player.stopped_at(self._at, self.snapshot.view)
        elif self._replay_at_once:
            self.action_replay()
        self._at, self._replay_at_once = None, False

    # Replay.

    def action_pause(self) -> None:
        if self.player is not None:
            again = self.player.seconds >= self.snapshot.view.length
            self.player = replace(
                self.player, playing=not self.player.playing, seconds=0.0 if again else self.player.seconds
            )
        elif self.snapshot.state is RunLook.FINISHED:
            self.action_replay()
        else:
            self.command(Command(action="resume" if self.snapshot.view.phase == "paused" else "pause"))

    def action_replay(self) -> None:
        if self.player is not None:
            self.player = None
        elif not self.snapshot.view.length:
            self.notify("the run has nothing to replay yet", severity="warning")
        else:
            self.player = Player(speed=fitting_speed(self.snapshot.view))

    def action_slower(self) -> None:
        if self.player is not None:
            self.player = self.player.slower()

    def action_faster(self) -> None:
        if self.player is not None:
            self.player = self.player.faster()

    def action_scrub(self, fraction: float) -> None:
        """Move the replay by a fraction of the run. Without a replay, one begins, stopped at the present."""
        player = self.player or Player(self.snapshot.view.length, fitting_speed(self.snapshot.view), False)
        if self.snapshot.view.length:
            self.player = player.moved(fraction, self.snapshot.view)

    @on(Transport.Sought)
    def _sought(self, sought: Transport.Sought) -> None:
        if self.player is not None:
            self.player = replace(self.player, seconds=sought.fraction * self.snapshot.view.length)

    # Screens and files. A screen is imported when it is first shown: the first curve does not wait for it.

    def action_log_scale(self) -> None:
        self.log_scale, self.excepted = not self.log_scale, frozenset()

    def action_log_one(self) -> None:
        """The other axis of values for the chart with the focus alone."""
        from grokscope.tui.quantities import can_be_log

        charted = self._charted
        if not charted:
            self.notify(_NO_CHART, severity="warning")
        elif can_be_log(self.snapshot.view, charted):
            self.excepted ^= {charted}
        else:
            self.notify("this chart is always linear", severity="warning")

    @property
    def _charted(self) -> str:
        """The last curve of the chart with the focus; empty if the focus is on no chart."""
        return self.screen.charted if isinstance(self.screen, RunScreen) else ""

    def action_value_range(self) -> None:
        """Ask for the range of values of the chart with the focus."""
        charted = self._charted
        if not charted:
            self.notify(_NO_CHART, severity="warning")
            return

        def answered(answer: str | None) -> None:
            if answer is None:
                return
            try:
                bottom_and_top = read_range(answer)
            except ValueError as wrong:
                self.notify(str(wrong), severity="warning", markup=False)
                return
            others = {curve: limits for curve, limits in self.fixed.items() if curve != charted}
            self.fixed = others | ({charted: bottom_and_top} if bottom_and_top else {})

        now = " ".join(f"{end:g}" for end in self.fixed.get(charted, ()))
        question = "Which values does this chart show?"
        self.push_screen(Ask(question, now, hint="smallest and largest, as 0.1 10; empty: all values"), answered)

    def action_log_steps(self) -> None:
        self.log_steps = not self.log_steps

    def action_guide(self, by: int) -> None:
        """Move the guide by samples, a hundredth of them at a time; without a guide, set it at the newest sample."""
        frame = self.frame()
        steps = frame.guided
        if not len(steps):
            self.notify("nothing is measured yet, so there are no values to guide to", severity="warning")
        elif frame.guide is None:
            self.guide = float(steps[-1])
        else:
            self.guide = sample_beside(steps, frame.guide, by * max(1, len(steps) // 100))

    @on(GuideMoved)
    def _guide_moved(self, moved: GuideMoved) -> None:
        self.guide = moved.step

    def action_chart(self) -> None:
        self._show_chart(self._charted or "defect")

    @on(ChartOpened)
    def _chart_opened(self, opened: ChartOpened) -> None:
        self._show_chart(opened.curve)

    def _show_chart(self, curve: str) -> None:
        from grokscope.tui.screens.chart import ChartScreen

        self.push_screen(ChartScreen(curve))
        self.show()

    def action_trainer(self) -> None:
        from grokscope.tui.screens.trainer import TrainerScreen

        self.push_screen(TrainerScreen(self.run_directory, self.snapshot.view.started))

    def action_grid(self) -> None:
        from grokscope.tui.screens.grid import GridScreen

        self.push_screen(GridScreen())
        self.show()

    def action_runs(self) -> None:
        from grokscope.tui.screens.runs import RunsScreen

        self.push_screen(RunsScreen(self.run_directory.path.parent, tuple(self.overlays), self.run_directory))

    @on(RunOpened)
    def _opened(self, opened: RunOpened) -> None:
        self._at, self._replay_at_once = None, False
        while not isinstance(self.screen, RunScreen):  # the list of runs, and the grid of a sweep
            self.pop_screen()
        self.open_run(opened.run)

    @on(RunOverlaid)
    def _overlaid(self, overlaid: RunOverlaid) -> None:
        from grokscope.tui.screens.runs import RunsScreen

        path = overlaid.run.path
        if path in self.overlays:
            self.without(overlaid.run)
        elif len(self.overlays) >= MAX_OVERLAYS:
            self.notify(f"a chart shows at most {MAX_OVERLAYS} overlaid runs", severity="warning")
        else:
            self.overlay(overlaid.run)
        if isinstance(self.screen, RunsScreen):
            self.screen.overlays = tuple(self.overlays)
        self.show()

    def action_help(self) -> None:
        from grokscope.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.settings.keys))

    def action_help_quit(self) -> None:
        """Ctrl-C, which leaves other programs: say which key leaves this one."""
        [detach] = [action for action in KEY_ACTIONS if action.name == "detach"]
        self.notify(f"{printed(keys_of(detach, self.settings.keys))} closes the TUI; the run continues", markup=False)

    def action_detach(self) -> None:
        self.exit()

    def action_theme(self) -> None:
        names = [theme.name for theme in themes.THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]
        self.notify(f"theme {self.theme}", timeout=1.5)

    def action_ascii(self) -> None:
        self.ascii_mode = not self.ascii_mode

    def action_save_svg(self) -> None:
        from grokscope.tui.export import free_name

        file = free_name(Path.cwd(), clean(self.run_directory.name, 60), ".svg")
        self._saved(file, lambda: write_file(file, self.export_screenshot(title="grokscope")))

    def action_save_csv(self) -> None:
        from grokscope.tui.export import free_name, write_csv

        file = free_name(Path.cwd(), clean(self.run_directory.name, 60), ".csv")
        self._saved(file, lambda: write_csv(self.snapshot.view, file))

    def _saved(self, file: Path, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as problem:
            self.notify(f"cannot write {file.name}: {problem.strerror}", severity="error", markup=False)
        else:
            self.notify(f"wrote {file.name}", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The actions of the present screen that the run can obey, for the palette."""
        where = getattr(screen, "WHERE", "")
        frame = self.frame()
        for action in (*actions_of(where), *actions_of("everywhere")):
            label = label_now(action.name, action.label, frame)
            if not label:
                continue
            keys = printed(tuple(action.keys.split(",")))
            run = action.run or f"app.{action.name}"
            yield SystemCommand(f"{label} ({keys})", action.help, lambda run=run: screen.run_action(run))
        for name in self.available_themes:
            yield SystemCommand(f"Theme {name}", "Use this theme", lambda name=name: setattr(self, "theme", name))


def open_app(
    run_directory: Path,
    *,
    trainer: TrainerProcess | None = None,
    theme: str = "",
    ascii_mode: bool = False,
    replaying: bool = False,
    at: int | None = None,
    pick: bool = False,
    sweep: Path | None = None,
) -> None:
    """Show a run in this terminal until the user closes the TUI. The run continues afterwards.

    `run_directory` may still be empty. `trainer`: the process that `start_trainer` started for this run, if any; its
    last error is shown if it ends before its first event. `replaying`: start a replay at the start of the run. `at`:
    start a replay, stopped at this step. `pick`: show the list of runs first. `sweep`: show the grid of this folder of
    runs first.
    """
    settings = read_settings()
    if ascii_mode:
        settings = replace(settings, ascii=True)
    GrokscopeApp(
        RunDirectory(run_directory),
        settings=settings,
        theme=theme,
        trainer=trainer,
        replaying=replaying,
        at=at,
        pick=pick,
        sweep=sweep,
    ).run()
