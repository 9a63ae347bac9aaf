"""The interface of a backend for probes of a user's own model, in the user's own loop.

A backend adopts a model of its framework with the loss that belongs to it: the two become a landscape like any other.
Looking leaves everything as it was, bit by bit; who adopts a model answers for that.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol

from grokscope.contract.arrays import Array, Precision, Vectors
from grokscope.contract.backends import BracketLandscape, Landscape, Prepared
from grokscope.contract.parameters import Layout

ModelMode = Literal["as-is", "train", "eval"]
"""The mode of a model during a measurement: its present mode, or training or evaluation mode"""

OwnLoss = Callable[[Any, Any], Any]
"""`loss(model, batch)`: a scalar of the framework that depends on the model's parameters"""


class CannotProbe(ValueError):
    """A model, loss or data set cannot be probed. The message is one sentence: what is wrong, and what to do.

    >>> grokscope.defect(model.bfloat16(), loss, data, data)
    Traceback (most recent call last):
        ...
    grokscope.contract.own_models.CannotProbe: weight is bfloat16: a defect measured in it would be rounding; ...
    """


class OwnScores(NamedTuple):
    """One batch, scored."""

    loss: float
    accuracy: float | None
    """Fraction of labels predicted; None if the labels of the batch are unknown"""
    rows: int
    """Examples in the batch"""


class OwnModel(Landscape[Any], BracketLandscape, Vectors, Protocol):
    """A user's own model with a loss. All methods that compute must be called inside of `looking`.

    The loss of one prepared batch is a function of the parameters, also where the model draws random numbers: a batch
    carries the number from which they are drawn.
    """

    @property
    def backend(self) -> str:
        """`torch`, `mlx`"""

    @property
    def name(self) -> str:
        """Name of the model's class"""

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> Precision: ...

    @property
    def layout(self) -> Layout:
        """Of the parameters that require a gradient, in the order of the model; each once, however many names it has"""

    @property
    def theta(self) -> Array:
        """A copy of the present parameters [size]. Inside one block of `looking`, it is always the same array."""

    def looking(self) -> AbstractContextManager[None]:
        """A block whose computations leave parameters, buffers, gradients, modes and random streams as they were."""

    def prepare(self, batch: Any, noise: int) -> Prepared:
        """A batch of the user's on the model's device; the model's random numbers will be drawn from `noise`."""

    def taken(self, tensors: Any, rows: Any) -> Any:
        """Rows [n] of tensors: of one, or of each one in a tuple, list or mapping."""

    def collated(self, examples: Sequence[Any]) -> Any:
        """Examples of a data set as one batch, as the framework's own loader makes it."""

    def scores(self, batch: Prepared) -> OwnScores:
        """The loss in evaluation mode and, where a batch is a pair of inputs and whole-number labels and the model
        returns one more axis, the classes, the accuracy."""

    def evaluated(self, function: Callable[[Any], Any]) -> Any:
        """The result of a user's function of the model, in evaluation mode."""

    def synchronize(self) -> None:
        """Wait until the device has finished all work (for timing)."""

    def check(self, batch: Prepared) -> None:
        """Raises `CannotProbe` where the framework shows that measurements on such a batch would be wrong, or what the
        loss returns is no scalar that depends on the parameters."""


class OwnOptimizer(Protocol):
    """A user's own optimizer. It is only read."""

    def settings(self) -> Mapping[str, float | str]:
        """`name`, `lr`, `wd`, `beta1`, `beta2`, `epsilon`, `momentum`: those that it has and that are the same for all
        parameters."""

    def decay(self) -> float | None:
        """lr · wd of the step that comes next: how much of a parameter weight decay takes away. None where it is not
        the same for all parameters that are decayed, or where the optimizer's decay does not do that."""

    def changed(self) -> bool:
        """Whether `decay` may be another than when it was asked last. Asked at every step."""

    def after_steps(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call `call` after every step from now on; returns what ends that."""


class Adoption(NamedTuple):
    """How a backend takes on models that are not ours. Nothing of it imports a framework that is not loaded yet."""

    recognizes: Callable[[Any], bool]
    """Whether a model or an optimizer is one of the backend's framework"""
    model: Callable[..., OwnModel]
    """`model(model, loss, *, mode="as-is", upcast=False)`. `upcast`: look at a float32 copy of a model in half
    precision. Raises `CannotProbe`."""
    optimizer: Callable[[Any], OwnOptimizer]
    """Raises `CannotProbe`."""
