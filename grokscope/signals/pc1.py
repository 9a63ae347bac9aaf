"""`pc1`: how much of the weight trajectory lies along one line."""

from collections.abc import Mapping

from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Number, SignalRule, SignalSpec, Subject, Vantage
from grokscope.geometry.blocks import weight_blocks
from grokscope.geometry.trajectory import ExpandingPC1


class PC1:
    """Share of variance of the first principal component of all snapshots so far; nothing before the fourth."""

    def __init__(self, layout: Layout) -> None:
        self._shares = ExpandingPC1(layout)
        self._seen = -1

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        share = None
        for step, parameters in vantage.snapshots(after=self._seen):
            share = self._shares.add(parameters)
            self._seen = step
        return {} if share is None else {"pc1": share}


def _open(parameters: object, subject: Subject) -> PC1:
    if subject.layout is None or not weight_blocks(subject.layout):
        raise ValueError("it needs a model with weight matrices")
    return PC1(subject.layout)


SPEC = SignalSpec(
    name="pc1",
    words="PC1",
    summary="Share of variance of the first principal component of the weight trajectory so far, all weight matrices "
    "as one block. A random walk has about 0.6.",
    source="arXiv 2602.16967",
    cost="snapshot",
    open=_open,
    rules=(SignalRule("pc1-turn", "turns", "PC1 turned", consecutive=2),),
)
