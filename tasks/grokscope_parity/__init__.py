"""Sparse parity: n bits in, the parity of k hidden ones of them out. All other bits are noise.

The task is that of Barak et al. 2022 (arXiv 2207.08799); its usual sizes, 40 bits, 3 of them relevant, 1,000 training
examples, are those at which Merrill et al. 2023 (arXiv 2303.11873) see grokking. Both train one hidden layer;
here an encoder reads the bits as tokens.
"""

from grokscope.contract.tasks import GrokCriterion, TaskSpec
from grokscope_parity.load import Options, data_bytes, load
from grokscope_parity.presets import PRESETS

SPEC = TaskSpec(
    name="parity",
    summary="the parity of k hidden ones of n bits (encoder, read out at the first)",
    source="computed; task: Barak et al., arXiv 2207.08799; sizes: Merrill et al., arXiv 2303.11873",
    options=Options,
    presets=PRESETS,
    load=load,
    data_bytes=data_bytes,
    metric="accuracy",
    criteria={
        "sustained-0.98": GrokCriterion("accuracy", 0.98, consecutive=3),
        "strict": GrokCriterion("accuracy", 0.98, consecutive=3, report="last"),
        "first-0.90": GrokCriterion("accuracy", 0.90),
        "first-0.99": GrokCriterion("accuracy", 0.99),
    },
    default_criterion="sustained-0.98",
    vocabulary={"source": ("0", "1"), "classes": ("even", "odd")},
)

__all__ = ["SPEC"]
