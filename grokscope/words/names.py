"""What a person calls a signal, a rule, or how a run stands. Scripts use the names themselves."""

from collections.abc import Mapping

OTHERS: Mapping[str, str] = {"memorized": "memorized", "grokked": "grokked", "lr·wd": "lr · wd (settings alone)"}
"""Of rows beside signals and their rules"""

EVENTS: Mapping[str, str] = {
    "onset": "onset of the defect",
    "turned": "test loss turned",
    "regressed": "no longer grokked",
    "paced": "another distance of records",
}
"""Of kinds of events whose names do not say it"""


def in_words(name: str, names: Mapping[str, str]) -> str:
    """A rule or a signal for a reader; itself where nobody names it.

    `names`: what the signals of the runs and their rules are called; see `grokscope.contract.signals.names_of`.
    """
    return names.get(name) or OTHERS.get(name, name)


def state_in_words(condition: str, status: str | None = None, *, grokked: bool = False, regressed: bool = False) -> str:
    """How a run stands: `running`, `crashed`, `grokked`, `regressed`, `did not grok`, `interrupted`.

    `condition` is what log and signs of life say together; `status` is how a finished run ended.
    """
    if condition != "finished" or status is None:
        return condition
    if status in {"completed", "grokked"}:
        if regressed:
            return "regressed"
        return "grokked" if grokked or status == "grokked" else "did not grok"
    return status
