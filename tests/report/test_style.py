"""Figures are readable in grey, the same bytes every time, and leave Matplotlib as they found it."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from grokscope.report.style import (
    BACKGROUND,
    CYCLE,
    INK,
    LOOKS,
    Look,
    line,
    log_axis,
    log_ticks,
    look,
    panels,
    png,
    points,
    steps_axis,
    style,
    svg,
    tick_text,
    write_figure,
)

CLEARLY = 0.15
"""Difference of luminance that is seen without colour"""


def told_apart(one: Look, other: Look) -> bool:
    return one.dash != other.dash or one.marker != other.marker


def luminance(color: str) -> float:
    """How bright a colour is in grey, 0 to 1 (relative luminance, WCAG 2)."""
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def seen_in_grey(one: Look, other: Look) -> bool:
    return abs(luminance(one.color) - luminance(other.color)) > CLEARLY


def ink(draw: Callable[[Axes], object]) -> NDArray[np.bool_]:
    """Which pixels are dark where `draw` has drawn between 0 and 1."""
    with style():
        figure, (axes,) = panels(1, width=2, height=1)
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        draw(axes)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., 0] < 128


ALL_BLACK: dict[str, Callable[[int, Axes], object]] = {
    "lines": lambda number, axes: axes.plot([0, 1], [0.5, 0.5], **line(number, color=INK)),
    "points": lambda number, axes: axes.plot(
        np.linspace(0.05, 0.95, 8), np.full(8, 0.5), **points(number, color=INK, markerfacecolor=INK)
    ),
    "areas": lambda number, axes: axes.add_patch(
        Rectangle((0, 0), 1, 1, facecolor=BACKGROUND, edgecolor=INK, hatch=look(number).hatch)
    ),
}


@pytest.mark.parametrize("kind", ALL_BLACK)
def test_categories_need_no_colour(kind: str) -> None:
    """The first eight, drawn in one colour: a good part of the ink of any two is elsewhere."""
    drawn = [ink(partial(ALL_BLACK[kind], number)) for number in range(len(CYCLE))]
    for one, other in combinations(drawn, 2):
        assert (one ^ other).sum() > 0.1 * (one | other).sum()


def test_no_dash_comes_back_with_the_same_marker() -> None:
    looks = [look(number) for number in range(len(CYCLE) ** 2)]
    assert len({(own.dash, own.marker) for own in looks}) == len(looks)


@pytest.mark.parametrize(
    "together",
    [
        ("defect", "finite_difference_defect", "floor"),
        ("train", "test"),
        ("memorized", "onset", "onset-finite-difference", "test-loss-turn", "grokked"),
        ("led", "late", "missed", "false alarm"),
        ("fit", "theil-sen", "constant", "cadence"),
    ],
)
def test_what_is_drawn_together_is_told_apart_in_grey(together: tuple[str, ...]) -> None:
    for one, other in combinations((LOOKS[name] for name in together), 2):
        assert told_apart(one, other) or seen_in_grey(one, other)


@pytest.mark.parametrize(("color", "bright"), [("#000000", 0.0), ("#ffffff", 1.0), ("#808080", 0.2159)])
def test_luminance(color: str, bright: float) -> None:
    assert luminance(color) == pytest.approx(bright, abs=1e-4)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (500, "500"), (1000, "1k"), (2500, "2.5k"), (100_000, "100k"), (1e6, "1M"), (0.1, "0.1"),
     (1e-5, "10⁻⁵"), (3e-12, "3·10⁻¹²"), (-1000, "-1k")],
)  # fmt: skip
def test_ticks_are_short(value: float, text: str) -> None:
    assert tick_text(value) == text


@pytest.mark.parametrize(("low", "high"), [(480, 720), (100, 3000), (0.2, 4000), (1e-12, 1e4), (300, 330)])
def test_a_logarithmic_axis_has_a_few_labelled_ticks(low: float, high: float) -> None:
    major, minor = log_ticks(low, high)
    assert 2 <= len(major) <= 8 or high / low < 1.2
    assert all(low <= tick * (1 + 1e-9) and tick <= high * (1 + 1e-9) for tick in major)
    assert not set(major) & set(minor)


def test_a_figure_is_the_same_bytes_again_and_settings_are_restored() -> None:
    before = dict(rcParams)

    def drawn() -> tuple[str, bytes]:
        with style():
            figure, (left, right) = panels(2, columns=2)
            left.plot([0, 100, 5000], [0.1, 20, 3000], **line("defect"), label="defect")
            left.fill_between([0, 5000], [0.1, 0.2], [1, 2])
            log_axis(left.yaxis, "defect")
            steps_axis(left.xaxis)
            left.legend()
            right.plot([1, 2], [2, 3], **points("led"))
            return svg(figure), png(figure)

    first, second = drawn(), drawn()
    assert first == second
    assert "<dc:date>" not in first[0]
    assert dict(rcParams) == before


def test_left_over_places_are_empty() -> None:
    with style():
        figure, axes = panels(3, columns=2)
        assert len(axes) == len(figure.axes) == 3


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_suffix_is_the_format(tmp_path: Path, suffix: str, begins: bytes) -> None:
    with style():
        figure, (axes,) = panels(1)
        axes.plot([0, 1], [0, 1])
        write_figure(figure, tmp_path / f"figure.{suffix}")
    assert (tmp_path / f"figure.{suffix}").read_bytes().startswith(begins)


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys\n"
        "from grokscope.report.style import panels, png, style, svg\n"
        "assert 'matplotlib' not in sys.modules\n"
        "with style():\n"
        "    figure, (axes,) = panels(1)\n"
        "    axes.plot([0, 1], [0, 1])\n"
        "    svg(figure), png(figure)\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
