"""What is asked of a probe: everything but the model, its data and where the run stands."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grokscope.contract.backends import Unavailable
from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.contract.signals import Subject
from grokscope.settings.config import ConfigError
from grokscope.settings.signals import MEASURING, BadSignal, asked_signals
from grokscope.training.observation import OpenSignal, opened_signals

if TYPE_CHECKING:
    from grokscope.sinks.following import Followers

OWN_TASK = "own"
"""The task of a loop of which nobody says what it learns"""
ESTIMATOR = "exact"


@dataclass(frozen=True)
class Judgement:
    """What counts as having grokked: the metric of the test split is at least `threshold` for so many records."""

    metric: str = "accuracy"
    threshold: float = 0.98
    consecutive: int = 3

    @property
    def name(self) -> str:
        """As our tasks call such criteria"""
        lasting = "" if self.consecutive == 3 else f"-for-{self.consecutive}"
        return f"first-{self.threshold:.2f}" if self.consecutive == 1 else f"sustained-{self.threshold:.2f}{lasting}"


@dataclass(frozen=True)
class ProbeOptions:
    """See `grokscope.Probe` for each of them."""

    every: int = 100
    samples: int = 5
    max_overhead: float | None = None
    baseline_samples: int = 15
    signals: Sequence[str] = ()
    judged: Judgement = Judgement()
    seed: int = 0
    steps: int | None = None
    snapshot_every: int = 0
    blocks: bool = False
    task: str = OWN_TASK
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    bank: str = ""
    sinks: Sequence[str] = ()
    notify: str | None = None

    def __post_init__(self) -> None:
        """Raises `CannotProbe`."""
        for name in ("every", "samples", "baseline_samples"):
            if getattr(self, name) < 1:
                raise CannotProbe(f"{name}= is at least 1, not {getattr(self, name)}")
        if self.max_overhead is not None and not 0 < self.max_overhead < math.inf:
            raise CannotProbe(f"max_overhead= is a part of the loop's time, such as 0.05, not {self.max_overhead}")
        if self.snapshot_every < 0 or self.seed < 0:
            raise CannotProbe("snapshot_every= and seed= are at least 0")

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
                "every": self.every, "samples": self.samples, "baseline_samples": self.baseline_samples,
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
