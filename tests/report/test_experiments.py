"""Experiments side by side on the page: one figure and one table over tasks and levers."""

import numpy as np

from grokscope.experiment.analysis import analyse
from grokscope.experiment.conditions import BASELINE, Arm
from grokscope.experiment.outcomes import Outcome
from grokscope.experiment.tables import spectrum_table
from grokscope.report.experiments import spectrum_figure
from grokscope.report.parts import LeftOut, Plate
from grokscope.report.style import style

BUDGET = 6000


def outcomes(ratios: dict[Arm, float]) -> list[Outcome]:
    """Every run at its ratio to a baseline that groks at 2,000, with 2 % of noise; infinite: it never groks."""
    random = np.random.default_rng(0)
    runs = [(Arm(BASELINE), 1.0, replicate) for replicate in range(3)] + [
        (arm, ratio, 0) for arm, ratio in ratios.items()
    ]
    found = []
    for seed in (1, 2, 3):
        for arm, ratio, replicate in runs:
            step = 2000 * ratio * float(np.exp(random.normal(0, 0.02)))
            grokked = step <= BUDGET
            fate = "grokked" if grokked else "not grokked"
            found.append(Outcome(arm, seed, replicate, fate, round(step) if grokked else None, BUDGET, 50))
    return found


def test_levers_of_several_tasks_are_one_figure_and_one_table() -> None:
    lever, control, both = Arm("grokfast", 2.0), Arm("grokfast-lr", 2.0), Arm("grokfast+clamp", 1.0)
    analyses = {
        "modular": analyse(outcomes({lever: 0.5, control: 1.0, both: 0.3})),
        "dyck": analyse(outcomes({lever: 0.8, Arm("uniform", 1.0): float("inf")})),
    }
    plate, table = spectrum_figure(analyses), spectrum_table(analyses)
    assert isinstance(plate, Plate)
    assert [row[0] for row in table.rows] == ["baseline", "grokfast 2", "grokfast-lr 2", "grokfast+clamp", "uniform"]
    assert table.rows[4][1] == "–"
    assert str(table.rows[4][2]).startswith("never")
    assert "modular, grokfast 2: 3 of 3 grokked, sooner" in plate.alt
    with style():
        figure = plate.draw()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["modular", "dyck"]
    left, right = (axes.get_xlim() for axes in figure.axes)
    assert left == right, "ratios of two tasks are compared by eye"


def test_without_a_treated_run_the_figure_is_left_out() -> None:
    assert isinstance(spectrum_figure({"modular": analyse(outcomes({}))}), LeftOut)
