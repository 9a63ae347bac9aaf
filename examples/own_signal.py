"""A signal of your own: how many directions the weights are spread over, looked at while a run trains.

    python examples/own_signal.py

A package that names `SPEC` in the entry point `grokscope.signals` has it in `run --signal participation_ratio`, the
TUI, `export`, `law`, reports and `bench`, like the built-in ones:

    [project.entry-points."grokscope.signals"]
    participation_ratio = "own_signal:SPEC"

`grokscope.testing.signals.SignalConformance` tests it.
"""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage


class ParticipationRatio:
    """Mean over the weight matrices of (Σ s²)² / (Σ s⁴ · n), s the n singular values: 1 / n to 1."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        matrices = [tensor for tensor in vantage.tensors().values() if tensor.ndim == 2]
        return {"participation_ratio": float(np.mean([ratio(matrix) for matrix in matrices]))}


def ratio(matrix: np.ndarray) -> float:
    """The share of a matrix's directions that take part in it."""
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    return float(squares.sum() ** 2 / (len(squares) * (squares**2).sum()))


SPEC = SignalSpec(
    name="participation_ratio",
    words="participation ratio",
    summary="Share of directions that the weight matrices are spread over, mean of (Σ s²)² / (n Σ s⁴).",
    cost="free",
    open=lambda parameters, subject: ParticipationRatio(),
    rules=(SignalRule("participation-fell", "falls", "participation ratio fell", factor=0.8, consecutive=2),),
    higher=False,
)


if __name__ == "__main__":
    random = np.random.default_rng(0)
    for rank in (1, 2, 4, 8, 16):
        matrix = random.standard_normal((16, rank)) @ random.standard_normal((rank, 16))
        print(f"a matrix of rank {rank:2}: {ratio(matrix):.2f}")
