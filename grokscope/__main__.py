"""`grokscope`, and `python -m grokscope`: an interrupt counts from the first moment on, also while commands load."""

import sys

from grokscope.cli.signals import interrupted, note_interrupts


def start() -> None:
    """Load the command line and run it. Exits with one of `grokscope.cli.exits.ExitCode`."""
    note_interrupts()
    try:
        from grokscope.cli.main import main as run

        if interrupted():
            raise KeyboardInterrupt
        run()
    except KeyboardInterrupt:
        from grokscope.cli.exits import ExitCode, complain

        complain("interrupted")
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    start()
