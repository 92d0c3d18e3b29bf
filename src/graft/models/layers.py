"""The bricks: embeddings, attention, feed-forward. All work on `[tokens, hidden]`."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.errors import ModelError
from graft.models.activations import ACTIVATIONS
from graft.models.attention import Rules, attend
from graft.models.config import Config
from graft.models.context import Context
from graft.models.disentangled import DisentangledBias
from graft.models.dropout import Dropout
from graft.models.linear import Linear
from graft.models.norm import RMSNorm, make_norm
from graft.models.rotary import rotate


class Embeddings(nn.Module):
    """Token, position and segment embeddings, summed and normalised."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.embedding_size or config.hidden_size
        # What PyTorch calls the index of padding is a row without a gradient.
        self.tokens = nn.Embedding(config.vocab_size, width, config.frozen_token)
        self.scale = config.embedding_scale
        self.first_position = config.first_position
        self.positions = self.segments = self.norm = self.widen = None
        self.sinusoidal = config.positions == "sinusoidal"
        if config.positions == "learned":
            self.positions = nn.Embedding(config.max_positions + config.first_position, width)
        if config.segments:
            self.segments = nn.Embedding(config.segments, width)
        self.widen_first = config.widen_first
        if config.embedding_norm:
            normed = config.hidden_size if config.widen_first else width
            self.norm = make_norm(config.norm, normed)
        if config.embedding_size is not None:
            self.widen = Linear(width, config.hidden_size, bias=not config.widen_first)
        share = config.embedding_dropout
        self.dropout = Dropout(config.dropout if share is None else share)

    def forward(self, context: Context) -> Tensor:
        """Args: context. Returns: `[tokens, hidden]`.

        Raises:
            ModelError: A sequence is longer than the model reads.
        """
        batch = context.batch
        hidden: Tensor = self.tokens(batch.ids)
        if self.scale != 1.0:
            hidden = hidden * self.scale
        if self.positions is not None:
            hidden = hidden + self.positions(self._places(context, self.positions))
        elif self.sinusoidal:
            hidden = hidden + sinusoids(context.positions, hidden.shape[1]).to(hidden.dtype)
        if self.segments is not None:
            # Tokenizers number segments for models that know one alone as well.
            types = batch.type_ids if self.segments.num_embeddings > 1 else None
            hidden = hidden + (self.segments.weight[0] if types is None else self.segments(types))
        if self.widen is not None and self.widen_first:
            hidden = self.widen(hidden)
        if self.norm is not None:
            hidden = self.norm(hidden)
        hidden = self.dropout(hidden)
        return hidden if self.widen is None or self.widen_first else self.widen(hidden)

    def _places(self, context: Context, table: nn.Embedding) -> Tensor:
        limit = table.num_embeddings - self.first_position
        longest = context.batch.max_length
        if context.cache is not None:
            longest += int(context.cache.lengths.max())
        if longest > limit:
            raise ModelError(
                f"A sequence has {longest} tokens, but this model reads up to {limit}. "
                "Cut it: encode_batch(..., max_length=...)."
            )
        return context.positions + self.first_position


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Waves of positions (Vaswani et al., 2017), sines first: `float32[tokens, width]`."""
    rows, places = positions.unique(return_inverse=True)
    exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float64) / width
    # A single rounds the angles of late positions too coarsely.
    angles = rows[:, None] * 10_000.0**-exponents
    return torch.cat((angles.sin(), angles.cos()), dim=1)[:, :width].float()[places]


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., 2017): queries, keys and values in one product.

    Args:
        config: The shape.
        layer: The number of the block.
    """

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.head_size = config.heads, config.width_of_head
        self.widths = [config.query_width, config.key_width, config.key_width]
        hidden, causal = config.hidden_size, config.causal
        self.qkv = Linear(hidden, sum(self.widths), config.attention_bias, by_token=causal)
        self.output = Linear(config.query_width, hidden, config.output_bias, by_token=causal)
        self.query_norm = self.key_norm = None
        if config.query_key_norm:
            norm = config.norm
            self.query_norm, self.key_norm = (
                RMSNorm(self.head_size, norm.eps, norm.offset) for _ in range(2)
            )
        self.rotary = config.rotary_of(layer)
        self.places = None if config.disentangled is None else DisentangledBias(config)
        self.dropout = config.attention_dropout
        self.rules = Rules(
            config.scale_of(layer), config.causal, config.window(layer), config.score_cap
        )

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Args: hidden `[tokens, hidden]`, context. Returns: `[tokens, hidden]`."""
        query, key, value = self._heads(self.qkv(hidden), self.widths)
        query = self._turn(query, self.query_norm, context)
        key = self._turn(key, self.key_norm, context)
        rules = self._rules(context)
        if context.cache is None:
            attended = attend(query, key, value, context.batch.layout, rules)
        else:
            attended = context.cache.attend(self.layer, query, key, value, context.batch, rules)
        output: Tensor = self.output(attended.flatten(1))
        return output

    def firsts(self, hidden: Tensor, context: Context) -> Tensor:
        """The same for the first token of each sequence: `[sequences, hidden]`."""
        if hidden.is_cuda:
            return self.forward(hidden, context)[context.batch.starts[:-1]]
        weight = self.qkv.weight
        wide = self.widths[0]
        bias = hidden.new_zeros(len(weight)) if self.qkv.bias is None else self.qkv.bias
        firsts = hidden[context.batch.starts[:-1]]
        (query,) = self._heads(F.linear(firsts, weight[:wide], bias[:wide]), [wide])
        rules = self._rules(context)
        layout = context.batch.first_layout
        turned = self.rotary is not None or self.query_norm is not None
        if turned or rules.dropout or rules.bias is not None or wide != self.widths[1]:
            keys_values = F.linear(hidden, weight[wide:], bias[wide:])
            key, value = self._heads(keys_values, self.widths[1:])
            query = self._turn(query, self.query_norm, context, context.batch.starts[:-1])
            key = self._turn(key, self.key_norm, context)
            attended = attend(query, key, value, layout, rules).flatten(1)
            first: Tensor = self.output(attended)
            return first
        # One query a head: q . (W h) is (q W) . h, so that the other tokens need neither keys nor
        # values. A bias of the keys adds the same to all scores of a query: softmax ignores it.
        of_key, of_value = weight[wide:].view(2, self.heads, self.head_size, -1)
        query = torch.einsum("shd,hdc->shc", query, of_key)
        shared = hidden[:, None].to(query.dtype)
        mixed = attend(query, shared, shared, layout, rules)
        heads = torch.einsum("shc,hdc->shd", mixed, of_value).flatten(1) + bias[2 * wide :]
        output: Tensor = self.output(heads)
        return output

    def _rules(self, context: Context) -> Rules:
        rules = context.rules(self.rules, self.dropout if self.training else 0.0)
        if self.places is None or context.places is None:
            return rules
        return replace(rules, bias=self.places(self.qkv, context.places))

    def _heads(self, projected: Tensor, widths: list[int]) -> tuple[Tensor, ...]:
        parts = projected.split(widths, dim=-1)
        return tuple(part.unflatten(-1, (-1, self.head_size)) for part in parts)

    def _turn(
        self, heads: Tensor, norm: nn.Module | None, context: Context, rows: Tensor | None = None
    ) -> Tensor:
        """Normalises and rotates queries or keys, of all tokens or of these rows of them."""
        if norm is not None:
            heads = norm(heads)
        if self.rotary is None:
            return heads
        cos, sin = context.rotation(self.rotary, self.head_size)
        return rotate(heads, (cos, sin) if rows is None else (cos[rows], sin[rows]))


class CrossAttention(nn.Module):
    """Attention of a decoder's tokens to the encoder's."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_size, self.width = config.width_of_head, config.key_width
        hidden, bias = config.hidden_size, config.attention_bias
        self.query = Linear(hidden, config.query_width, bias, by_token=True)
        self.keys_values = Linear(hidden, 2 * config.key_width, bias)
        self.output = Linear(config.query_width, hidden, config.output_bias, by_token=True)
        self.dropout = config.attention_dropout
        self.rules = Rules(config.scale)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Args: hidden `[tokens, hidden]`, context. Returns: `[tokens, hidden]`."""
        query = self.query(hidden).unflatten(-1, (-1, self.head_size))
        rules = context.cross_rules(self.rules, self.dropout if self.training else 0.0)
        if context.cache is not None and context.cache.stepping:
            attended = context.cache.attend_memory(self.layer, query, rules)
        else:
            attended = self._first(query, context, rules)
        output: Tensor = self.output(attended.flatten(1))
        return output

    def _first(self, query: Tensor, context: Context, rules: Rules) -> Tensor:
        """Makes keys and values of the encoder's tokens; in generation later passes use them."""
        assert context.memory is not None
        projected = self.keys_values(context.memory.hidden)
        key, value = projected.unflatten(-1, (2, -1, self.head_size)).unbind(1)
        if context.cache is not None:
            context.cache.keep_memory(self.layer, key, value, context.memory.batch)
        return attend(query, key, value, context.cross_layout, rules)


class FeedForward(nn.Module):
    """Two linear layers with an activation between them, which may gate a third (Shazeer, 2020)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, bias, causal = config.intermediate_size, config.feed_forward_bias, config.causal
        self.gated = config.gated
        wide = 2 * width if config.gated else width
        self.up = Linear(config.hidden_size, wide, bias, by_token=causal)
        self.down = Linear(width, config.hidden_size, bias, by_token=causal)
        self.activation = config.activation
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: `[tokens, hidden]`."""
        if self.gated:
            gate, wide = self.up(hidden).chunk(2, dim=-1)
            wide = ACTIVATIONS[self.activation](gate) * wide
        else:
            wide = self.up(hidden, self.activation)
        output: Tensor = self.down(self.dropout(wide))
        return output
