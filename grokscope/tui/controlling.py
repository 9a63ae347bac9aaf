"""Requests of the user to the trainer. They go to the control inbox of the run."""

from pathlib import Path

from textual import on, work

from grokscope.gate import Unreadable
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command
from grokscope.tui.control import post_command
from grokscope.tui.following import FollowingApp
from grokscope.tui.reader import TrainerProcess
from grokscope.tui.screens.dialogs import Ask, Confirm
from grokscope.tui.trainer import start_trainer
from grokscope.tui.view import View
from grokscope.tui.widgets.treatments import Treatments
from grokscope.words.clean import clean
from grokscope.words.numbers import count


class ControllingApp(FollowingApp):
    """Asks the trainer of the run to pause, to step, to stop, to intervene."""

    def __init__(self, run: RunDirectory, *, trainer: TrainerProcess | None, follow: bool) -> None:
        super().__init__(run, trainer=trainer, follow=follow)
        self._agreed: set[Path] = set()
        """Runs for which the user has agreed to intervene"""

    def command(self, command: Command) -> None:
        """Put a command into the inbox, if a trainer reads the inbox."""
        if self.player is not None:
            self.notify("this is a replay; press `p` to return to the present", severity="warning", markup=False)
        elif not self.snapshot.state.listens:
            message = f"the run is {self.snapshot.state.word}, so there is no trainer to control"
            self.notify(message, severity="warning", markup=False)
        else:
            try:
                request = post_command(self.run_directory.control, command, self.snapshot.view)
            except OSError as problem:
                self.notify(f"cannot reach the trainer: {problem.strerror}", severity="error", markup=False)
                return
            self.requests = self.requests.plus(request).unanswered(self.snapshot.view)

    def action_step(self) -> None:
        self._take_steps(1)

    def action_steps(self) -> None:
        def asked(answer: str | None) -> None:
            if answer and answer.isdigit() and int(answer) > 0:
                self._take_steps(int(answer))

        self.push_screen(Ask("How many steps?", "100", kind="integer"), asked)

    def _take_steps(self, steps: int) -> None:
        if self.snapshot.view.phase != "paused" and self.player is None and self.snapshot.state.listens:
            self.notify("pause the run before you take single steps", severity="warning", markup=False)
            return
        self.command(Command(action="step", count=steps))

    def action_snapshot(self) -> None:
        self.command(Command(action="snapshot"))

    def action_stop(self) -> None:
        if self.player is not None or not self.snapshot.state.listens:
            self.command(Command(action="stop"))  # shows why the run cannot be stopped
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.command(Command(action="stop"))

        name = clean(self.run_directory.name, 50)
        what_follows = "The run ends with a checkpoint; `grokscope run --resume` continues the run."
        if self.snapshot.view.is_own_loop:
            what_follows = "The loop that trains it is told so, where it asks its probe."
        self.push_screen(Confirm(f"Stop {name}?", what_follows), answered)

    @on(Treatments.Asked)
    def _treat(self, asked: Treatments.Asked) -> None:
        """Switch an intervention. The first switch of a run that nobody treated asks once what it costs."""
        state = "on" if asked.on else "off"
        command = Command(action="intervene", kind=asked.kind, state=state, parameters=dict(asked.parameters))
        new = self.player is None and self.snapshot.state.listens and not self.snapshot.view.treated
        if not (new and asked.on and self.run_directory.path not in self._agreed):
            self.command(command)
            self.show()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._agreed.add(self.run_directory.path)
                self.command(command)
            self.show()

        self.push_screen(
            Confirm(f"Switch {clean(asked.kind, 24)} on in this run?", _cost(self.snapshot.view)), answered
        )

    def action_untreat(self) -> None:
        """Go back to before the first intervention, in a new run, after a question."""
        from grokscope.runs.fork import untreated_name, untreated_step

        run, step = self.run_directory, untreated_step(self.run_directory)
        if step is None:
            self.notify("nothing to undo: no state from before an intervention was kept", severity="warning")
            return
        name = untreated_name(run)

        def answered(yes: bool | None) -> None:
            if yes:
                self._untreat(run, name)

        what_follows = f"It goes on as {name}, without the interventions. The present run is not changed."
        self.push_screen(Confirm(f"Train again from step {count(step)}?", clean(what_follows, 300)), answered)

    @work(thread=True, exclusive=True)
    def _untreat(self, run: RunDirectory, name: str) -> None:
        from grokscope.runs.fork import fork_untreated

        try:
            fork = fork_untreated(run, name)
            trainer = start_trainer(fork, ["run", "--resume", str(fork.path)])
        except (LookupError, OSError, Unreadable) as problem:
            self.call_from_thread(self.notify, str(problem), severity="error", markup=False)
            return
        self.call_from_thread(self.open_run, fork, trainer)


def _cost(view: View) -> str:
    """What the first intervention costs a run."""
    costs = "Its forecast ends here: the bank has no run with an intervention."
    if view.is_own_loop:
        return costs
    return f"{costs} The state before it is kept: `u` trains on from there without it, in a new run."
