"""Results as files and figures: everything that was asked is on them, the same every time."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from experiment_made import SEEDS, simulated

from grokscope.experiment.analysis import Analysis, analyse
from grokscope.experiment.claims import judged
from grokscope.experiment.conditions import Arm
from grokscope.experiment.design import Design
from grokscope.experiment.tables import experiment_tables, markdown, spectrum_table, write_tables

DESIGN = Design(name="e", task="modular", preset="small", seeds=list(SEEDS))
RATIOS = {
    Arm("kick", 10.0): 1.0,
    Arm("project", 0.5): 1.5,
    Arm("project", 1.0): math.inf,
    Arm("project-random", 0.5): 1.0,
    Arm("project-random", 1.0): 1.0,
}


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyse(simulated(RATIOS, np.random.default_rng(2), 0.03))


def test_every_run_and_every_arm_has_a_row(analysis: Analysis, tmp_path: Path) -> None:
    write_tables(DESIGN, analysis, judged("modular", analysis), tmp_path)
    rows = {path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in tmp_path.glob("*.csv")}
    assert {name: len(each) for name, each in rows.items()} == {
        "runs": 9 + 15, "effects": 6, "contrasts": 2, "dose-response": 2, "claims": 8,
    }  # fmt: skip
    (never,) = [row for row in rows["effects"] if (row["condition"], row["dose"]) == ("project", "1.0")]
    assert (never["bound"], never["95 % high"], never["verdict"]) == ("at least", "", "never within 6,000")
    assert never["grok steps"] == "> 6,000, > 6,000, > 6,000"
    assert sum(row["grok_step"] == "" for row in rows["runs"]) == 3


def test_the_page_says_how_to_read_it(analysis: Analysis) -> None:
    page = markdown(DESIGN, analysis, experiment_tables(analysis, judged("modular", analysis)))
    assert page.count("| project 1 |") == 3  # against the baseline, against its control, and in a claim
    assert "&gt; 6,000, &gt; 6,000, &gt; 6,000" in page
    assert "- kick: one displacement along the commutator" in page
    assert "prevents grokking" in page


def test_experiments_side_by_side(analysis: Analysis) -> None:
    other = analyse(simulated({Arm("kick", 10.0): 1.0, Arm("noise", 0.1): 0.8}, np.random.default_rng(3)))
    cells = {str(row["condition"]): row for row in spectrum_table({"one": analysis, "two": other}).records()}
    assert cells["project 1"] == {"condition": "project 1", "one": "never (0/3)", "two": "–"}
    assert cells["noise 0.1"]["one"] == "–"
    assert str(cells["baseline"]["two"]).endswith("(9/9)")


def test_figures_name_what_they_show(analysis: Analysis) -> None:
    pytest.importorskip("matplotlib")
    from grokscope.report.interventions import draw_dose_response, draw_effects, draw_survival
    from grokscope.report.style import style, svg

    with style():
        effects = draw_effects({"one": analysis, "two": analysis})
        assert effects is not None
        labels = [label.get_text() for label in effects.axes[0].get_yticklabels()]
        assert labels == [arm.label for arm in RATIOS]
        assert [axes.get_title(loc="left") for axes in effects.axes] == ["one", "two"]
        assert svg(effects) == svg(effects)
        doses = draw_dose_response(analysis)
        assert doses is not None
        assert [text.get_text() for text in doses.axes[0].get_legend().get_texts()] == ["project", "project-random"]
        survival = draw_survival(analysis)
        assert survival is not None
        assert [axes.get_title(loc="left") for axes in survival.axes] == ["kick", "project", "project-random"]


def test_where_there_is_nothing_there_is_no_figure() -> None:
    pytest.importorskip("matplotlib")
    from grokscope.report.interventions import draw_dose_response, draw_effects, draw_survival

    nothing = analyse([])
    assert [draw_effects({"": nothing}), draw_dose_response(nothing), draw_survival(nothing)] == [None] * 3
