"""The figure of `grokscope pca`: the concentration of a trajectory over training and by block, with a random walk."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.geometry.trajectory import RANDOM_WALK_LIMIT, Concentration
from grokscope.report.style import (
    BACKGROUND,
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    panels,
    steps_axis,
    style,
    write_figure,
)

FIGURE_ENDINGS = ("png", "svg", "pdf")

_KINDS: Mapping[str, tuple[str, str, str]] = {
    "WQ": (ORANGE, "-", "o"),
    "WK": (SKY, "--", "s"),
    "WV": (GREEN, "-.", "^"),
    "WO": (VERMILLION, ":", "v"),
    "up": (PURPLE, (0, (5, 1, 1, 1, 1, 1)), "D"),  # type: ignore[dict-item]
    "down": (BLUE, (0, (8, 2)), "P"),  # type: ignore[dict-item]
}
_OTHER = (FAINT, "-", "x")
_JOINT = (INK, "-", "*")


def draw(
    file: Path, blocks: Sequence[Concentration], steps: Sequence[int], marks: Mapping[str, int], title: str
) -> None:
    """Write the figure of `blocks` (the last block is the joint one) in the format of `file`'s suffix.

    `steps`: the steps of the snapshots. `marks`: steps of detections, by name. Raises `Unavailable` without Matplotlib.
    """
    with style():
        (figure, (over_training, by_block)) = panels(
            2, columns=2, height=max(3.4, 1.2 + 0.15 * len(blocks)), width_ratios=[3, 2]
        )
        _draw_windows(over_training, blocks, steps, marks)
        _draw_blocks(by_block, blocks)
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        write_figure(figure, file)


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
                      textcoords="offset points", rotation=90, va="top", fontsize=6, color=FAINT, zorder=4,
                      bbox={"facecolor": BACKGROUND, "edgecolor": "none", "alpha": 0.8, "pad": 0.6})  # fmt: skip
    steps_axis(axes.xaxis)
    axes.set_ylabel("PC1 up to that step, % of variance")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)


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
