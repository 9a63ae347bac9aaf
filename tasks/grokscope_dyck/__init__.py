"""Dyck-1: sequences of brackets, asked at every position how many are open.

Generator, sizes and model are those of arXiv 2602.16967 as its code has them: 50 training and 5,000 test sequences.
"""

from grokscope.contract.tasks import GrokCriterion, TaskSpec
from grokscope_dyck.load import Options, data_bytes, load
from grokscope_dyck.presets import PRESETS

SPEC = TaskSpec(
    name="dyck",
    summary="the depth of a bracket sequence at every position (Dyck-1; causal decoder)",
    source="generated; protocol: Y. Xu, arXiv 2602.16967",
    options=Options,
    presets=PRESETS,
    load=load,
    data_bytes=data_bytes,
    metric="accuracy",
    criteria={
        "sustained-0.98": GrokCriterion("accuracy", 0.98, consecutive=3),
        "strict": GrokCriterion("accuracy", 0.99, consecutive=10, report="last"),
        "first-0.99": GrokCriterion("accuracy", 0.99),
        "first-0.95": GrokCriterion("accuracy", 0.95),
    },
    default_criterion="sustained-0.98",
    vocabulary={"source": ("(", ")", "<PAD>"), "classes": tuple(str(depth) for depth in range(13))},
)

__all__ = ["SPEC"]
