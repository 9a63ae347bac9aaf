"""`grokscope pca`: how much of a run's movement through weight space lies along few directions."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunName, RunsFolder

if TYPE_CHECKING:
    from grokscope.geometry.trajectory import Concentration
    from grokscope.runs.directory import RunDirectory

WINDOWS = 24
"""Points of the curve over training"""
SUBSAMPLES = (5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of snapshots that `--sensitivity` tries, if the run has more"""


def pca(
    run: RunName,
    *,
    components: Annotated[int, typer.Option(min=1, help="Principal components to list.")] = 2,
    null: Annotated[
        int, typer.Option("--null", min=0, metavar="N", help="Random walks to compare with; 0: none.")
    ] = 10,
    blocks: Annotated[
        Literal["attention", "matrices", "all"],
        typer.Option(help="attention: WQ WK WV WO. matrices: also up and down. all: also embeddings and read-out."),
    ] = "matrices",
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Also compute PC1 from fewer snapshots of the same run.")
    ] = False,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a figure: .svg, .png or .pdf.")] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Show how concentrated a run's weight trajectory is.

    The table has the variance shares of the principal components of the trajectory: PCA over time of W_t - W_0,
    centred, for each weight matrix and for all matrices together (joint). Random walks with the same step lengths
    stand beside the shares. The run needs snapshots (--set snapshot.every=50). The run may still be training.
    """
    from grokscope.cli.output import say, say_json, say_table, say_wrapped
    from grokscope.contract.streams import generator
    from grokscope.geometry.trajectory import FEWEST, Question, concentrations
    from grokscope.geometry.trajectory_tables import meaning, sensitivity_table, shares_table
    from grokscope.runs.directory import find_run
    from grokscope.runs.history import history

    _check(figure)
    directory = find_run(run, runs)
    snapshots = history(directory, FEWEST)
    question = Question(
        components,
        null,
        windows=_windows(FEWEST, len(snapshots)),
        subsamples=[count for count in SUBSAMPLES if count < len(snapshots)] if sensitivity else (),
    )
    drawn = generator(0, "analysis")
    found = list(concentrations(snapshots, snapshots.layout, question, drawn, blocks))
    if figure is not None:
        _draw(figure, found, snapshots.steps, directory)
    if json:
        say_json(_document(directory.name, blocks, found, snapshots.steps))
        return
    say_table(shares_table(found, snapshots.steps))
    if sensitivity:
        say("")
        say_table(sensitivity_table(found, len(snapshots)))
    say("")
    for sentence in meaning(len(snapshots), null):
        say_wrapped(sentence)


def _check(figure: Path | None) -> None:
    from grokscope.report.pca import FIGURE_ENDINGS

    if figure is not None and figure.suffix[1:] not in FIGURE_ENDINGS:
        raise typer.BadParameter(f"{figure} should end in one of: .{', .'.join(FIGURE_ENDINGS)}", param_hint="--figure")


def _windows(fewest: int, snapshots: int) -> list[int]:
    """Numbers of snapshots, evenly spaced, with the quarters that the table shows."""
    quarters = {max(fewest, round(part * snapshots / 4)) for part in (1, 2, 3, 4)}
    count = min(WINDOWS, snapshots - fewest + 1)
    spaced = {round(fewest + at * (snapshots - fewest) / max(1, count - 1)) for at in range(count)}
    return sorted(quarters | spaced)


def _draw(file: Path, found: "Sequence[Concentration]", steps: Sequence[int], directory: "RunDirectory") -> None:
    from grokscope.report.pca import draw
    from grokscope.runs.state import DETECTED, read_state

    last = read_state(directory).last
    marks = {name: int(last[name]["step"]) for name in DETECTED if name in last and last[name]["step"] <= steps[-1]}
    draw(file, found, steps, marks, f"{directory.name}: PC1 of the weight trajectory")


def _document(name: str, blocks: str, found: "Sequence[Concentration]", steps: Sequence[int]) -> dict[str, Any]:
    from grokscope.geometry.trajectory import RANDOM_WALK_LIMIT, random_walk_share

    return {
        "run": name,
        "blocks": blocks,
        "snapshots": len(steps),
        "first_step": steps[0],
        "last_step": steps[-1],
        "random_walk": {"share": random_walk_share(len(steps)), "limit": RANDOM_WALK_LIMIT},
        "concentrations": [_entry(block, steps) for block in found],
    }


def _entry(block: "Concentration", steps: Sequence[int]) -> dict[str, Any]:
    null = block.null
    return {
        "block": block.name,
        "entries": block.entries,
        "shares": [_finite(share) for share in block.shares],
        "null": None
        if null is None
        else {
            "mean": _finite(null.mean),
            "std": _finite(null.std),
            "trials": null.trials,
            "z": _finite(null.z(block.shares[0])),
        },
        "windows": [
            {
                "step": steps[window.snapshots - 1],
                "snapshots": window.snapshots,
                "share": _finite(window.share),
                "null": _finite(window.null),
            }
            for window in block.windows
        ],
        "subsamples": [
            {"snapshots": window.snapshots, "share": _finite(window.share), "null": _finite(window.null)}
            for window in block.subsamples
        ],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
