"""How a run is asked to end: behind its step, and at once where it is only looking.

Looking at a model changes nothing, so it can be broken off anywhere: what was half seen is not recorded, and is seen
again when the run goes on. Training and writing are never broken off.
"""

from types import TracebackType


class Interrupted(BaseException):
    """The run was asked to end while it was looking at something.

    No `Exception`, like `KeyboardInterrupt`: what plugins catch is not meant for them.
    """


class Interruption:
    """Whether the run was asked to end.

    A signal handler calls `ask`, which runs in the main thread between two instructions of Python: right behind the
    call of a backend that was going on. Inside the block `with interruption:` it raises `Interrupted` there, once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._looking = False

    def ask(self) -> None:
        """End the run. Asking again changes nothing."""
        first, self.asked = not self.asked, True
        if first and self._looking:
            raise Interrupted

    def __enter__(self) -> None:
        self._looking = True
        if self.asked:
            self._looking = False
            raise Interrupted

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking = False
