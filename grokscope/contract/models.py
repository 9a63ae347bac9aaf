"""The description of a transformer, as data. A backend decides how to build the model.

One pre-norm transformer in three shapes. Attention and feed-forward blocks follow `torch.nn.Transformer*` to the letter
(exact GELU, LayerNorm eps 1e-5, biases everywhere), so that a snapshot loads into those modules unchanged.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

ModelShape = Literal["encoder", "decoder", "encoder-decoder"]

LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class ModelSpec:
    """The architecture of one run.

    `encoder` attends both ways, `decoder` is causal, `encoder-decoder` reads a source and predicts a target.
    Which positions are read out is the labels' business (see `grokscope.contract.examples`), not the model's.
    """

    shape: ModelShape
    vocabulary: int
    """Distinct input tokens (source tokens, in an encoder-decoder)."""
    context: int
    """Longest input, in tokens: rows of the position table."""
    classes: int
    """Width of the read-out."""
    width: int = 128
    layers: int = 2
    """Layers of each stack: an encoder-decoder has this many twice."""
    heads: int = 4
    feed_forward: int = 256
    target_vocabulary: int = 0
    target_context: int = 0
    position_std: float = 1.0
    """Standard deviation of the position table at initialization."""
    identical_layers: bool = False
    """Start every layer from the same weights, as `nn.TransformerEncoder` does by deep-copying one layer."""
    source_padding_attended: bool = False
    """Let the decoder attend to the encoder's output at padding, as the paper's SCAN model does: its code passes no
    `memory_key_padding_mask`. Then a source's padding changes the loss and has to be computed."""
    residual: Literal["plain", "spherical"] = "plain"
    """`spherical` (arXiv 2603.05228): the residual stream is a unit vector, h ← h / ‖h‖ after the embedding and after
    each sum, and logits are `cosine_scale` times the cosine of h and the class's row of `head.weight`"""
    cosine_scale: float = 10.0
    """Logits of a spherical model lie between plus and minus this; the source tries 5 to 30"""
    attention: Literal["softmax", "uniform"] = "softmax"
    """`uniform` (arXiv 2603.05228): every query takes the mean of the values that it sees, A_ij = 1 / n"""
    loss: Literal["cross-entropy", "stablemax"] = "cross-entropy"
    """`stablemax` (arXiv 2501.04697): −log(s(z_y) / Σ s(z_j)), with s(z) = z + 1 for z ≥ 0, else 1 / (1 − z)

    No option changes the layout of the parameters. What an option does not use has no gradient: the last norms and the
    bias of the head under `spherical`, the projections of queries and keys under `uniform`."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        if self.shape == "encoder-decoder" and not (self.target_vocabulary and self.target_context):
            raise ValueError("an encoder-decoder needs target_vocabulary and target_context")
        if not self.cosine_scale > 0:
            raise ValueError(f"cosine_scale is above 0, not {self.cosine_scale:g}")
        if min(self.vocabulary, self.context, self.classes, self.width, self.layers, self.heads, self.feed_forward) < 1:
            raise ValueError("every size of a model is at least 1")

    @property
    def causal(self) -> bool:
        """Whether the stream that is read out attends only to earlier positions."""
        return self.shape != "encoder"

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
