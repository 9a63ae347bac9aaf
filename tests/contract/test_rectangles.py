"""A rectangle is the packed batch, padded: the same loss and the same gradient."""

import numpy as np
import pytest

from grokscope.contract.examples import Packer
from grokscope.contract.rectangles import Rectangle, Rectangles
from grokscope.testing.backends import CASES, ModelCase


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loss_and_gradient(case: ModelCase) -> None:
    pytest.importorskip("torch")
    from grokscope_torch.session import TorchSession

    session = TorchSession(case.model, case.parameters, device="cpu", precision="float64", threads=1)
    rows = case.batch("a")
    loss, gradient = session.gradient(
        session.parameters, session.prepare(Packer(case.examples, case.model).batch(rows))
    )
    rectangle = Rectangle.of(case.model, len(rows), [case.examples])
    filled = rectangle.filled([case.examples.take(rows)])
    (one,) = {np.shape(each)[0] for each in filled if each is not None}
    assert one == 1
    batch = Rectangles(*(None if each is None else session.placed(each[0]) for each in filled))
    padded_loss, padded_gradient = session.gradient(session.parameters, rectangle.planner(session.placed)(batch))
    assert float(padded_loss) == pytest.approx(float(loss), rel=1e-12)
    np.testing.assert_allclose(padded_gradient.numpy(), gradient.numpy(), rtol=0, atol=1e-12)
