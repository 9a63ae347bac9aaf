"""Why the cross-entropy is written in margin form: a memorized model keeps its digits in float32.

At a loss of 1e-6 the usual gradient, softmax minus one-hot, is the difference of two numbers that agree to six digits,
and float32 has seven.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.geometry.commutator import exact

torch: Any = pytest.importorskip("torch")

MODEL = ModelSpec("encoder", vocabulary=11, context=2, classes=11, width=32, layers=2, heads=4, feed_forward=64)
PLATEAU = 1e-6
"""nats"""


@dataclass(frozen=True)
class Point:
    """A model that answers everything as its labels say, and two batches."""

    parameters: FloatArray
    examples: Examples

    def opened(self, precision: Precision) -> Any:
        from grokscope_torch import SPEC

        return SPEC.open(MODEL, self.parameters, device="cpu", precision=precision, threads=1)

    def batch(self, session: Any, name: str) -> Any:
        rows = np.random.default_rng(ord(name)).integers(0, len(self.examples), 48)
        return session.prepare(Packer(self.examples, MODEL).batch(rows))

    def loss(self) -> float:
        session = self.opened("float64")
        return float(session.gradient(session.parameters, self.batch(session, "a"))[0])

    def scaled(self, factor: float) -> "Point":
        """The read-out times `factor`: the same answers, given more surely."""
        parameters = self.parameters.copy()
        for parameter in layout(MODEL):
            if parameter.block == "head":
                parameters[parameter.offset : parameter.stop] *= factor
        return replace(self, parameters=parameters)


@pytest.fixture(scope="module")
def point() -> Point:
    """Labels are the model's own answers, on the questions that it answers most surely."""
    start = Point(initial_parameters(MODEL, seed=3), _all_pairs())
    session = start.opened("float64")
    batch = session.prepare(Packer(start.examples, MODEL).batch(np.arange(len(start.examples))))
    logits = session._transformer.forward(session.parameters, batch).logits
    ordered = logits.sort(dim=1).values
    margins = (ordered[:, -1] - ordered[:, -2]).numpy()
    surest = np.argsort(margins)[len(margins) // 2 :]
    labels = np.full((len(surest), 2), IGNORED)
    labels[:, 0] = logits.argmax(dim=1).numpy()[surest]
    source = start.examples.source[surest]
    start = replace(start, examples=Examples(source, np.full(len(surest), 2), labels))
    low, high = 1.0, 1e4
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if start.scaled(middle).loss() > PLATEAU else (low, middle)
    return start.scaled(high)


def _all_pairs() -> Examples:
    """Every pair once, in the order in which packing leaves them; the labels are yet to come."""
    pairs = np.stack(np.divmod(np.arange(121), 11), axis=1)
    labels = np.full((121, 2), IGNORED)
    labels[:, 0] = 0
    return Examples(pairs, np.full(121, 2), labels)


def gradient_error(found: Any, true: Any) -> float:
    return float((found.double() - true).norm() / true.norm())


def usual_gradient(session: Any, batch: Any) -> Any:
    """The gradient as `torch.nn.functional.cross_entropy` gives it, through the same network."""
    theta = session.parameters.clone().requires_grad_()
    logits = session._transformer.forward(theta, batch).logits
    losses = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    return torch.autograd.grad(losses @ batch.weights.to(losses.dtype), theta)[0]


def test_the_point_is_on_the_plateau(point: Point) -> None:
    assert point.loss() == pytest.approx(PLATEAU, rel=0.01)


def test_defect_in_float32(point: Point) -> None:
    samples = {}
    for precision in ("float32", "float64"):
        session = point.opened(precision)
        batches = [point.batch(session, name) for name in "ab"]
        samples[precision] = exact(session, session.parameters, *batches, precision=precision)
    rough, true = samples["float32"], samples["float64"]
    assert rough.defect == pytest.approx(true.defect, rel=1e-3)
    assert rough.gradient_norm_a == pytest.approx(true.gradient_norm_a, rel=1e-4)


def test_the_usual_form_loses_what_the_margin_form_keeps(point: Point) -> None:
    session, precise = point.opened("float32"), point.opened("float64")
    batch = point.batch(session, "a")
    _, true = precise.gradient(precise.parameters, point.batch(precise, "a"))
    margin = gradient_error(session.gradient(session.parameters, batch)[1], true)
    usual = gradient_error(usual_gradient(session, batch), true)
    assert margin < 1e-4
    assert usual > 1e-3
    assert usual > 10 * margin
    assert gradient_error(usual_gradient(precise, point.batch(precise, "a")), true) < 1e-8
