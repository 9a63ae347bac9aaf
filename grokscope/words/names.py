"""Words for signals, rules, kinds of events and states of runs. Scripts use the names in the code instead."""

from collections.abc import Mapping

OTHERS: Mapping[str, str] = {"memorized": "memorized", "grokked": "grokked", "lr·wd": "lr · wd (settings alone)"}
"""Words for rows of tables that are neither signals nor rules of signals"""

EVENTS: Mapping[str, str] = {
    "onset": "onset of the defect",
    "turned": "test loss turned",
    "regressed": "no longer grokked",
    "paced": "another distance of records",
}
"""Words for kinds of events whose names are not clear"""


def in_words(name: str, names: Mapping[str, str]) -> str:
    """The words for a rule or a signal; the name itself if it has no words.

    `names`: words for the signals of the runs and their rules, see `grokscope.contract.signals.names_of`.
    """
    return names.get(name) or OTHERS.get(name, name)


def state_in_words(condition: str, status: str | None = None, *, grokked: bool = False, regressed: bool = False) -> str:
    """The state of a run: `running`, `crashed`, `grokked`, `regressed`, `did not grok`, `interrupted`.

    `condition`: the state by log and signs of life. `status`: how a finished run ended.
    """
    if condition != "finished" or status is None:
        return condition
    if status in {"completed", "grokked"}:
        if regressed:
            return "regressed"
        return "grokked" if grokked or status == "grokked" else "did not grok"
    return status
