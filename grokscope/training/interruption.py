"""How a run is asked to end: behind its step, and soon where it is only looking.

Looking at a model changes nothing, so it can be broken off: what was half seen is not recorded, and is seen again when
the run goes on. Training and writing are never broken off.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from grokscope.contract.backends import Session


class Interrupted(BaseException):
    """The run was asked to end while it was looking at something.

    No `Exception`, like `KeyboardInterrupt`: what plugins catch is not meant for them.
    """


class Interruption:
    """Whether the run was asked to end.

    A signal handler calls `ask`, which raises nothing: a handler may run inside a `__del__` or a callback, where Python
    prints an exception and goes on. Inside the block `with interruption:` a `check` raises `Interrupted`, once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._looking = False

    def ask(self) -> None:
        """End the run. Asking again changes nothing."""
        self.asked = True

    def check(self) -> None:
        """A point at which a look may be broken off. Raises `Interrupted`."""
        if self.asked and self._looking:
            self._looking = False
            raise Interrupted

    def __enter__(self) -> None:
        self._looking = True
        self.check()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking = False


def interruptible(session: Session, interruption: Interruption) -> Session:
    """The same session, with a `check` before and behind each of its calls: each raises `Interrupted`."""
    return cast(Session, _Interruptible(session, interruption))


class _Interruptible:
    def __init__(self, session: Session, interruption: Interruption) -> None:
        self._session = session
        self._check = interruption.check
        for name in dir(type(session)):
            if not name.startswith("_") and callable(getattr(type(session), name)):
                setattr(self, name, self._checked(name))

    def _checked(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._check()
            answer = getattr(self._session, name)(*arguments, **options)
            self._check()
            return answer

        return call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
