"""What a run can obey in its present state: the footer and the palette offer nothing else.

The keys of other actions stay bound, and answer why the run cannot obey.
"""

from grokscope.tui.frame import Frame
from grokscope.tui.run_look import RunLook

_OF_A_TRAINER = ("stop", "snapshot", "switch", "parameters")
_OF_A_PAUSED_TRAINER = ("step", "steps")
_OF_A_REPLAY = ("slower", "faster")
_OF_TIME = ("back", "forward", "to_start", "to_end", "replay")


def label_now(action: str, label: str, frame: Frame) -> str:
    """The label of the action of this name, in the present state of the run; empty if the run cannot obey it."""
    player, listens = frame.player, frame.state.listens
    if action == "pause" and player:
        return "Pause" if player.playing else "Play"
    if action == "pause" and frame.view.phase == "paused":
        label = "Resume"
    if action == "replay" and player:
        return "Present"
    cannot = (
        (action in _OF_A_TRAINER or action == "pause") and not listens,
        action == "stop" and _refuses_to_stop(frame),
        action in _OF_A_PAUSED_TRAINER and frame.state is not RunLook.PAUSED,
        action in _OF_A_REPLAY and not player,
        action in _OF_TIME and not frame.whole.length,
        action == "panel_treat" and not (frame.whole.offers or frame.whole.treated),
        action == "untreat" and not frame.whole.treated,
        action in {"mark_next", "mark_previous"} and not (frame.view.detected or frame.view.treated),
    )
    return "" if any(cannot) else label


def _refuses_to_stop(frame: Frame) -> bool:
    """Whether the loop has said that nothing in it could obey. Before it is asked, nobody knows."""
    lines = frame.whole.notable if frame.whole.is_own_loop else ()
    return any(line.event == "warned" and line.text.startswith("stop was refused") for line in lines)
