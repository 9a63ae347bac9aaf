"""What is looked at along a run: the defect, the splits, the signals that rival it. None of it touches training.

An observer only says what is to be seen at the session's parameters; when, and what becomes of it, is the trainer's
business.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from grokscope.contract.arrays import Array
from grokscope.contract.backends import Session, StepOutcome
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import Layout, initial_parameters
from grokscope.contract.tasks import TaskData
from grokscope.events import Evaluated, Measured, Observed, Scores
from grokscope.geometry.commutator import norm
from grokscope.geometry.trajectory import ExpandingPC1
from grokscope.runs.snapshots import read_snapshot, snapshot_file
from grokscope.settings.config import RunConfig
from grokscope.training.evaluation import PreparedSplit
from grokscope.training.measurement import Probe


class Observer:
    """All observations that a configuration asks for, on one session.

    Preparing the splits takes time and memory: make one when training is about to begin.
    """

    def __init__(
        self, config: RunConfig, data: TaskData, packers: Mapping[str, Packer], session: Session, layout: Layout
    ) -> None:
        """`packers`: the training set as `train`, and every other split."""
        self._config = config
        self._session = session
        self._probe = Probe(config, packers["train"], session, layout)
        self._pc1 = ExpandingPC1(layout)
        self._splits = {name: PreparedSplit(packer.whole, session) for name, packer in packers.items()}
        self._start = session.asarray(initial_parameters(config.model_of(data.model), config.train.seed))

    def measured(self, step: int) -> Iterator[Measured | Observed]:
        """The commutator, and beside it its published form if that is asked for."""
        if self._config.measure.estimator == "off":
            return
        yield self._probe.measure(step)
        if self._config.observe.finite_difference:
            yield Observed(step=step, signals=self._probe.finite_differences(step))

    def evaluated(self, step: int, outcome: StepOutcome | None) -> Iterator[Evaluated | Observed]:
        """Every split scored whole, and the signals that cost nothing. `outcome` is that of the step before."""
        started = time.perf_counter()
        theta = self._session.parameters
        scores: dict[str, Scores] = {name: split.scores(theta) for name, split in self._splits.items()}
        yield Evaluated(step=step, seconds=time.perf_counter() - started, **scores)
        yield Observed(step=step, signals=self._signals(step, theta, outcome))

    def trajectory(self, step: int) -> Iterator[Observed]:
        """PC1 of all snapshots so far, the one of this step among them; nothing before the fourth."""
        if not self._config.observe.pc1:
            return
        share = self._pc1.add(self._session.tonumpy(self._session.parameters))
        if share is not None:
            yield Observed(step=step, signals={"pc1": share})

    def recall(self, snapshots: Path, step: int) -> None:
        """See the snapshots of a resumed run again, those taken on schedule up to its checkpoint's `step`.

        Raises `grokscope.runs.snapshots.Unreadable`.
        """
        if not self._config.observe.pc1:
            return
        for taken in range(0, step + 1, self._config.snapshot.every):
            self._pc1.add(read_snapshot(snapshot_file(snapshots, taken)).parameters)

    def _signals(self, step: int, theta: Array, outcome: StepOutcome | None) -> dict[str, float | None]:
        """Every one of them is a rival of the defect."""
        signals: dict[str, float | None] = {
            "weight_norm": norm(theta),
            "distance_from_start": norm(theta - self._start),
            "decay_time": step * self._config.optimizer.lr * self._config.optimizer.wd,
        }
        if outcome is not None:
            signals["gradient_norm"] = float(outcome.gradient_norm)
        return signals
