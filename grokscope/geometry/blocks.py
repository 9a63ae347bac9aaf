"""The weight matrices that the literature looks at one by one, as slices of the flat vector.

PyTorch stacks the query, key and value projections in one tensor; the paper (and the trajectory PCA before it) treats
them apart: WQ, WK, WV, WO, up and down of each layer, and the same four again for cross-attention.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grokscope.contract.arrays import FloatArray
from grokscope.contract.parameters import Layout, Parameter

Weights = Literal["attention", "matrices", "all"]
"""`attention`: WQ, WK, WV, WO of every layer. `matrices`: up and down too, and of a model that is not ours every matrix
of which nobody says what it is for. `all`: embeddings and read-out too. Biases and norms belong to none."""

_MLP = {"linear1.weight": "up", "linear2.weight": "down"}


@dataclass(frozen=True)
class WeightBlock:
    """One matrix: `vector[start:stop].reshape(shape)`."""

    name: str
    """`encoder.0.WQ`, `decoder.2.cross.WV`, `encoder.1.up`; outside the layers the parameter's own name"""
    start: int
    stop: int
    shape: tuple[int, int]

    def of(self, parameters: FloatArray) -> FloatArray:
        """The matrix in `parameters` [size]."""
        return parameters[self.start : self.stop].reshape(self.shape)


def weight_blocks(layout: Layout, weights: Weights = "matrices") -> tuple[WeightBlock, ...]:
    """The matrices of a model in the order of the flat vector."""
    wanted = {"attention": {"attention"}, "matrices": {"attention", "mlp", "other"}}.get(weights)
    matrices = (parameter for parameter in layout if len(parameter.shape) == 2)
    return tuple(
        block for parameter in matrices if wanted is None or parameter.block in wanted for block in _blocks(parameter)
    )


def covered(blocks: tuple[WeightBlock, ...]) -> tuple[tuple[int, int], ...]:
    """The slices under `blocks`, neighbours merged."""
    merged: list[tuple[int, int]] = []
    for block in blocks:
        if merged and merged[-1][1] == block.start:
            merged[-1] = (merged[-1][0], block.stop)
        else:
            merged.append((block.start, block.stop))
    return tuple(merged)


def token_embedding(layout: Layout) -> Parameter | None:
    """The first table of embeddings, which is that of the (source) tokens; None if no tensor is named as one."""
    return next((each for each in layout if each.block == "embedding" and len(each.shape) == 2), None)


def queries_and_keys(layout: Layout) -> tuple[tuple[WeightBlock, WeightBlock], ...]:
    """WQ and WK of every attention in which they are square, of one shape, and more than a number.

    Raises `ValueError` where no attention has them.
    """
    blocks = {block.name: block for block in weight_blocks(layout, "attention")}
    pairs = ((query, blocks.get(name[:-2] + "WK")) for name, query in blocks.items() if name.endswith(".WQ"))
    square = ((query, key) for query, key in pairs if key and query.shape == key.shape == query.shape[::-1] > (1, 1))
    found = tuple(square)
    if not found:
        raise ValueError("it needs a model with square query and key matrices of one shape")
    return found


def sigma_max(layout: Layout, parameters: FloatArray) -> tuple[float, float]:
    """The largest singular value of the token embedding, and the median of those of the weight matrices of attention
    and MLP. The model must have both. `parameters` [size].

    By LAPACK, not by power iteration: at these sizes it costs the same, and no start is orthogonal to the answer.
    """
    table = token_embedding(layout)
    assert table is not None
    of_embedding = np.linalg.norm(parameters[table.offset : table.stop].reshape(table.shape), 2)
    of_matrices = [float(np.linalg.norm(each.of(parameters), 2)) for each in weight_blocks(layout)]
    return float(of_embedding), float(np.median(of_matrices))


def _blocks(parameter: Parameter) -> Iterator[WeightBlock]:
    rows, columns = parameter.shape
    if parameter.layer is None:
        yield WeightBlock(parameter.name.removesuffix(".weight"), parameter.offset, parameter.stop, (rows, columns))
        return
    where = f"{parameter.stack}.{parameter.layer}"
    if parameter.block == "attention":
        where += ".cross" if ".multihead_attn." in parameter.name else ""
        names = ["WQ", "WK", "WV"] if parameter.name.endswith("in_proj_weight") else ["WO"]
    else:
        names = [next((name for end, name in _MLP.items() if parameter.name.endswith(end)), parameter.name)]
    size = parameter.size // len(names)
    for index, name in enumerate(names):
        start = parameter.offset + index * size
        yield WeightBlock(f"{where}.{name}", start, start + size, (rows // len(names), columns))
