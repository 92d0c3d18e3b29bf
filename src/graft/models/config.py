"""What a model is made of, in one vocabulary for all families."""

from dataclasses import dataclass, field
from typing import Any, Literal

Activation = Literal["gelu", "gelu_tanh", "relu", "silu"]


@dataclass(frozen=True)
class Config:
    """The shape of a transformer encoder.

    Attributes:
        family: The key of the architecture's file in `graft.models.families`.
        vocab_size: Rows of the token embedding.
        hidden_size: Width of the residual stream.
        layers: Number of blocks.
        heads: Attention heads in each block.
        intermediate_size: Width of the feed-forward layer.
        max_positions: Learned positions: the longest sequence the model can read, in tokens.
        segments: Rows of the segment embedding; 0 for none.
        activation: Of the feed-forward layer.
        norm_eps: Added to the variance in layer normalisation.
        dropout: Share of activations dropped in training.
        attention_dropout: Share of attention weights dropped in training.
        init_std: Standard deviation of new weights.
        labels: The names of the head's labels, in order; empty where there is no such head.
        several_labels: Whether a text may carry several of the labels, or none.
        extra: What `config.json` says beyond this, written back when the model is saved.
    """

    family: str
    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    max_positions: int
    segments: int = 0
    activation: Activation = "gelu"
    norm_eps: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    init_std: float = 0.02
    labels: tuple[str, ...] = ()
    several_labels: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.heads
