"""What the user wants to see; the screens post it, and the app shows it."""

from textual.message import Message

from grokscope.runs.directory import RunDirectory


class RunOpened(Message):
    """The user wants to watch this run."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.run = run


class RunOverlaid(Message):
    """The user wants to overlay this run, or to remove it from the chart."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self.run = run


class GuideMoved(Message):
    """The user wants all charts to show the values at this step; None: the newest values."""

    def __init__(self, step: float | None) -> None:
        super().__init__()
        self.step = step


class ChartOpened(Message):
    """The user wants to see this curve on the full chart."""

    def __init__(self, curve: str) -> None:
        super().__init__()
        self.curve = curve
