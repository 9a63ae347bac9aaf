"""The defect of one pair of batches: one number with its floor, and no run."""

import warnings
from typing import Any

from grokscope.contract.own_models import ModelMode, OwnLoss
from grokscope.contract.streams import generator
from grokscope.geometry.commutator import CLEAR_OF_FLOOR, CommutatorSample, exact
from grokscope.own.adoption import adopted_model
from grokscope.own.trial import tried
from grokscope.own.vantage import NOISES


class ProbeWarning(UserWarning):
    """What a person should know of what a probe measures, or of why it does not.

    >>> issubclass(grokscope.ProbeWarning, UserWarning)  # so that `warnings.filterwarnings` can name it
    True
    """


class Defect(float):
    """A commutator defect ‖H_B g_A − H_A g_B‖ / (‖g_A‖ ‖g_B‖): a number, and what stands beside it.

    >>> found = grokscope.defect(model, loss, batch_a, batch_b)
    >>> float(found) > 100 * found.floor, found.below_floor
    (True, False)
    >>> 0 <= found.sample.relative_commutator <= 1
    True
    """

    sample: CommutatorSample
    """Norms, cosine and the commutator itself"""

    def __new__(cls, sample: CommutatorSample) -> "Defect":
        value = super().__new__(cls, sample.defect)
        value.sample = sample
        return value

    @property
    def floor(self) -> float:
        """Size of the rounding error, same unit"""
        return self.sample.floor

    @property
    def below_floor(self) -> bool:
        """Whether the number drowns in rounding: it is less than 3 floors, or not finite"""
        return not self >= CLEAR_OF_FLOOR * self.floor

    def __repr__(self) -> str:
        return f"{float(self):.6g} (rounding floor {self.floor:.2g})"


def defect(
    model: Any,
    loss: OwnLoss,
    batch_a: Any,
    batch_b: Any,
    *,
    mode: ModelMode = "as-is",
    upcast: bool = False,
    seed: int = 0,
) -> Defect:
    """The exact commutator defect of a PyTorch or MLX module at its parameters, on two batches.

    `loss(model, batch)` returns a scalar. `mode`: look at the model as it is, or in training or evaluation mode.
    `upcast`: look at a float32 copy of a model in half precision. `seed`: of random numbers that the model draws
    (dropout); equal seeds give equal defects. Parameters, buffers, gradients, modes and random streams stay as they
    are. Formula: arXiv 2602.16967, in the limit of small steps.

    Raises `grokscope.CannotProbe` where the number would be wrong or cannot be had; warns (`grokscope.ProbeWarning`)
    where the loss is random.

    >>> model = torch.nn.Linear(8, 3)
    >>> batch_a, batch_b = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in "AB"]
    >>> def loss(model, batch):
    ...     return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
    >>> grokscope.defect(model, loss, batch_a, batch_b) > 0
    True
    """
    adopted = adopted_model(model, loss, mode=mode, upcast=upcast)
    random = generator(seed, "probe")
    with adopted.looking():
        a, b = (adopted.prepare(batch, int(random.integers(NOISES))) for batch in (batch_a, batch_b))
        for remark in tried(adopted, batch_a, batch_b):
            warnings.warn(remark, ProbeWarning, stacklevel=2)
        return Defect(exact(adopted, adopted.theta, a, b, precision=adopted.precision))
