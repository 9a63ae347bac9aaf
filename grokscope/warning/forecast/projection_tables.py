"""A projection of a recorded run in words."""

from collections.abc import Iterator

from grokscope.events import Forecast
from grokscope.warning.forecast.bank import Bank
from grokscope.warning.relapse import relapse_of
from grokscope.warning.trajectory import Trajectory
from grokscope.words.forecasts import forecast_answers
from grokscope.words.numbers import count, counted, fixed


def projection_headline(trajectory: Trajectory, said: Forecast) -> str:
    """Which run, how far, and whether it has grokked."""
    where = f"step {count(said.step)} of {count(trajectory.budget)}"
    clock = "" if said.decay_time is None else f", decay time {fixed(2)(said.decay_time)}"
    grokked = "" if trajectory.regress_step is None else " and lost it again"
    stood = f", grokked at step {count(trajectory.grok_step)}{grokked}" if trajectory.grok_step is not None else ""
    return f"{trajectory.name}: {where}{clock}{stood}"


def answers(trajectory: Trajectory, said: Forecast) -> Iterator[tuple[str, str]]:
    """What is said of the run: a label and a text each."""
    yield from forecast_answers(said.model_dump())
    if (relapse := relapse_of(trajectory)) is not None:
        yield "but", relapse.in_words()


def bank_in_words(bank: Bank) -> Iterator[str]:
    """Which runs the answers rest on."""
    forecaster = bank.forecaster
    runs = f"{counted(forecaster.runs, 'run')}, {forecaster.grokked} grokked"
    yield f"calibrated on {bank.name.name} ({bank.name.digest[:12]}): {runs}"
    if forecaster.left_out:
        yield f"left out: {forecaster.left_out} of the bank's runs, because they have this run's configuration"
