"""SCAN: commands in a small grammar ("jump twice") to sequences of actions ("I_JUMP I_JUMP").

The data are the official files, shipped unchanged: copyright (c) 2016-present, Facebook, Inc., BSD licence, notice in
LICENSE-SCAN in this folder. Protocol, token ids and model are those of arXiv 2602.16967 as its code has them.
"""

from grokscope.contract.tasks import GrokCriterion, TaskSpec
from grokscope_scan.encoding import ACTION_WORDS, COMMAND_WORDS
from grokscope_scan.load import Options, load
from grokscope_scan.official import export
from grokscope_scan.presets import PRESETS

SPEC = TaskSpec(
    name="scan",
    summary="translate commands to action sequences (SCAN; encoder-decoder)",
    source="Lake & Baroni 2018, github.com/brendenlake/SCAN, BSD licence (c) 2016-present Facebook, Inc., notice in "
    "grokscope_scan/LICENSE-SCAN; protocol: Y. Xu, arXiv 2602.16967",
    options=Options,
    presets=PRESETS,
    load=load,
    metric="sequence_accuracy",
    criteria={
        "sustained-0.98": GrokCriterion("sequence_accuracy", 0.98, consecutive=3),
        "strict": GrokCriterion("sequence_accuracy", 0.98, consecutive=5, report="last"),
        "first-0.99": GrokCriterion("sequence_accuracy", 0.99),
        "first-0.95": GrokCriterion("sequence_accuracy", 0.95),
    },
    default_criterion="sustained-0.98",
    vocabulary={"source": COMMAND_WORDS, "target": ACTION_WORDS, "classes": ACTION_WORDS},
    export=export,
)

__all__ = ["SPEC"]
