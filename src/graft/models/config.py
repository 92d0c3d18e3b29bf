"""What a model is made of, in one vocabulary for all families."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "tanh"]
Pooling = Literal["first", "last", "mean", "max", "mean_sqrt", "weighted"]


@dataclass(frozen=True)
class Norm:
    """Normalisation, and where it stands around a sublayer.

    Attributes:
        kind: "layer" (Ba et al., 2016) or "rms" (Zhang and Sennrich, 2019).
        place: "after" the sum with the residual stream (Vaswani et al., 2017), "before" the
            sublayer, or "around" it: before, and after, ahead of the sum (Gemma 2).
        eps: Added to the variance.
        bias: Whether layer normalisation has a bias.
        offset: Added to the weight as it is stored (Gemma stores weights around zero).
        first: Whether the first block's attention has one of its own.
    """

    kind: Literal["layer", "rms"] = "layer"
    place: Literal["after", "before", "around"] = "after"
    eps: float = 1e-12
    bias: bool = True
    offset: float = 0.0
    first: bool = True


@dataclass(frozen=True)
class Rotary:
    """Positions as rotations of queries and keys (Su et al., 2021).

    Attributes:
        theta: The base of the frequencies.
        scaling: How they are stretched for longer texts, by the names of `config.json`
            (`rope_type`, `factor`, `original_max_position_embeddings`, ...), as sorted pairs;
            empty where they are not. See `graft.models.rotary.SCALINGS`.
    """

    theta: float = 10_000.0
    scaling: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class RelativeBias:
    """A learned bias for each bucket of distances and each head (Raffel et al., 2019).

    Attributes:
        buckets: How many.
        max_distance: The distance from which on all share the last one, in tokens.
        both_ways: Whether tokens before and after have buckets of their own.
    """

    buckets: int = 32
    max_distance: int = 128
    both_ways: bool = True


@dataclass(frozen=True)
class Disentangled:
    """Attention to contents and relative positions apart (He et al., 2020).

    Attributes:
        span: How many distances to each side have an embedding, or logarithmic buckets of them.
        farthest: The distance of the last bucket, in tokens; None where each has its own embedding.
        content_to_position: Whether queries look at the position of keys.
        position_to_content: Whether the position of queries looks at keys.
        shared: Whether positions are projected by the same weights as contents.
        norm: Whether the embeddings of positions are normalised.
    """

    span: int
    farthest: int | None = None
    content_to_position: bool = True
    position_to_content: bool = True
    shared: bool = True
    norm: bool = True


@dataclass(frozen=True)
class Convolution:
    """Neighbours of the embeddings, added to what the first block gives (He et al., 2020).

    Attributes:
        kernel: How many tokens it sees at once, an odd number.
        groups: Parts of the hidden size that do not see each other.
        activation: Behind it.
    """

    kernel: int = 3
    groups: int = 1
    activation: Activation = "tanh"


@dataclass(frozen=True)
class Classifier:
    """The head that gives a sequence one answer.

    Attributes:
        pool: The state that it reads: of the "first" or the "last" token, or the "mean" of all.
        dense: Whether a linear layer stands before the one that gives the labels.
        activation: Behind it.
        bias: Whether the layer that gives the labels has a bias.
        dense_bias: Whether the one before it has.
        norm: Whether a normalisation follows the activation.
        dropout_before: Whether what is pooled is dropped from as well.
        share_before: The share of that; None for the head's.
        share: The share dropped ahead of the labels; None for the head's.
        of_tokens: Whether the same layers stand before the labels of tokens.
    """

    pool: Literal["first", "last", "mean"] = "first"
    dense: bool = True
    activation: Activation = "tanh"
    bias: bool = True
    dense_bias: bool = True
    norm: bool = False
    dropout_before: bool = False
    share_before: float | None = None
    share: float | None = None
    of_tokens: bool = False


@dataclass(frozen=True)
class Projection:
    """A linear layer on a sentence's vector.

    Attributes:
        outputs: Width of what it gives.
        bias: Whether it has one.
        activation: Behind it; None for none.
    """

    outputs: int
    bias: bool = True
    activation: Activation | None = "tanh"


@dataclass(frozen=True)
class Sentence:
    """The head that makes one vector of a sequence.

    Attributes:
        pooling: How states become one, see `graft.models.pooling`; several are concatenated.
        projections: Layers that follow.
        normalized: Whether the vector is scaled to length 1 in the end.
        extra: What a repository's files say beyond this, by their names, written back.
    """

    pooling: tuple[Pooling, ...] = ("mean",)
    projections: tuple[Projection, ...] = ()
    normalized: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Vocabulary:
    """The head that gives each token the logits of a vocabulary.

    Attributes:
        dense: Whether a linear layer, the activation and a normalisation stand before it.
        activation: Of that layer.
        dense_bias: Whether that layer has a bias.
        tied: Whether the weights are those of the token embedding.
        bias: Whether it has a bias.
        fixed_bias: Whether training leaves that bias as it is.
        scale: A factor of the states before it.
        cap: Logits are kept within plus and minus this, by a tanh; None for not.
    """

    dense: bool = False
    activation: Activation = "gelu"
    dense_bias: bool = True
    tied: bool = True
    bias: bool = False
    fixed_bias: bool = False
    scale: float = 1.0
    cap: float | None = None


@dataclass(frozen=True)
class Config:
    """The shape of a stack of transformer blocks, and of the heads on it.

    Attributes:
        family: The key of the architecture's file in `graft.models.families`.
        vocab_size: Rows of the token embedding.
        hidden_size: Width of the residual stream.
        layers: Number of blocks.
        heads: Attention heads of queries in each block.
        intermediate_size: Width of the feed-forward layer.
        max_positions: The longest sequence the model reads, in tokens.
        key_heads: Attention heads of keys and values; None for as many as `heads`.
        head_size: Width of one head; None for `hidden_size / heads`.
        causal: Whether tokens see only those before them.
        embedding_size: Width of the token embedding, where a layer brings it to `hidden_size`;
            None where it is that, and there is no such layer.
        embedding_scale: Factor of the token embedding.
        embedding_norm: Whether the embeddings are normalised.
        widen_first: Whether they are widened before that, without a bias, and not behind it.
        positions: What is added to the embeddings: a "learned" vector, a "sinusoidal" one, "none".
        first_position: The row of the first position in their table.
        frozen_token: The token whose embedding training leaves as it is: padding, which some
            decoders start with; None for none.
        segments: Rows of the segment embedding; 0 for none.
        norm: Of the blocks.
        final_norm: Whether a normalisation follows the last block.
        activation: Of the feed-forward layer.
        gated: Whether the activation multiplies a second projection (Shazeer, 2020).
        attention_bias: Whether queries, keys and values have biases.
        output_bias: Whether attention's output has one.
        feed_forward_bias: Whether the feed-forward layers have them.
        query_key_norm: Whether each head's queries and keys are normalised.
        attention_scale: Factor of the scores; None for `head_size ** -0.5`.
        scale_by_depth: Whether each block's scores are divided by its number, the first being 1.
        score_cap: Scores are kept within plus and minus this, by a tanh; None for not.
        rotary: Rotations of queries and keys; None for none.
        local_rotary: The same where a layer has a window; None for the same as `rotary`.
        rotary_layers: For each layer, whether it has rotations; empty where all have.
        windows: For each layer, how far tokens see, in tokens to each side; None for all. Empty
            where no layer has one.
        relative: Biases of distances; None for none.
        disentangled: Attention to positions apart; None for none.
        convolution: Next to the first block; None for none.
        groups: How many groups of layers have weights of their own, where layers share them; 0
            where they do not.
        group_size: Blocks of a group, run one after another.
        decoder: The stack that reads this one's states; None where there is none.
        shared_embedding: Whether that stack embeds its tokens with this one's weights.
        cross: Whether each block reads the states of another stack.
        dropout: Share of activations dropped in training.
        embedding_dropout: The same of the embeddings; None for `dropout`.
        attention_dropout: Share of attention weights dropped in training.
        output_dropout: Share dropped of attention's output; None for `dropout`.
        feed_forward_dropout: The same of the feed-forward's output; None for `dropout`.
        activation_dropout: Share dropped behind the feed-forward layer's activation.
        final_dropout: Share dropped of the last states.
        layer_dropout: Share of blocks left out in training (Fan et al., 2019).
        head_dropout: Share dropped in a head; None for `dropout`.
        span_dropout: The same in the head that finds spans.
        init_std: Standard deviation of new weights.
        classifier: The shape of the head for one answer a sequence.
        vocabulary: The shape of the head for the logits of tokens.
        sentence: The shape of the head for one vector a sequence.
        labels: The names of the head's labels, in order; empty where there is no such head.
        several_labels: Whether a text may carry several of the labels, or none.
        measures: Whether the labels are not classes but quantities, whose value the head predicts.
        special: Token ids by use (`bos_token_id`, `eos_token_id`, `pad_token_id`,
            `decoder_start_token_id`): a number, or a list of them.
        extra: What `config.json` says beyond this, written back when the model is saved.
    """

    family: str
    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    max_positions: int
    key_heads: int | None = None
    head_size: int | None = None
    causal: bool = False
    embedding_size: int | None = None
    embedding_scale: float = 1.0
    embedding_norm: bool = True
    widen_first: bool = False
    positions: Literal["learned", "sinusoidal", "none"] = "learned"
    first_position: int = 0
    frozen_token: int | None = None
    segments: int = 0
    norm: Norm = Norm()
    final_norm: bool = False
    activation: Activation = "gelu"
    gated: bool = False
    attention_bias: bool = True
    output_bias: bool = True
    feed_forward_bias: bool = True
    query_key_norm: bool = False
    attention_scale: float | None = None
    scale_by_depth: bool = False
    score_cap: float | None = None
    rotary: Rotary | None = None
    local_rotary: Rotary | None = None
    rotary_layers: tuple[bool, ...] = ()
    windows: tuple[int | None, ...] = ()
    relative: RelativeBias | None = None
    disentangled: Disentangled | None = None
    convolution: Convolution | None = None
    groups: int = 0
    group_size: int = 1
    decoder: "Config | None" = None
    shared_embedding: bool = True
    cross: bool = False
    dropout: float = 0.1
    embedding_dropout: float | None = None
    attention_dropout: float = 0.1
    output_dropout: float | None = None
    feed_forward_dropout: float | None = None
    activation_dropout: float = 0.0
    final_dropout: float = 0.0
    layer_dropout: float = 0.0
    head_dropout: float | None = None
    span_dropout: float = 0.0
    init_std: float = 0.02
    classifier: Classifier = Classifier()
    vocabulary: Vocabulary = Vocabulary()
    sentence: Sentence = Sentence()
    labels: tuple[str, ...] = ()
    several_labels: bool = False
    measures: bool = False
    special: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def answering(self) -> "Config":
        """The shape of the stack whose states heads read."""
        return self if self.decoder is None else replace(self.decoder, labels=self.labels)

    def untied(self) -> "Config":
        """This shape with a vocabulary head that has weights of its own."""
        vocabulary = replace(self.answering.vocabulary, tied=False)
        decoder = None if self.decoder is None else replace(self.decoder, vocabulary=vocabulary)
        return replace(self, vocabulary=vocabulary, decoder=decoder)

    @property
    def key_width(self) -> int:
        """Width of all heads' keys, or values, together."""
        return (self.key_heads or self.heads) * self.width_of_head

    @property
    def query_width(self) -> int:
        """Width of all heads' queries together."""
        return self.heads * self.width_of_head

    @property
    def width_of_head(self) -> int:
        """Width of one attention head."""
        return self.head_size or self.hidden_size // self.heads

    @property
    def scale(self) -> float:
        """Factor of the attention scores."""
        return self.attention_scale or self.width_of_head**-0.5

    @property
    def deciding_layers(self) -> int:
        """Blocks with weights of their own."""
        return self.groups * self.group_size or self.layers

    def window(self, layer: int) -> int | None:
        """How far tokens see in a layer, in tokens to each side; None for all."""
        return self.windows[layer] if self.windows else None

    def scale_of(self, layer: int) -> float:
        """Factor of a layer's attention scores."""
        return self.scale / (layer + 1) if self.scale_by_depth else self.scale

    def rotary_of(self, layer: int) -> Rotary | None:
        """The rotations of a layer; None for none."""
        if self.rotary_layers and not self.rotary_layers[layer]:
            return None
        local = self.local_rotary if self.window(layer) is not None else None
        return local or self.rotary
