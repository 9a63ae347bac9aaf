"""How concentrated a trajectory is, as tables and sentences."""

import math
from collections.abc import Sequence

from grokscope.geometry.trajectory import RANDOM_WALK_LIMIT, Concentration, random_walk_share
from grokscope.words.numbers import count, percent
from grokscope.words.table import Column, Table, TableCell


def shares_table(found: Sequence[Concentration], steps: Sequence[int]) -> Table:
    """A row a block: its PC1 up to each quarter of the run, then every component of the whole run, then the null.

    `found` ends with the joint block; `steps` are those of the snapshots.
    """
    quarters = _quarters(found, len(steps))
    until = [steps[found[-1].windows[at].snapshots - 1] for at in quarters]
    components = [Column(f"PC{index}", percent) for index in range(1, len(found[-1].shares) + 1)]
    null = [Column("null", percent), Column("z", lambda z: f"{z:+.0f}")] if found[-1].null else []
    return Table(
        "pca",
        f"Shares of variance, {count(len(steps))} snapshots, steps {count(steps[0])} to {count(steps[-1])}",
        (Column("block"), *(Column(f"to {count(step)}", percent, rank=1) for step in until), *components, *null),
        tuple(
            (block.name, *(block.windows[at].share for at in quarters), *block.shares, *_null(block)) for block in found
        ),
        ("to …: PC1 of the run up to that step.",) if quarters else (),
    )


def sensitivity_table(found: Sequence[Concentration], snapshots: int) -> Table:
    """A row a block: PC1 from fewer, evenly spaced snapshots of the same run."""
    counts = [*(window.snapshots for window in found[-1].subsamples), snapshots]
    rows: list[tuple[TableCell, ...]] = [
        (block.name, *(window.share for window in block.subsamples), block.shares[0]) for block in found
    ]
    joint = found[-1]
    if joint.null is not None:
        rows.append(("null, joint", *(window.null for window in joint.subsamples), joint.null.mean))
    return Table(
        "pca-sensitivity",
        "PC1 by the number of snapshots kept",
        (Column("block"), *(Column(count(kept), percent) for kept in counts)),
        tuple(rows),
    )


def meaning(snapshots: int, null: int) -> list[str]:
    """What a share has to be compared with. `null`: the number of random walks that were drawn."""
    sentences = [
        f"A random walk of equal steps has {percent(random_walk_share(snapshots))} on PC1 over {count(snapshots)} "
        f"snapshots, and 6/π² = {percent(RANDOM_WALK_LIMIT)} over many. Concentration is what exceeds the random walk."
    ]
    if null:
        sentences.append(
            f"null: mean PC1 of {null} random walks with the block's own step lengths. z counts the spread of these "
            "walks. The spread falls with the size of a block, so read the difference, not z."
        )
    return sentences


def _quarters(found: Sequence[Concentration], snapshots: int) -> list[int]:
    """Places among the windows that end a quarter of the run; not the last."""
    ends = [window.snapshots for window in found[-1].windows]
    return sorted({ends.index(end) for part in (1, 2, 3) if (end := round(part * snapshots / 4)) in ends[:-1]})


def _null(block: Concentration) -> tuple[TableCell, ...]:
    if block.null is None:
        return ()
    z = block.null.z(block.shares[0])
    return block.null.mean, z if math.isfinite(z) else None
