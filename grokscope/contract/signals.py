"""What a signal must offer: something that can be looked at along a run.

A signal is found through the entry point `grokscope.signals`, which names a `SignalSpec`. Its spec says all that a
reader needs: readers list the signals of a run, not the signals they know. Reading a spec must import nothing heavy;
only `open` may.

A signal sees a run through a `Vantage` and never disturbs it. What the vantage offers is computed once, however many
signals ask for it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from grokscope.contract.arrays import Array, FloatArray
from grokscope.contract.backends import Prediction, Prepared, Session, StepOutcome
from grokscope.contract.parameters import Layout

Cost = Literal["recorded", "free", "evaluation", "gradients", "snapshot"]
"""When a signal is due, and what it needs.

- `recorded`: numbers that stand in the log already, nothing else. It can be computed afterwards, also for a run of
  another tool, with equal results. Due with each evaluation.
- `free`: the parameters or the last step. Due with each evaluation.
- `evaluation`: the predictions of an evaluation that is made anyway. Due with it.
- `gradients`: gradients or Hessian-vector products of batches of its own. Due with each measurement.
- `snapshot`: the snapshots so far. Due with each snapshot.
"""

Number = float | None
"""None where there is nothing to say yet; what is not finite is recorded as null, with a flag."""


class NotOffered(LookupError):
    """The vantage cannot give what a signal asked for, and the message says why. The signal is left out there."""


class Vantage(Protocol):
    """One moment of one run, as a signal sees it. Every member is lazy; nothing that is asked changes the run."""

    @property
    def step(self) -> int:
        """Optimizer steps taken."""

    @property
    def decay_time(self) -> float | None:
        """τ = lr · wd · step, summed over the steps where lr or wd changed; None where the optimizer has no such
        clock."""

    @property
    def layout(self) -> Layout: ...

    @property
    def session(self) -> Session:
        """For gradients and Hessian-vector products at `theta`. Raises `NotOffered` where only a log is left."""

    @property
    def theta(self) -> Array:
        """The parameters as the session's flat array [size]."""

    @property
    def parameters(self) -> FloatArray:
        """The parameters in NumPy [size]; to be read only."""

    @property
    def start(self) -> FloatArray:
        """The parameters at step 0 [size]."""

    @property
    def outcome(self) -> StepOutcome | None:
        """Of the optimizer step before this moment; None before the first."""

    @property
    def seed(self) -> int: ...

    def tensors(self) -> Mapping[str, FloatArray]:
        """The parameters by name, each in its shape."""

    def draw(self, index: int) -> tuple[Prepared, Prepared]:
        """Batches A and B of sample `index`, as training batches are drawn, from the probe's own stream: the same for
        every signal that asks."""

    def predictions(self, split: str) -> Iterator[tuple[NDArray[np.int64], Prediction]]:
        """The labels [reads] and the predictions of a split, chunk by chunk, where an evaluation is due; `Prediction`
        holds logits and representations too."""

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What was recorded so far under a column name of `export` (`test.loss`, `signals.weight_norm`), this moment
        included: steps and values, finite values only."""

    def snapshots(self, after: int = -1) -> Iterator[tuple[int, FloatArray]]:
        """Steps and parameters of the snapshots taken on schedule behind step `after`, up to this moment."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the task says of its data: `group`, `chance`, …"""


@dataclass(frozen=True)
class SignalRule:
    """What a warning looks like in a signal, as data; `grokscope.warning.detection` folds it, live or afterwards."""

    name: str
    shape: Literal["reaches", "rises", "falls", "turns"]
    """`reaches`: at least (or at most) `threshold`. `rises`: at least `factor` times its baseline. `falls`: at most
    `factor` times its peak so far. `turns`: two decreases in a row behind its peak."""
    threshold: float | None = None
    factor: float | None = None
    consecutive: int = 1
    """Records in a row; the rule is dated to the first of them"""


class NoParameters(BaseModel):
    """Of a signal without any."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Signal(Protocol):
    """A signal of one run. It may keep what it computed, and must give equal numbers when it is opened anew."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        """Numbers by name. The one that bears the signal's own name is its value; others stand beside it as
        `name.companion`. Raises `NotOffered`."""


@dataclass(frozen=True)
class SignalSpec:
    """A signal by name. Reading it imports nothing heavy."""

    name: str
    words: str
    """What a person calls it: `weight norm`"""
    summary: str
    """What it is, in a sentence, with its formula"""
    unit: str
    """`nats`, `steps`, or empty for a pure number"""
    source: str
    """Paper and equation; empty where it is ours"""
    cost: Cost
    open: Callable[[Any], Signal]
    """`open(parameters)`"""
    parameters: type[BaseModel] = NoParameters
    """A pydantic model that forbids unknown keys, every field with a default and a description"""
    rules: tuple[SignalRule, ...] = ()
    log: bool = False
    """Whether it is drawn on a logarithmic axis"""
    default: bool = False
    """Whether a run looks at it unasked"""
    higher: bool | None = None
    """Whether larger values speak for grokking; None where nobody says so"""
    gradients: Callable[[Any], float] = field(default=lambda parameters: 0.0)
    """What `observe` costs, in gradients of a training batch, as `bench` checks it"""
