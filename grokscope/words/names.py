"""What a person calls a signal, a rule, or how a run stands. Scripts use the names themselves."""

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "memorized": "memorized",
    "test-loss-turn": "test loss turned",
    "onset": "defect onset",
    "onset-paper": "defect onset (paper)",
    "onset-paper-slow": "defect onset (paper, slow)",
    "onset-finite-difference": "onset, finite difference",
    "commutator-norm-rise": "commutator norm rose",
    "relative-commutator-fall": "relative commutator fell",
    "gradient-norm-collapse": "gradient norm collapsed",
    "weight-norm-halved": "weight norm halved",
    "pc1-turn": "PC1 turned",
    "grokked": "grokked",
}
SIGNALS: Mapping[str, str] = {
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
    """A rule or a signal for a reader; itself where it is not known here."""
    return RULES.get(name) or SIGNALS.get(name, name)


def state_in_words(condition: str, status: str | None = None, *, grokked: bool = False) -> str:
    """How a run stands: `running`, `crashed`, `grokked`, `did not grok`, `interrupted`.

    `condition` is what log and signs of life say together; `status` is how a finished run ended.
    """
    if condition != "finished" or status is None:
        return condition
    if status in {"completed", "grokked"}:
        return "grokked" if grokked or status == "grokked" else "did not grok"
    return status
