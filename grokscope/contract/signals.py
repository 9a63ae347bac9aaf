"""The interface of signals. A signal computes numbers of a run at certain steps.

Signals are found through the entry point `grokscope.signals`; each entry names a `SignalSpec`. The first event of a run
repeats the description of each signal (`SignalSpec.description`), so that readers list the signals of the run, and need
not know them. Reading a spec must import nothing heavy; only `open` may.

A signal sees a run through a `Vantage`, and never changes the run. The vantage computes each quantity once, even if
several signals ask for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter

from grokscope.contract.arrays import Array, FloatArray, Precision, Vectors

if TYPE_CHECKING:  # readers of a log need this module, and no backend
    from grokscope.contract.backends import Landscape, Prediction, Prepared, StepOutcome
    from grokscope.contract.parameters import Layout

Cost = Literal["recorded", "free", "evaluation", "gradients", "snapshot"]
"""When a signal is due, and what it needs.

- `recorded`: numbers that are on record already, and nothing else. It can be computed afterwards too, for a run of
  another tool, an old log or a bank, with equal results. Due with each evaluation, last of all at its step.
- `free`: the parameters or the last optimizer step. Due with each evaluation.
- `evaluation`: the predictions of an evaluation, which is made anyway. Due with it.
- `gradients`: gradients or Hessian-vector products of batches of its own. Due with each measurement.
- `snapshot`: the snapshots so far, and gradients and products as above. Due with each snapshot on schedule.
"""

Number = float | None
"""None if there is no value yet. A number that is not finite is recorded as null, with a flag."""


class NotOffered(LookupError):
    """The vantage lacks a quantity that a signal asks for. The message says why."""


class Answers(NamedTuple):
    """The predictions for part of a split. A read is one position of a distinct example that answers labels."""

    labels: NDArray[np.int64]
    """The right class of every read, [reads]"""
    times: NDArray[np.int64]
    """How many labels of the split the read answers, [reads]: its weight in a mean over labels"""
    prediction: "Prediction"


class Vantage(Vectors, Protocol):
    """One moment of one run, as a signal sees it. Each member is computed when it is first used, and only once.

    A vantage makes and reads vectors like a session. No member changes the run. A member raises `NotOffered` if this
    kind of run lacks it; an imported run has only `series`.
    """

    @property
    def step(self) -> int:
        """Optimizer steps taken."""

    @property
    def decay_time(self) -> Number:
        """τ = Σ lr · wd over the optimizer steps taken. None where the optimizer's lr and wd are not known."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the task says of its data: `group`, `chance`, …"""

    @property
    def outcome(self) -> "StepOutcome | None":
        """The outcome of the optimizer step before this moment; None before the first step."""

    # --- parameters -------------------------------------------------------------------------------------------------

    @property
    def layout(self) -> "Layout":
        """Where every parameter lies in the flat vector."""

    @property
    def theta(self) -> Array:
        """The parameters as the backend's flat array [size], in the run's precision."""

    @property
    def parameters(self) -> FloatArray:
        """The parameters in NumPy [size]; to be read only."""

    @property
    def start(self) -> FloatArray:
        """The parameters at step 0, in NumPy [size]; to be read only."""

    def tensors(self) -> Mapping[str, FloatArray]:
        """The parameters by name, each in its shape; to be read only."""

    def snapshots(self, after: int = -1) -> Iterator[tuple[int, FloatArray]]:
        """Steps and parameters [size] of the snapshots on schedule behind step `after`, up to this moment, in order.
        A signal that remembers the last step it saw reads each file once, and all of them when it is opened anew."""

    # --- gradients, from the probe's own stream -------------------------------------------------------------------

    @property
    def landscape(self) -> "Landscape[Any]":
        """Gradients and Hessian-vector products. It remembers what it computed at `point` on the batches of `draw`."""

    @property
    def point(self) -> Array:
        """The parameters in the precision of measurements, [size]."""

    @property
    def precision(self) -> Precision:
        """The precision of measurements."""

    @property
    def pairs(self) -> int:
        """The number of pairs of batches of this measurement: `measure.samples`, or more at step 0."""

    def draw(self, index: int) -> "tuple[Prepared, Prepared]":
        """Batches A and B of pair `index`, drawn as training batches are, but from the probe's own stream: the same for
        every signal that asks, and no draw moves a training batch."""

    def example(self, index: int) -> "Prepared":
        """One training example as a batch of its own: number `index` of a random order that stays the same for the
        whole run. Raises `NotOffered` where there are fewer."""

    # --- what the run records anyway ------------------------------------------------------------------------------

    def answers(self, split: str) -> Iterator[Answers]:
        """The predictions for a split, chunk by chunk, where an evaluation is due. `Prediction.logits` and
        `.representations` are there where the spec of a signal of this run says `details`."""

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps and finite values [n] recorded so far under a name, this moment included: `test_loss`,
        `test_accuracy`, `train_loss`, `train_accuracy` (accuracies by the task's metric), or a signal's number. Of
        `recorded` signals there is none: they are due at the same time."""


RuleShape = Literal["above", "below", "rises", "falls", "turns", "persistent", "paper", "paper-slow"]
"""The condition of a rule.

- `above`, `below`: at least, or at most, `threshold`.
- `rises`: at least `factor` times its first value. `falls`: at most `factor` times its peak so far.
- `turns`: decreases in a row behind its peak so far.
- `persistent`, `paper`, `paper-slow`: the onset rules of the commutator defect; see `PersistentOnset` and `PaperOnset`
  in `grokscope.warning.rules`.
"""


@dataclass(frozen=True)
class SignalRule:
    """A rule of a signal, as data. `grokscope.warning.detection` applies the rule, live or afterwards."""

    name: str
    """`weight-norm-halved`: unique among all signals"""
    shape: RuleShape
    words: str = ""
    """Words for a detection by this rule: `weight norm halved`; empty: its name"""
    threshold: float | None = None
    factor: float | None = None
    climbed: bool = False
    """For `falls`: the rule needs a peak above the first value"""
    consecutive: int = 1
    """Number of consecutive records that must meet the condition; the detection has the step of the first of them"""


@dataclass(frozen=True)
class SignalDescription:
    """The description of a signal for readers: plain data in the `started` event of a run."""

    name: str
    """The name in settings and records: `weight_norm`"""
    words: str
    """The name in words: `weight norm`"""
    unit: str = ""
    """`nats`, `steps`; empty for a pure number"""
    source: str = ""
    """Paper and equation; empty for a signal without a source"""
    cost: Cost = "free"
    rules: tuple[SignalRule, ...] = ()
    log: bool = False
    """Whether it is drawn on a logarithmic axis"""
    higher: bool | None = None
    """Whether larger values indicate grokking; None if unknown"""
    floor: str = ""
    """The number recorded beside it that holds the size of its rounding error. A record that does not stand clear of it
    fulfils no rule but those of the paper"""

    def owns(self, number: str) -> bool:
        """Whether a number recorded under this name is its value or one of its companions."""
        return number in {self.name, self.floor} or number.startswith(f"{self.name}_")

    def to_json(self) -> dict[str, Any]:
        """Plain values; of a rule those alone that are not at their default."""
        return asdict(self) | {"rules": [_set(rule) for rule in self.rules]}

    @staticmethod
    def from_json(values: Any) -> "SignalDescription":
        """The description that `to_json` wrote; what is unknown here is left out. Raises `ValueError`."""
        return _DESCRIPTION.validate_python(values)


_DESCRIPTION = TypeAdapter(SignalDescription)


def _set(rule: SignalRule) -> dict[str, Any]:
    return {each.name: value for each in fields(rule) if (value := getattr(rule, each.name)) != each.default}


def read_descriptions(values: Any) -> dict[str, SignalDescription]:
    """The descriptions in a log or a table, by name. Invalid ones are left out."""
    found: dict[str, SignalDescription] = {}
    for name, value in values.items() if isinstance(values, Mapping) else ():
        with suppress(ValueError, TypeError):  # of another version, or damaged
            found[name] = SignalDescription.from_json({**value, "name": name})
    return found


def names_of(signals: Mapping[str, SignalDescription]) -> dict[str, str]:
    """Words for these signals and their rules, by name."""
    rules = {rule.name: rule.words or rule.name for signal in signals.values() for rule in signal.rules}
    return rules | {name: signal.words for name, signal in signals.items()}


class NoParameters(BaseModel):
    """The parameters of a signal without parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Subject:
    """The known facts about a run when a signal is opened."""

    task: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the task about its data"""
    splits: Sequence[str] = ()
    """Names of the evaluated splits"""
    layout: "Layout | None" = None
    """Layout of the model; None if only a log exists"""


class Signal(Protocol):
    """A signal of one run. It may keep state, but must give equal numbers after it is opened again."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        """Numbers by name. The signal's value bears its name; others stand beside it as `NAME_companion`. Nothing is
        recorded of an empty mapping. Raises `NotOffered`."""


@runtime_checkable
class Measuring(Signal, Protocol):
    """A signal that can fill a whole `measured` event, samples and all."""

    def measured(self, vantage: Vantage, *, blocks: bool) -> Mapping[str, Any]:
        """The fields of `grokscope.events.Measured`, but for the step and the seconds; with `blocks` the shares of
        blocks and layers too."""


class Work(NamedTuple):
    """The work of one observation, in addition to an evaluation, if no other signal shares it."""

    gradients: int = 0
    """Gradients of a training batch"""
    products: int = 0
    """Hessian-vector products of a training batch"""


@dataclass(frozen=True)
class SignalSpec(SignalDescription):
    """A signal by name. Reading it imports nothing heavy."""

    _: KW_ONLY
    summary: str
    """One sentence about the signal, with its formula"""
    open: Callable[[Any, Subject], Signal] | None = None
    """`open(parameters, subject)`. Raises `ValueError` with a sentence for a person where the run cannot have it. None:
    the number is on record without anybody's help (`test_loss`), and the spec says what it is and what its rules are"""
    parameters: type[BaseModel] = NoParameters
    """A pydantic model that forbids unknown keys, every field with a default and a description"""
    default: bool = False
    """Whether every run records it by default"""
    details: bool = False
    """Whether it needs the logits or representations of predictions"""
    work: Callable[[Any, int], Work] = lambda parameters, pairs: Work()
    """`work(parameters, pairs)`: what `observe` computes where a measurement takes so many pairs of batches"""

    @cached_property
    def description(self) -> SignalDescription:
        """The description for readers."""
        return SignalDescription(**{each.name: getattr(self, each.name) for each in fields(SignalDescription)})
