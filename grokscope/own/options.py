"""What is asked of a probe: everything but the model, its data and where the run stands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from grokscope.contract.backends import Unavailable
from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.contract.signals import Subject
from grokscope.imports.names import SPLITS
from grokscope.settings.config import ConfigError
from grokscope.settings.signals import MEASURING, BadSignal, asked_signals
from grokscope.settings.values import objection_to, problem_in_words
from grokscope.training.observation import OpenSignal, opened_signals
from grokscope.warning.forecast.bank import bank_objection

if TYPE_CHECKING:
    from grokscope.sinks.following import Followers

OWN_TASK = "own"
"""The task of a loop of which nobody says what it learns"""
ESTIMATOR = "exact"
_PAIRS_AT_START = 15


class Asked(BaseModel):
    """Options as a person gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def checked(cls, **options: Any) -> Self:
        """Raises `CannotProbe`."""
        try:
            asked = cls(**options)
        except ValidationError as problem:
            raise CannotProbe(problem_in_words(problem)) from None
        objection = objection_to(cls, options)
        if objection:
            raise CannotProbe(objection)
        return asked


class Judgement(Asked):
    """What counts as having grokked: the metric of the test split is at least `threshold` for so many records."""

    metric: str = Field("accuracy", min_length=1)
    threshold: FiniteFloat = 0.98
    consecutive: int = Field(3, ge=1)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        split, _, score = self.metric.partition("_")
        if split in SPLITS and score:
            raise ValueError(f"metric={self.metric!r} names a split: say metric={score!r}, which is that of test")
        if self.metric.endswith("loss"):
            raise ValueError(f"metric={self.metric!r} falls where a model learns: give one that rises")
        if self.metric.endswith("accuracy") and self.threshold > 1:
            raise ValueError(f"threshold={self.threshold:g} is no accuracy: that is a fraction, from 0 to 1")
        return self

    @property
    def name(self) -> str:
        """As our tasks call such criteria"""
        lasting = "" if self.consecutive == 3 else f"-for-{self.consecutive}"
        return f"first-{self.threshold:.2f}" if self.consecutive == 1 else f"sustained-{self.threshold:.2f}{lasting}"


class ProbeOptions(Asked):
    """See `grokscope.Probe` for each of them."""

    every: int = Field(100, ge=1)
    samples: int = Field(5, ge=1)
    max_overhead: FiniteFloat | None = Field(None, gt=0)
    baseline_samples: int | None = Field(None, ge=1)
    signals: list[str] = []
    judged: Judgement = Judgement()
    batch_size: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    steps: int | None = Field(None, ge=1)
    snapshot_every: int = Field(0, ge=0)
    blocks: bool = False
    task: str = Field(OWN_TASK, min_length=1)
    facts: Mapping[str, int | float | str] = {}
    bank: str = ""
    resume_at: int | None = Field(None, ge=0)
    sinks: list[str] = []
    notify: str | None = None
    on_error: Literal["warn", "raise"] = "warn"

    @property
    def pairs_at_start(self) -> int:
        """Pairs of batches of the measurement at step 0"""
        return self.baseline_samples or (_PAIRS_AT_START if self.max_overhead is None else self.samples)

    @model_validator(mode="after")
    def _bank_is_used(self) -> Self:
        if self.bank and self.steps is None:
            raise ValueError("bank= is asked where a forecast is made: say steps=, how many the loop will take")
        return self

    def opened(self, model: OwnModel) -> list[OpenSignal]:
        """The signals of the run. Raises `CannotProbe` for one that it cannot have."""
        subject = Subject(self.task, self.facts, (), model.layout)
        try:
            [measuring] = asked_signals([MEASURING[ESTIMATOR]], self.snapshot_every)
            asked = asked_signals(self.signals, self.snapshot_every)
            for each in asked:
                if each.spec.cost == "evaluation":
                    raise CannotProbe(
                        f"signal {each.spec.name} looks at the predictions of a task, and a probe sees a loss alone"
                    )
            opened = opened_signals(subject, asked, measuring)
        except (BadSignal, ConfigError) as problem:
            raise CannotProbe(str(problem)) from None
        return [each for each in opened if each.spec.cost != "evaluation"]

    def check_bank(self) -> None:
        """Raises `CannotProbe` for a bank that is none for such runs."""
        objection = bank_objection(self.bank, self.task)
        if objection is not None:
            raise CannotProbe(f"bank= cannot be used: {objection}")

    def followers(self) -> "Followers | None":
        """Who is told of the run while it goes on; nothing of them is imported where there are none.

        To be asked inside of `OwnModel.looking`: imports may draw from Python's random stream. Raises `CannotProbe`.
        """
        if not self.sinks and self.notify is None:
            return None
        from grokscope.sinks.following import Followers
        from grokscope.sinks.notify import BadCommand
        from grokscope.sinks.tools import SinkFailed

        try:
            followers = Followers(self.sinks, self.notify)
            for tool in followers.tools:
                tool.load()
            return followers
        except (Unavailable, BadCommand, SinkFailed) as problem:
            raise CannotProbe(str(problem)) from None

    def config(self, batch_size: int | None, optimizer: Mapping[str, float | str]) -> dict[str, Any]:
        """As the first event of the run has it: the sections that our own runs have, as far as they are known."""
        train = {"seed": self.seed, "steps": self.steps, "batch_size": batch_size}
        config: dict[str, Any] = {
            "optimizer": dict(optimizer),
            "train": {name: value for name, value in train.items() if value is not None},
            "evaluate": {"every": self.every},
            "measure": {
                "every": self.every, "samples": self.samples, "baseline_samples": self.pairs_at_start,
                "estimator": ESTIMATOR, "precision": "run", "blocks": self.blocks,
            },
            "observe": {"signals": list(self.signals)},
            "detect": {"memorization": 0.99, "onset": "persistent", "grokking": self.judged.name},
            "forecast": {"enabled": self.steps is not None, "bank": self.bank},
            "snapshot": {"every": self.snapshot_every},
            "task": {},
        }  # fmt: skip
        for key, value in self.facts.items():
            section, _, name = key.partition(".")
            if not name or not isinstance(config.setdefault(section, {}), dict):
                raise CannotProbe(f"facts= are settings by dotted key, such as model.width, and not {key!r}")
            config[section][name] = value
        config["task"]["name"] = self.task
        if self.max_overhead is not None:
            config["measure"]["max_overhead"] = self.max_overhead
        return config
