"""Modular arithmetic: two numbers in, the answer of one operation modulo n out.

Operations, cut and model are those of arXiv 2602.16967 and its sibling 2602.16746 as their code has them.
"""

from grokscope.contract.tasks import GrokCriterion, TaskSpec
from grokscope_modular.load import Options, data_bytes, load
from grokscope_modular.presets import PRESETS

SPEC = TaskSpec(
    name="modular",
    summary="one operation on two numbers modulo n (encoder, read out at the first)",
    source="computed; protocol: Y. Xu, arXiv 2602.16967 and 2602.16746",
    options=Options,
    presets=PRESETS,
    load=load,
    data_bytes=data_bytes,
    metric="accuracy",
    criteria={
        "sustained-0.98": GrokCriterion("accuracy", 0.98, consecutive=3),
        "strict": GrokCriterion("accuracy", 0.98, consecutive=3, report="last"),
        "first-0.90": GrokCriterion("accuracy", 0.90),
        "first-0.95": GrokCriterion("accuracy", 0.95),
        "first-0.99": GrokCriterion("accuracy", 0.99),
    },
    default_criterion="sustained-0.98",
    vocabulary={},  # tokens are the numbers themselves, as many as the modulus
)

__all__ = ["SPEC"]
