"""A moment of a run that nobody trained: every member is what the test says it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope import registry
from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Prediction, StepOutcome
from grokscope.contract.parameters import Layout, Parameter
from grokscope.contract.signals import Answers, NotOffered, Number, Signal, Subject

Numbers = NDArray[np.float64]
NO_LAYOUT = Layout(())


@dataclass
class MadeVantage:
    """See `grokscope.contract.signals.Vantage`. Vectors are NumPy's."""

    step: int = 0
    decay_time: Number = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    outcome: StepOutcome | None = None
    layout: Layout = NO_LAYOUT
    parameters: FloatArray = field(default_factory=lambda: np.zeros(0))
    start: FloatArray = field(default_factory=lambda: np.zeros(0))
    taken: Sequence[tuple[int, FloatArray]] = ()
    """Snapshots"""
    landscape: Any = None
    batches: Sequence[tuple[Any, Any]] = ()
    """Pairs A, B"""
    examples: Sequence[Any] = ()
    answered: Mapping[str, Sequence[Answers]] = field(default_factory=dict)
    recorded: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    precision: Precision = "float64"

    @property
    def theta(self) -> FloatArray:
        return self.parameters

    @property
    def point(self) -> FloatArray:
        return self.parameters

    @property
    def pairs(self) -> int:
        return len(self.batches)

    def tensors(self) -> Mapping[str, FloatArray]:
        return self.layout.unflatten(self.parameters)

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> FloatArray:
        return values

    def tonumpy(self, array: FloatArray) -> FloatArray:
        return array

    def concatenate(self, pieces: Sequence[FloatArray]) -> FloatArray:
        return np.concatenate(pieces)

    def snapshots(self, after: int = -1) -> Iterator[tuple[int, FloatArray]]:
        yield from ((step, parameters) for step, parameters in self.taken if after < step <= self.step)

    def draw(self, index: int) -> tuple[Any, Any]:
        return self.batches[index]

    def example(self, index: int) -> Any:
        if index >= len(self.examples):
            raise NotOffered("there are no more examples")
        return self.examples[index]

    def answers(self, split: str) -> Iterator[Answers]:
        yield from self.answered[split]

    def series(self, name: str) -> tuple[Numbers, Numbers]:
        steps, values = self.recorded.get(name, ((), ()))
        return np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)


def opened(name: str, subject: Subject | None = None, **parameters: Any) -> Signal:
    """The signal that is installed under `name`, opened for `subject`."""
    spec = registry.get("signals", name)
    signal: Signal = spec.open(spec.parameters(**parameters), subject or Subject("made"))
    return signal


def made_layout(shapes: Mapping[str, tuple[int, ...]]) -> Layout:
    """Embeddings where a name begins with `emb`, else matrices of the MLP of layer 0."""
    parameters: list[Parameter] = []
    offset = 0
    for name, shape in shapes.items():
        embedding = name.startswith("emb")
        where = Parameter(
            name, shape, offset, "embedding" if embedding else "mlp", "" if embedding else "encoder",
            None if embedding else 0, "normal", 1.0,
        )  # fmt: skip
        parameters.append(where)
        offset = where.stop
    return Layout(tuple(parameters))


def answers(
    labels: Sequence[int],
    *,
    losses: Sequence[float] | None = None,
    logits: Any = None,
    representations: Any = None,
    times: Sequence[int] | None = None,
) -> Answers:
    """Predictions for reads with these labels."""
    count = len(labels)
    return Answers(
        np.array(labels),
        np.ones(count, dtype=np.int64) if times is None else np.array(times),
        Prediction(
            np.zeros(count) if losses is None else np.array(losses, dtype=np.float64),
            np.zeros(count, dtype=np.int64),
            None if logits is None else np.array(logits, dtype=np.float64),
            None if representations is None else np.array(representations, dtype=np.float64),
        ),
    )
