"""The figure of `grokscope pca`: how concentrated a trajectory is, over training and by block, beside a random walk.

Okabe-Ito colours, and a dash and a mark for each kind of matrix, so that it reads in grey too.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.geometry.trajectory import RANDOM_WALK_LIMIT, Concentration
from grokscope.protocols import Unavailable

FORMATS = ("png", "svg", "pdf")

_KINDS: Mapping[str, tuple[str, str, str]] = {
    "WQ": ("#E69F00", "-", "o"),
    "WK": ("#56B4E9", "--", "s"),
    "WV": ("#009E73", "-.", "^"),
    "WO": ("#D55E00", ":", "v"),
    "up": ("#CC79A7", (0, (5, 1, 1, 1, 1, 1)), "D"),  # type: ignore[dict-item]
    "down": ("#0072B2", (0, (8, 2)), "P"),  # type: ignore[dict-item]
}
_OTHER = ("#777777", "-", "x")
_JOINT = ("#000000", "-", "*")


def draw(
    file: Path, blocks: Sequence[Concentration], steps: Sequence[int], marks: Mapping[str, int], title: str
) -> None:
    """Write the figure of `blocks` (the last of them the joint one) in the format of `file`'s ending.

    `steps`: of the snapshots; `marks`: moments to point out, by name. Raises `Unavailable` without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise Unavailable("a figure needs matplotlib: pip install 'grokscope[plot]'") from None
    from matplotlib.figure import Figure

    style: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "grokscope"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(7.2, max(3.4, 1.2 + 0.15 * len(blocks))), layout="constrained")
        over_training, by_block = figure.subplots(1, 2, width_ratios=[3, 2])
        _draw_windows(over_training, blocks, steps, marks)
        _draw_blocks(by_block, blocks)
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        undated = {"Date": None} if file.suffix == ".svg" else {"CreationDate": None} if file.suffix == ".pdf" else None
        figure.savefig(file, dpi=200, metadata=undated)


def _draw_windows(axes: Any, blocks: Sequence[Concentration], steps: Sequence[int], marks: Mapping[str, int]) -> None:
    seen: set[str] = set()
    for block in blocks:
        colour, dash, _ = _look(block.name)
        joint = block is blocks[-1]
        kind = block.name.split(".")[-1]
        axes.plot(
            [steps[window.snapshots - 1] for window in block.windows],
            [100 * window.share for window in block.windows],
            color=colour, linestyle=dash, linewidth=2 if joint else 0.8, zorder=3 if joint else 2,
            label=None if kind in seen else kind,
        )  # fmt: skip
        seen.add(kind)
    joint_null = [(steps[w.snapshots - 1], 100 * w.null) for w in blocks[-1].windows if w.null is not None]
    if joint_null:
        axes.plot(*zip(*joint_null, strict=True), color="#999999", linewidth=4, alpha=0.6, zorder=1,
                  label="random walk, same step lengths")  # fmt: skip
    axes.axhline(100 * RANDOM_WALK_LIMIT, color="#999999", linewidth=0.6, zorder=0, label="long walk, equal steps")
    for name, step in marks.items():
        axes.axvline(step, color="#555555", linewidth=0.6, linestyle=":", zorder=0)
        axes.annotate(name, (step, 1), xycoords=("data", "axes fraction"), xytext=(2, -2),
                      textcoords="offset points", rotation=90, va="top", fontsize=6, color="#555555")  # fmt: skip
    axes.set(xlabel="step", ylabel="PC1 up to that step, % of variance")
    axes.legend(frameon=False, fontsize=6, ncols=2)


def _draw_blocks(axes: Any, blocks: Sequence[Concentration]) -> None:
    rows = range(len(blocks))
    for row, block in zip(rows, blocks, strict=True):
        colour, _, mark = _look(block.name)
        if block.null is not None:
            axes.plot([100 * block.null.mean] * 2, [row - 0.35, row + 0.35], color="#999999", linewidth=3, alpha=0.6)
        if math.isfinite(block.shares[0]):
            axes.plot(100 * block.shares[0], row, mark, color=colour, markersize=5)
    axes.axvline(100 * RANDOM_WALK_LIMIT, color="#999999", linewidth=0.6, zorder=0)
    axes.set_yticks(rows, [block.name for block in blocks], fontsize=6)
    axes.invert_yaxis()
    axes.set(xlabel="PC1 of the whole run, % of variance")
    axes.tick_params(axis="y", length=0)


def _look(name: str) -> tuple[str, str, str]:
    return _JOINT if name == "joint" else _KINDS.get(name.split(".")[-1], _OTHER)
