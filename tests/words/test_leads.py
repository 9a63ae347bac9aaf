"""What the last line of a run says of onset."""

import pytest

from grokscope.words.events import event_in_words


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        (250, "onset preceded grokking by 250 steps"),
        (-100, "onset followed grokking by 100 steps"),
        (0, "onset came at the grok step"),
    ],
)
def test_onset_before_after_and_at_the_grok_step(lead: int, said: str) -> None:
    event = {
        "event": "finished",
        "step": 9,
        "steps": 9,
        "seconds": 1.0,
        "status": "grokked",
        "result": {"lead_steps": lead},
    }
    assert said in event_in_words(event)
