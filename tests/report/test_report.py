"""A report says what its runs carry, all of it and no more, and the same every time."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment_logs import write_experiment
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from report_made import BUDGET, made, sweep
from report_read import SVG, Page, groups_of_series, labels, root, rows

from grokscope.report import overview, phase
from grokscope.report.curves import chosen_runs
from grokscope.report.parts import Plate
from grokscope.report.sources import find_source, read_source, read_sources, run_command
from grokscope.report.style import style, svg
from grokscope.report.write import WrittenReport, write_report
from grokscope.runs.directory import NoSuchRun
from grokscope.warning.law import lead_time_law
from grokscope.warning.law_tables import exponents
from grokscope.warning.tables import write_table
from grokscope.warning.trajectory import Trajectory

OPERATIONS = ("add", "x3_xy")
RATES = (1e-3, 2e-3, 4e-3)


def report(
    folder: Path, trajectories: Sequence[Trajectory], formats: Sequence[str] = ("svg",), most: int = 0
) -> WrittenReport:
    write_table(folder / "made.jsonl", trajectories)
    return write_report(read_sources([folder / "made.jsonl"]), folder / "out", formats, most)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """2 operations, 3 learning rates, decay and none, 2 seeds: 24 runs, 6 of which grok."""
    return report(tmp_path_factory.mktemp("grid"), sweep(OPERATIONS, RATES, seeds=2), most=3)


@pytest.fixture(scope="module")
def page(grid: WrittenReport) -> Page:
    return Page(grid.page)


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """A report of one experiment."""
    folder = tmp_path_factory.mktemp("causal")
    return write_report(read_sources([write_experiment(folder / "runs")]), folder / "out", most=1)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_every_file_that_is_named_exists_and_nothing_else(grid: WrittenReport) -> None:
    folder = grid.page.parent
    assert sorted(folder.iterdir()) == sorted([grid.page, *grid.files])
    assert {path.suffix for path in grid.files} == {".svg", ".csv", ".md"}


def test_every_figure_is_well_formed_and_has_words(grid: WrittenReport, page: Page) -> None:
    drawings = [path for path in grid.files if path.suffix == ".svg"]
    assert len(drawings) == 12
    for path in drawings:
        root(path)
    pictures = page.all("svg")
    assert len(pictures) == len(page.all("figure")) == len(page.all("figcaption")) == len(drawings)
    assert all(each["role"] == "img" and len(each["aria-label"]) > 40 for each in pictures)
    assert not page.all("img")


def test_the_page_fetches_and_runs_nothing(page: Page) -> None:
    assert not page.all("script")
    assert not re.search(r"@import|url\((?!#)", page.text)
    loading = [each for tag, each in page.elements if tag != "a" for name in ("src", "href", "data") if name in each]
    assert loading == [{"rel": "icon", "href": "data:,"}]
    assert not any(name.startswith("on") for _, each in page.elements for name in each)


def test_links_within_the_page_and_beside_it_lead_somewhere(grid: WrittenReport, page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    for each in page.all("a"):
        target = each["href"]
        if target.startswith("#"):
            assert target[1:] in page.ids
        elif not target.startswith("https://arxiv.org/abs/"):
            assert (grid.page.parent / target).is_file()
    references = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', page.text))
    assert references <= set(page.ids)


def test_tables_are_accessible(page: Page) -> None:
    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) > 5
    assert all(each.get("scope") in {"col", "row"} for each in page.all("th"))


def test_the_page_is_for_light_dark_and_print(page: Page) -> None:
    assert "prefers-color-scheme: dark" in page.text
    assert "@media print" in page.text
    inside = page.text[page.text.index("<main>") :]
    assert "#1b1b1b" not in inside
    assert "var(--ink)" in inside


def test_it_says_how_many_runs_are_censored_and_what_it_leans_on(page: Page) -> None:
    assert "24 runs: 6 grokked and 18 memorized. 18 runs are censored" in page.prose
    for paper in ("2602.16967", "2605.18845", "2603.13331", "The grokscope authors"):
        assert paper in page.prose


def test_what_is_left_out_is_said_and_why(grid: WrittenReport, page: Page) -> None:
    assert "Intervention results: no source is the folder of an experiment" in page.prose
    assert "Intervention results" in [part.what for part in grid.left_out]


@pytest.mark.slow
def test_the_same_runs_make_the_same_bytes(tmp_path: Path, grid: WrittenReport) -> None:
    again = report(tmp_path, sweep(OPERATIONS, RATES, seeds=2), most=3)
    for one, other in zip([grid.page, *grid.files], [again.page, *again.files], strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes(), one.name


# --- figures ----------------------------------------------------------------------------------------------------------


def test_a_run_shows_its_curves_and_every_rule_that_fired(grid: WrittenReport) -> None:
    run = made("add", 1e-3, 1.0, 0)
    file = next(
        path for path in sorted(grid.page.parent.glob("run-*.svg")) if f"grokked  {run.grok_step:,}" in labels(path)
    )
    said = labels(file)
    assert {
        "exact",
        "finite difference",
        "rounding floor of the finite difference",
        "train",
        "test",
        "training step",
        "accuracy",
    } <= said
    assert any(text.startswith("memorized  ") for text in said)
    assert any(text.startswith("test loss turned  ") for text in said)
    assert any(text.startswith("defect onset  ") for text in said)


def test_a_run_that_never_grokked_says_so(page: Page) -> None:
    assert f"Not grokked by step {BUDGET:,} of {BUDGET:,}: memorized." in page.prose


def test_the_law_shows_every_run_that_fired(grid: WrittenReport) -> None:
    said = labels(grid.page.parent / "law-modular-onset.svg")
    assert {"led (6)", "fired, not grokked (18)", "null: onsets permuted", "Theil–Sen", "least squares"} <= said
    assert {"null: onset 100 (2 × cadence)", "null: onset at 2 × cadence", "null: median onset"} <= said


def test_late_and_missed_runs_are_not_dropped(tmp_path: Path) -> None:
    runs = sweep(("add",), (1e-3, 2e-3, 4e-3), (1.0,), seeds=2)
    late = _with_onset_at(made("sub", 1e-3, 1.0, 7), 100)
    quiet = _with_onset_at(made("sub", 2e-3, 1.0, 8), BUDGET)
    out = report(tmp_path, [*runs, late, quiet]).page.parent
    assert {"led (6)", "fired late (1)", "grokked, never fired (1)"} <= labels(out / "law-modular-onset.svg")


def _with_onset_at(run: Trajectory, later: int) -> Trajectory:
    """The same with a defect that rises so many steps after grokking."""
    assert run.grok_step is not None
    defect = np.where(run.columns["step"] < run.grok_step + later, 0.3, 100.0)
    return replace(run, columns={**run.columns, "defect": defect})


def test_exponents_are_those_of_the_law() -> None:
    fitted = lead_time_law(sweep(("add", "sub"), RATES, (1.0,), seeds=2), "onset")
    assert fitted.published is not None
    found = {each.words: (each.value, each.low, each.high) for each in exponents(fitted)}
    fit = fitted.published.fit
    assert found["least squares"] == (fit.exponent, fit.low, fit.high)
    assert fitted.published.nulls.permuted is not None
    assert found["null: onsets permuted"][0] == fitted.published.nulls.permuted.exponents.mean


def test_the_phase_diagram_has_a_mark_a_run(grid: WrittenReport) -> None:
    drawn = root(grid.page.parent / "phase-modular.svg")
    axes = next(each for each in drawn.iter(f"{SVG}g") if each.get("id") == "axes_1")
    marks = sum(
        1
        for group in axes.iter(f"{SVG}g")
        if (group.get("id") or "").startswith("line2d")
        for _ in group.iter(f"{SVG}use")
    )
    ticks = 3 + 4
    assert marks >= 24
    assert marks <= 24 + 2 * ticks
    said = labels(grid.page.parent / "phase-modular.svg")
    assert {"add · wd 1", "x3_xy · wd 0", "0.001", "0.004", "grokked", "memorized, not grokked within budget"} <= said


def test_the_scoreboard_has_a_row_a_rule(grid: WrittenReport) -> None:
    table = rows(grid.page.parent / "scoreboard-modular.csv")
    assert {"memorized", "onset", "onset-finite-difference", "test-loss-turn"} <= {row["rule"] for row in table}
    turn = next(row for row in table if row["rule"] == "test-loss-turn")
    assert (turn["in time"], turn["grokking"], turn["false alarms"], turn["controls"]) == ("6", "6", "0", "18")
    assert {"defect onset", "test loss turned", "lead from confirmation (steps)"} <= labels(
        grid.page.parent / "scoreboard-modular.svg"
    )


def test_the_forecast_is_backtested(grid: WrittenReport) -> None:
    said = labels(grid.page.parent / "forecast-modular.svg")
    assert {"forecast", "lr · wd alone", "mean error of the grok step (%)", "Brier score"} <= said
    assert {"probability given", "share that came to it", "decay time, parts of the usual κ"} <= said
    dates = rows(grid.page.parent / "forecast-dates-configuration-modular.csv")
    assert {"answered", "error", "error of lr · wd", "hold"} <= dates[0].keys()


# --- tables -----------------------------------------------------------------------------------------------------------


def test_tables_round_trip_through_csv(grid: WrittenReport) -> None:
    table = {row["run"]: row for row in rows(grid.page.parent / "runs.csv")}
    for run in sweep(OPERATIONS, RATES, seeds=2):
        row = table[run.name]
        assert row["grokked (step)"] == ("" if run.grok_step is None else str(run.grok_step))
        assert float(row["optimizer.lr"]) == run.facts["optimizer.lr"]
        assert row["outcome"] == ("memorized" if run.grok_step is None else "grokked")


# --- few runs, many, odd ones -----------------------------------------------------------------------------------------


def test_one_run_says_what_one_run_cannot_carry(tmp_path: Path) -> None:
    written = report(tmp_path, [made()], most=12)
    assert (written.page.parent / "run-01.svg").is_file()
    why = {part.what: part.why for part in written.left_out}
    assert why["Phase diagram: modular"] == "all runs share their settings"
    assert why["Overview"] == "there is only one run"
    assert "three runs" in why["Lead against grok step: defect onset"]
    assert "takes 8 finished runs of which 4 grokked; here are 1 and 1" in why["Forecast calibration"]
    assert "runs that grok and runs that never do" in next(reason for what, reason in why.items() if "Signals" in what)
    Page(written.page)


def test_a_run_without_a_defect(tmp_path: Path) -> None:
    kept = {"step", "train_accuracy", "test_accuracy"}
    run = made()
    bare = replace(run, columns={name: column for name, column in run.columns.items() if name in kept}, facts={})
    written = report(tmp_path, [bare], most=1)
    said = labels(written.page.parent / "run-01.svg")
    assert "accuracy" in said
    assert "commutator defect D" not in said
    assert {part.what: part.why for part in written.left_out}["Phase diagram: modular"] == (
        "the runs have no learning rate on record"
    )


def test_a_run_of_zeros_and_one_that_recorded_nothing(tmp_path: Path) -> None:
    steps = np.arange(0.0, 300, 50)
    zeros = {"step": steps, "defect": np.zeros(6), "test_accuracy": np.zeros(6), "train_accuracy": np.zeros(6)}
    nothing = {"step": steps, "weight_norm": np.ones(6)}
    odd = [made(name=f"odd {index} <&>", columns=columns, grok_step=None, grok_known_at=None, steps=250)
           for index, columns in enumerate((zeros, nothing))]  # fmt: skip
    written = report(tmp_path, odd, most=2)
    assert ("odd 1 <&>", "the run recorded neither a defect nor an accuracy") in [
        (part.what, part.why) for part in written.left_out
    ]
    assert "odd 0 <&>" in Page(written.page).prose


def test_tasks_are_kept_apart_and_their_names_are_no_paths(tmp_path: Path) -> None:
    other = [replace(run, task="../my task", name=f"other-{run.name}") for run in sweep(("add",), RATES, seeds=1)]
    written = report(tmp_path, [*sweep(("add",), RATES, seeds=1), *other], ())
    names = {path.name for path in written.files}
    assert {"law-modular.csv", "law-..-my-task.csv"} <= names
    assert all(path.parent == written.page.parent for path in written.files)


def test_the_law_tells_apart_what_fired_is_unfinished_or_was_never_recorded(tmp_path: Path) -> None:
    runs = sweep(("add",), RATES, (1.0,), seeds=2)
    cut = replace(made("sub", 1e-3, 0.0, 7), budget=2 * BUDGET)
    other = made("sub", 2e-3, 1.0, 8)
    blind = replace(other, columns={name: each for name, each in other.columns.items() if name != "defect"})
    out = report(tmp_path, [*runs, cut, blind]).page.parent
    row = next(row for row in rows(out / "law-modular.csv") if row["rule"] == "onset")
    assert (row["runs"], row["led"], row["missed"], row["false alarms"]) == ("7", "6", "0", "0")
    assert (row["unfinished"], row["not recorded"]) == ("1", "1")
    assert "fired, not grokked (1)" in labels(out / "law-modular-onset.svg")


def test_runs_with_interventions_stay_out_of_the_law(tmp_path: Path) -> None:
    runs = sweep(("add",), RATES, (1.0,), seeds=2)
    treated = made("sub", 1e-3, 1.0, 9)
    treated = replace(treated, facts={**treated.facts, "interventions.schedule": "kick@500"})
    written = report(tmp_path, [*runs, treated], ())
    assert {row["runs"] for row in rows(written.page.parent / "law-modular.csv")} == {"6"}
    assert "1 run was intervened in" in Page(written.page).prose
    assert len(rows(written.page.parent / "runs.csv")) == 7


def test_a_dozen_of_many_are_drawn_and_every_outcome_among_them(tmp_path: Path) -> None:
    write_table(tmp_path / "many.jsonl", sweep())
    runs = read_source(tmp_path / "many.jsonl").runs
    chosen = chosen_runs(runs)
    assert len(chosen) == len({run.name for run in chosen}) == 12
    assert {run.outcome for run in chosen} == {run.outcome for run in runs}
    grok_steps = [run.trajectory.grok_step for run in runs if run.trajectory.grok_step]
    assert {min(grok_steps), max(grok_steps)} <= {run.trajectory.grok_step for run in chosen}


@pytest.mark.slow
def test_two_hundred_runs(tmp_path: Path) -> None:
    runs = sweep(seeds=7)[:200]
    written = report(tmp_path, runs, most=12)
    assert len(rows(written.page.parent / "runs.csv")) == 200
    page = Page(written.page)
    assert "12 of 200 runs are drawn" in page.prose
    assert len(page.text) < 12e6


def test_without_figures_matplotlib_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    written = report(tmp_path, sweep(OPERATIONS, RATES, seeds=1), ())
    assert {path.suffix for path in written.files} == {".csv", ".md"}
    assert "no figures were asked for" in Page(written.page).prose


# --- where runs come from ---------------------------------------------------------------------------------------------


def test_equal_names_of_two_sources_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / f"{name}.jsonl", [made()])
    sources = read_sources([tmp_path / "one.jsonl", tmp_path / "two.jsonl", tmp_path / "one.jsonl"])
    assert [run.name for source in sources for run in source.runs] == [
        f"{name}.jsonl/{made().name}" for name in ("one", "two")
    ]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoSuchRun, match="no runs in"):
        find_source("nothing", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSuchRun, match="holds no run"):
        read_source(tmp_path / "empty")


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "grokscope run modular --preset quick"),
        ({"optimizer.lr": 3e-3, "train.seed": 7}, "grokscope run modular --preset quick --lr 0.003 --seed 7"),
        ({"model.width": 64, "task.operation": "sub"}, "grokscope run modular --preset quick --set task.operation=sub "
         "--set model.width=64"),
    ],
)  # fmt: skip
def test_a_command_says_what_differs_from_the_preset(changes: dict[str, Any], command: str) -> None:
    from grokscope.registry import get
    from grokscope.settings.config import resolve

    config, _ = resolve(get("tasks", "modular"), changes, preset="quick")
    assert run_command(config.model_dump(mode="json")) == command


def test_a_plugin_that_is_gone_leaves_its_config() -> None:
    config = {"task": {"name": "nowhere"}, "preset": "quick", "optimizer": {"lr": 1.0}}
    assert run_command(config) == "grokscope run nowhere --config config.toml"


# --- the answer, and how it is drawn ----------------------------------------------------------------------------------


def test_the_page_opens_with_the_answer(page: Page) -> None:
    """Sentences with numbers, each with a link to its figure; links are checked with all others."""
    first, second = re.findall(r"<section id=\"(section-[\w-]+)\"", page.text)[:2]
    assert (first, second) == ("section-answer", "section-origin")
    said = re.findall(r"<li>(.+?) <a href=\"#([\w-]+)\">Figure</a></li>", page.text)
    assert 3 <= len(said) <= 6
    assert said[0][0].startswith("modular: 6 of 24 runs grokked, in the median at step")
    assert next(figure for _, figure in said) == "overview-modular"
    assert all(re.search(r"\d", text) for text, _ in said)


def test_without_figures_the_answer_links_to_sections(tmp_path: Path) -> None:
    written = Page(report(tmp_path, sweep(OPERATIONS, RATES, seeds=1), formats=()).page)
    assert "Figure</a>" not in written.text
    assert {each["href"][1:] for each in written.all("a") if each["href"].startswith("#")} <= set(written.ids)


def test_the_answer_stands_before_the_contents_and_beside_each_figure(grid: WrittenReport, page: Page) -> None:
    answer, contents, rest = (page.text.index(each) for each in ('id="section-answer"', "<nav", 'id="section-origin"'))
    assert answer < contents < rest
    for text, figure in re.findall(r"<li>(.+?) <a href=\"#([\w-]+)\">Figure</a></li>", page.text):
        beside = page.text[page.text.index(f'<h3 id="{figure}">') :]
        assert f"<li>{text}</li>" in beside[: beside.index("<figure")]


def test_the_verdict_on_a_claim_stands_beside_its_figure(causal: WrittenReport) -> None:
    text = Page(causal.page).text
    beside = text[text.index('<h3 id="effects-made">') :]
    verdicts = re.findall(r"<li>(.+?)</li>", beside[: beside.index("<figure")])
    assert any("project 0.5, “prevents grokking” (arXiv 2602.16967): refuted (1.50" in each for each in verdicts)
    assert any("project 1, “prevents grokking” (arXiv 2602.16967): supported" in each for each in verdicts)
    assert not any("kick" in each for each in verdicts)  # it waits, so there is no verdict
    assert "made: of 4 published claims that these runs tried, 3 are supported" in text


@pytest.mark.parametrize("which", ["grid", "causal"])
def test_series_of_the_written_figures_are_told_apart_without_colour(
    which: str, request: pytest.FixtureRequest
) -> None:
    written: WrittenReport = request.getfixturevalue(which)
    groups = [each for file in written.files if file.suffix == ".svg" for each in groups_of_series(file)]
    assert any(len(series) > 2 for _, series in groups)
    for where, series in groups:
        assert len(set(series)) == len(series), where


@pytest.mark.parametrize("longer", ["", "composition_of_permutations_of_five"])
def test_titles_never_overlap(longer: str, tmp_path: Path) -> None:
    trajectories = [
        replace(run, facts={**run.facts, "task.operation": f"{run.facts['task.operation']}{longer}"})
        for run in sweep(OPERATIONS, RATES, seeds=1)
    ]
    write_table(tmp_path / "made.jsonl", trajectories)
    with style():
        for part in overview.parts(read_source(tmp_path / "made.jsonl").runs, "modular"):
            assert isinstance(part, Plate)
            figure = part.draw()
            renderer = FigureCanvasAgg(figure).get_renderer()
            drawn = [axes for axes in figure.axes if axes.axison]
            titles = [
                text.get_window_extent(renderer)
                for axes in drawn
                for text in axes.findobj(Text)
                if text.get_text() and text.get_text() == axes.get_title(loc="left")
            ]
            assert len(titles) == len(drawn) > 2
            assert not any(one.overlaps(other) for one, other in itertools.combinations(titles, 2))
            panels = [axes.get_window_extent(renderer) for axes in drawn]
            assert not any(titles[i].overlaps(panels[j]) for i, j in itertools.permutations(range(len(titles)), 2))
            assert all(title.y1 <= figure.bbox.y1 for title in titles)


def titles_of(folder: Path, trajectories: Sequence[Trajectory]) -> list[str]:
    write_table(folder / "made.jsonl", trajectories)
    with style():
        [part] = overview.parts(read_source(folder / "made.jsonl").runs, "modular")
        assert isinstance(part, Plate)
        return [axes.get_title(loc="left") for axes in part.draw().axes if axes.axison]


def test_a_panel_of_several_seeds_is_named_after_all_of_them(tmp_path: Path) -> None:
    assert titles_of(tmp_path, [made(seed=42), made(seed=7)]) == ["seeds 42 and 7"]


def test_a_title_that_fits_is_not_cut(tmp_path: Path) -> None:
    """Six panels in a row, as wide as they are; a name that does not fit in one line stands in two."""
    fractions = (0.2, 0.22, 0.3, 0.4, 0.5, 0.7)
    runs = [replace(made(), name=f"{each}", facts={**made().facts, "task.train_fraction": each}) for each in fractions]
    assert titles_of(tmp_path, runs) == [f"train_fraction {each}" for each in fractions]
    longer = [replace(run, facts={**run.facts, "task.fraction_of_rows": float(run.name)}) for run in runs]
    assert all("…" not in title for title in titles_of(tmp_path, longer))


@pytest.mark.parametrize("rates", [(1e-3,), RATES])
def test_long_names_of_settings_stay_within_the_phase_diagram(rates: Sequence[float], tmp_path: Path) -> None:
    names = ("optimizer.correct_bias", "model.feed_forward", "train.batch_size", "task.train_fraction")
    trajectories = [
        replace(run, name=f"{run.name}-{digit}", facts={**run.facts, **dict.fromkeys(names, 1234 + digit)})
        for digit in range(3)
        for run in sweep(OPERATIONS[:1], rates, (1.0,), seeds=1)
    ]
    write_table(tmp_path / "made.jsonl", trajectories)
    with style():
        for part in phase.section(read_source(tmp_path / "made.jsonl").runs, "modular").parts:
            if isinstance(part, Plate):
                figure = part.draw()
                svg(figure)
                renderer = FigureCanvasAgg(figure).get_renderer()
                texts = [text.get_window_extent(renderer) for text in figure.findobj(Text) if text.get_text().strip()]
                assert len(texts) > 4
                assert all(figure.bbox.x0 <= text.x0 and text.x1 <= figure.bbox.x1 for text in texts)
                assert all(figure.bbox.y0 <= text.y0 and text.y1 <= figure.bbox.y1 for text in texts)
                (axes,) = figure.axes
                assert axes.get_window_extent(renderer).width > 60
