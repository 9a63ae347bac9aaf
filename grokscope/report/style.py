"""The look of all figures: Okabe–Ito colours, each with its own dash and marker, so that figures work in grey too.

Matplotlib is imported inside functions only (it costs 0.5 s and is an extra), never through pyplot, and its settings
are restored: `with style(): …` around drawing and saving. The same figure makes the same bytes.

    with style():
        figure, (axes,) = panels(1, width=SINGLE)
        axes.plot(steps, defect, **line("defect"))
        log_axis(axes.yaxis)
        steps_axis(axes.xaxis)
        write_figure(figure, Path("defect.svg"))
"""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.contract.backends import Unavailable, how_to_install
from grokscope.gate import write_file, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

SINGLE = 3.5
"""Width of one column of a paper, in inches"""
DOUBLE = 7.2
"""Width of a page of two columns, in inches"""
PNG_DPI = 200

INK = "#1b1b1b"
"""Colour of axes, text, and lines that are neither signals nor rules"""
FAINT = "#767676"
"""Colour of notes, null models and floors"""
GRID = "#dcdcdc"
BACKGROUND = "#ffffff"

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
"""Only for areas: too light for lines on white"""

FORMATS = ("svg", "png")


@dataclass(frozen=True)
class Look:
    """The colour, dash and marker of one series."""

    color: str
    dash: str | tuple[int, tuple[float, ...]] = "-"
    marker: str = ""
    hatch: str = ""
    width: float = 1.2


_DOTS = (0, (1.0, 1.6))
_DASHES = (0, (4.0, 1.8))
_DASH_DOT = (0, (5.0, 1.6, 1.0, 1.6))
_LONG = (0, (8.0, 2.0))
_DASH_DOT_DOT = (0, (5.0, 1.4, 1.0, 1.4, 1.0, 1.4))

CYCLE = (
    Look(BLUE, "-", "o", ""),
    Look(VERMILLION, _DASHES, "s", "///"),
    Look(GREEN, _DASH_DOT, "^", "..."),
    Look(ORANGE, _DOTS, "D", "\\\\\\"),
    Look(PURPLE, _LONG, "v", "xxx"),
    Look(SKY, _DASH_DOT_DOT, "P", "ooo"),
    Look(INK, (0, (2.0, 1.2)), "X", "---"),
    Look(FAINT, (0, (3.0, 4.0)), "<", "+++"),
)
"""Looks of categories, in order; no two share a dash or a marker"""

LOOKS: Mapping[str, Look] = {
    # signals
    "defect": Look(BLUE, "-", "o"),
    "finite_difference_defect": Look(ORANGE, _DASHES, "D"),
    "floor": Look(FAINT, _DOTS),
    "test": Look(GREEN, "-", "^"),
    "train": Look(INK, _DASHES, "s"),
    # detections
    "memorized": Look(FAINT, _DASHES, "s"),
    "onset": Look(BLUE, "-", "o"),
    "onset-finite-difference": Look(ORANGE, _DASH_DOT, "D"),
    "test-loss-turn": Look(VERMILLION, _DASH_DOT, "v"),
    "grokked": Look(GREEN, "-", "*"),
    # what became of a run
    "led": Look(BLUE, "-", "o"),
    "late": Look(ORANGE, _DASH_DOT, "v"),
    "missed": Look(FAINT, _DOTS, "x"),
    "false alarm": Look(VERMILLION, _DASHES, "s"),
    "quiet": Look(INK, _DOTS, "."),
    # laws and nulls
    "fit": Look(INK, "-"),
    "theil-sen": Look(GREEN, _DASHES),
    "permuted": Look(PURPLE, _DOTS),
    "constant": Look(ORANGE, _DASH_DOT),
    "cadence": Look(FAINT, _LONG),
}
"""Looks of signals, detections, outcomes, laws and null models, the same in all figures"""

UNNAMED = Look(SKY, _DOTS, "o")
"""Look of all other rules, such as a rule of another package"""

MATPLOTLIB_SETTINGS: Mapping[str, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with Matplotlib, so letters are the same on all machines
    "font.size": 7.5,
    "axes.titlesize": 8.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5.0,
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.minor.size": 1.6,
    "ytick.minor.size": 1.6,
    "legend.fontsize": 6.8,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.borderaxespad": 0.3,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.5,
    "text.color": INK,
    "figure.facecolor": BACKGROUND,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
    "savefig.facecolor": BACKGROUND,
    "savefig.dpi": PNG_DPI,
    "svg.fonttype": "path",
    "svg.hashsalt": "grokscope",
    "pdf.fonttype": 42,
    "path.simplify": True,
}


def require_matplotlib() -> None:
    """Raises `Unavailable` if Matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise Unavailable(f"figures need Matplotlib: {how_to_install('plot')}") from None


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib with only the settings of grokscope, for drawing and saving; the user's settings return afterwards."""
    require_matplotlib()
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(dict[Any, Any](MATPLOTLIB_SETTINGS))
        yield


