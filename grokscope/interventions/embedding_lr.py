"""`embedding-lr`: a separate learning rate for the embedding."""

from typing import Literal

import numpy as np
from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, Plan, StepInProgress, SwitchedOn
from grokscope.contract.streams import generator
from grokscope.geometry.blocks import sigma_max, token_embedding, weight_blocks
from grokscope.interventions.basis import Parameters


class EmbeddingLRParameters(Parameters):
    ratio: float = Field(
        10.0, ge=0, description="learning rate of the embedding, in units of optimizer.lr; adaptive: times a factor"
    )
    adaptive: bool = Field(
        False, description="multiply by σ_max(E) / σ_max(W) and by f_W / f_E, where f says how often a row is updated"
    )
    where: Literal["embedding", "random"] = Field(
        "embedding", description="random: the control, as many parameters as the embedding has, drawn from all"
    )
    refresh: int = Field(100, ge=1, lt=2**63, description="steps between two computations of the adaptive factor")


class EmbeddingLR(Intervention):
    """θ_E ← θ_E + (ratio − 1) Δθ_E, where Δθ_E is the optimizer's update, decay included: lr_E = ratio · lr.

    Source: arXiv 2505.15624, the fixed ratio.
    """

    def __init__(self, on: SwitchedOn, ratio: float, where: Literal["embedding", "random"]) -> None:
        share = on.layout.on_block("embedding", ratio - 1, 0)
        if where == "random":
            share = generator(on.seed, "intervention", on.step).permutation(share)
        self._share: Array = on.session.asarray(share)
        self._before: Array = None

    def before_update(self, step: StepInProgress) -> Change | None:
        self._before = step.session.parameters * 1
        return None

    def after_update(self, step: StepInProgress) -> Change | None:
        update = step.session.parameters - self._before
        delta = self._beyond(update)
        step.displace(delta)
        return Change(delta, update, "update")

    def _beyond(self, update: Array) -> Array:
        """What is added to the update."""
        return self._share * update


class AdaptiveEmbeddingLR(EmbeddingLR):
    """lr_E = ratio · σ_max(E) / σ_max(W) · f_W / f_E · lr.

    E is the embedding of the (source) tokens; σ_max(W) the median over the matrices of attention and MLP. f_W is 1: a
    batch updates every matrix. f_E is the share of the rows of E with a gradient in the batch at hand. The factor is
    computed anew in every `refresh`-th step. Source: arXiv 2505.15624, the adaptive ratio.
    """

    def __init__(self, on: SwitchedOn, parameters: EmbeddingLRParameters) -> None:
        super().__init__(on, 2.0, parameters.where)  # a share of 1 on the embedding
        self._layout = on.layout
        self._since = on.step
        self._parameters = parameters

    def before_update(self, step: StepInProgress) -> Change | None:
        if (step.number - self._since) % self._parameters.refresh == 0 or not self.kept:
            self.kept = {"factor": step.session.asarray(np.array([self._factor(step)]))}
        return super().before_update(step)

    def _factor(self, step: StepInProgress) -> float:
        table = token_embedding(self._layout)
        assert table is not None
        of_embedding, of_matrices = sigma_max(self._layout, step.session.tonumpy(step.session.parameters))
        rows = step.session.tonumpy(step.gradient)[table.offset : table.stop].reshape(table.shape)
        frequency = float(rows.any(axis=1).mean())
        return of_embedding / of_matrices / frequency if of_matrices and frequency else 1.0

    def _beyond(self, update: Array) -> Array:
        beyond = self.kept["factor"].sum() * self._parameters.ratio + (-1.0)
        return beyond * (self._share * update)


def _open(parameters: EmbeddingLRParameters, on: SwitchedOn) -> EmbeddingLR:
    if parameters.adaptive:
        return AdaptiveEmbeddingLR(on, parameters)
    return EmbeddingLR(on, parameters.ratio, parameters.where)


def _objection(parameters: EmbeddingLRParameters, plan: Plan) -> str | None:
    if token_embedding(plan.layout) is None:
        return "the model names no tensor as its embedding"
    if parameters.adaptive and not weight_blocks(plan.layout):
        return "the model has no weight matrices in layers to compare its embedding with"
    return None


SPEC = InterventionSpec(
    name="embedding-lr",
    summary="Train the embedding with a separate learning rate, a multiple of that of the other parameters.",
    parameters=EmbeddingLRParameters,
    open=_open,
    control="`where=random` gives the rate to as many parameters drawn from all.",
    objection=_objection,
)
