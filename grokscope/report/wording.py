"""What distinguishes runs, in few words: for titles, legends and rows."""

from collections.abc import Sequence

from grokscope.report.parts import shown
from grokscope.warning.configuration import is_setting
from grokscope.warning.trajectory import Trajectory

FIRST = ("task.operation", "optimizer.lr", "optimizer.wd")
"""Settings that stand before all others"""

WORDS = {
    "memorized": "memorized",
    "test-loss-turn": "test loss turned",
    "onset": "defect onset",
    "onset-paper": "defect onset, paper's rule",
    "onset-paper-slow": "defect onset, paper's slow rule",
    "onset-finite-difference": "onset, finite difference",
    "commutator-norm-rise": "commutator norm rose",
    "relative-commutator-fall": "relative commutator fell",
    "gradient-norm-collapse": "gradient norm collapsed",
    "weight-norm-halved": "weight norm halved",
    "pc1-turn": "PC1 turned",
    "grokked": "grokked",
    "defect": "defect",
    "finite_difference_defect": "defect, finite difference",
    "commutator_norm": "commutator norm",
    "relative_commutator": "relative commutator",
    "gradient_norm": "gradient norm",
    "weight_norm": "weight norm",
    "pc1": "PC1",
    "test_loss": "test loss",
    "lr·wd": "lr · wd (settings alone)",
}


def in_words(name: str) -> str:
    """A rule or signal for a reader; itself where it is not known."""
    return WORDS.get(name, name)


def varying(trajectories: Sequence[Trajectory]) -> list[str]:
    """Settings in which these runs differ, but for their seeds and how they were watched; the usual axes first."""
    keys = sorted({key for each in trajectories for key in each.facts})
    differing = [key for key in keys if is_setting(key) and len({each.facts.get(key) for each in trajectories}) > 1]
    return [key for key in FIRST if key in differing] + [key for key in differing if key not in FIRST]


def label(trajectory: Trajectory, keys: Sequence[str], most: int = 4) -> str:
    """`add · lr 0.001 · wd 1`: values of these settings; the run's name where there are none or too many."""
    if not keys or len(keys) > most:
        return trajectory.name
    return " · ".join(one_label(key, trajectory.facts.get(key)) for key in keys)


def one_label(key: str, value: float | int | str | None) -> str:
    """One setting and its value."""
    name = key.rpartition(".")[2]
    if isinstance(value, str):
        return value
    return f"{name} {shown(value)}" if not isinstance(value, float) else f"{name} {value:g}"