def panels(
    count: int, *, width: float = DOUBLE, height: float | None = None, columns: int = 1, **options: Any
) -> "tuple[Figure, Sequence[Axes]]":
    """A figure without pyplot, and its `count` axes in reading order. Remaining places stay empty.

    `height`: of all rows, in inches; default: 0.62 of a column's width per row. `options` go to `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width, height or 0.62 * width / columns * rows))
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    places = list(grid.ravel())
    for place in places[count:]:
        place.remove()
    return figure, places[:count]


def look(name: str | int) -> Look:
    """The look with this name, or of the category with this number.

    From the ninth category on, colour and dash come again with another marker: no pair of dash and marker repeats
    before the 65th.
    """
    if isinstance(name, str):
        return LOOKS.get(name, UNNAMED)
    own, shifted = CYCLE[name % len(CYCLE)], CYCLE[(name + name // len(CYCLE)) % len(CYCLE)]
    return replace(own, marker=shifted.marker)


def line(name: str | int, **changes: Any) -> dict[str, Any]:
    """Keywords of `Axes.plot` for a line without markers."""
    own = look(name)
    return {"color": own.color, "linestyle": own.dash, "linewidth": own.width, **changes}


def points(name: str | int, *, filled: bool = True, **changes: Any) -> dict[str, Any]:
    """Keywords of `Axes.plot` for markers without a line. Hollow markers are for censored runs."""
    own = look(name)
    thin = own.marker in {"x", "+", "|", "_"}
    face = own.color if filled and not thin else "none"
    edge = own.color if thin or not filled else BACKGROUND
    return {
        "color": own.color, "linestyle": "none", "marker": own.marker or "o", "markersize": 4.5,
        "markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": 0.5 if edge == BACKGROUND else 0.9,
        **changes,
    }  # fmt: skip


# --- axes -------------------------------------------------------------------------------------------------------------

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def tick_text(value: float) -> str:
    """`500`, `1k`, `2.5k`, `100k`, `1M`; `0.1`, `10⁻⁵`: short enough for a tick."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    size = abs(value)
    if size < 1e-3 or size >= 1e9:
        exponent = math.floor(math.log10(size) + 1e-9)
        digits = f"{value / 10**exponent:.3g}"
        power = f"10{str(exponent).translate(_SUPERSCRIPTS)}"
        return power if digits == "1" else f"{digits}·{power}"
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


def steps_axis(axis: "Axis", label: str = "training step") -> None:
    """A linear axis with few, short tick labels, which starts at the first of its data."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    if label:
        axis.set_label_text(label)


def log_axis(axis: "Axis", label: str = "") -> None:
    """A logarithmic axis. Ticks are at 1, 2, 5 below two decades, at decades above, and at some decades above six.

    Call it after all data are drawn, because the ticks depend on the limits.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    low, high = sorted(axis.get_view_interval())
    if low <= 0:  # no positive values
        low, high = 0.1, 1.0
        (axis.axes.set_xlim if axis is axis.axes.xaxis else axis.axes.set_ylim)(low, high)
    major, minor = log_ticks(float(low), float(high))
    axis.set_major_locator(FixedLocator(major))
    axis.set_minor_locator(FixedLocator(minor))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axis.set_minor_formatter(NullFormatter())
    if label:
        axis.set_label_text(label)


def log_ticks(low: float, high: float) -> tuple[list[float], list[float]]:
    """Labelled and unlabelled ticks between two positive limits."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    span = math.log10(high / low)
    digits: Sequence[float] = (1,)
    if span < 0.5:
        digits = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    elif span < 1.7:
        digits = (1, 2, 5)
    elif span < 2.6:
        digits = (1, 3)
    stride = max(1, round(span / 6))
    inside = [
        (digit * 10.0**power, digit == 1 and power % stride == 0 if len(digits) == 1 else True)
        for power in range(first, last + 1)
        for digit in digits
        if low * (1 - 1e-9) <= digit * 10.0**power <= high * (1 + 1e-9)
    ]
    major = [value for value, labelled in inside if labelled]
    every = range(1, 10) if span < 6 else (1,)
    minor = [digit * 10.0**power for power in range(first, last + 1) for digit in every]
    return major, [value for value in minor if low <= value <= high and value not in major]


# --- files ------------------------------------------------------------------------------------------------------------


_GENERATED_ID = re.compile(r'(?<=["#])[a-z][0-9a-f]{10}(?=[")])')


def svg(figure: "Figure") -> str:
    """The figure as SVG, without a date and with numbered ids.

    Matplotlib's ids depend on the last bit of coordinates, which can differ between two drawings of one figure.
    """
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "grokscope"})
    numbers: dict[str, int] = {}
    return _GENERATED_ID.sub(
        lambda found: f"{found[0][0]}{numbers.setdefault(found[0], len(numbers) + 1)}", out.getvalue().decode()
    )


def png(figure: "Figure", dpi: int = PNG_DPI) -> bytes:
    """The figure as PNG, without the version of Matplotlib."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": "grokscope"})
    return out.getvalue()


def write_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of the suffix: svg, png, or another format of Matplotlib. Raises `OSError`."""
    match path.suffix:
        case ".svg":
            write_file(path, svg(figure))
        case ".png":
            write_file(path, png(figure))
        case suffix:
            with writing(path):
                figure.savefig(path, metadata={"CreationDate": None} if suffix == ".pdf" else None)
