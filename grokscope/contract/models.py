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

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        if self.shape == "encoder-decoder" and not (self.target_vocabulary and self.target_context):
            raise ValueError("an encoder-decoder needs target_vocabulary and target_context")
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
