"""The bricks: embeddings, attention, feed-forward. All work on `[tokens, hidden]`."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.errors import ModelError
from graft.models.attention import attend
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.dropout import Dropout
from graft.models.linear import Linear

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}


class Embeddings(nn.Module):
    """Token, position and segment embeddings, summed and normalised."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_positions, config.hidden_size)
        self.segments = nn.Embedding(config.segments, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Args: batch. Returns: `[tokens, hidden]`.

        Raises:
            ModelError: A sequence is longer than the model reads.
        """
        if batch.max_length > self.positions.num_embeddings:
            raise ModelError(
                f"A sequence has {batch.max_length} tokens, but this model reads up to "
                f"{self.positions.num_embeddings}. Cut it: encode_batch(..., max_length=...)."
            )
        hidden = self.tokens(batch.ids) + self.positions(batch.positions)
        if batch.type_ids is None:
            hidden = hidden + self.segments.weight[0]
        else:
            hidden = hidden + self.segments(batch.type_ids)
        output: Tensor = self.dropout(self.norm(hidden))
        return output


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017): queries, keys and values in one product."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_dropout = config.attention_dropout
        self.qkv = Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Args: hidden `[tokens, hidden]`, batch. Returns: `[tokens, hidden]`."""
        query, key, value = self._split(self.qkv(hidden), 3)
        return self._attend(query, key, value, batch)

    def firsts(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The same for the first token of each sequence: `[sequences, hidden]`."""
        width = hidden.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        firsts = hidden[batch.starts[:-1]]
        (query,) = self._split(F.linear(firsts, weight[:width], bias[:width]), 1)
        if self._dropout or hidden.is_cuda:
            key, value = self._split(F.linear(hidden, weight[width:], bias[width:]), 2)
            return self._attend(query, key, value, batch)
        # One query a head: q . (W h) is (q W) . h, so that the other tokens need neither keys nor
        # values. A bias of the keys adds the same to all scores of a query: softmax ignores it.
        of_key, of_value = weight[width:].view(2, self.heads, -1, width)
        query = torch.einsum("shd,hdc->shc", query, of_key) * self.heads**0.5  # to the same scale
        shared = hidden[:, None].to(query.dtype)
        mixed = attend(query, shared, shared, batch)
        heads = torch.einsum("shc,hdc->shd", mixed, of_value).flatten(1) + bias[2 * width :]
        output: Tensor = self.output(heads)
        return output

    @property
    def _dropout(self) -> float:
        return self.attention_dropout if self.training else 0.0

    def _split(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        heads: tuple[Tensor, ...] = projected.unflatten(-1, (parts, self.heads, -1)).unbind(1)
        return heads

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, batch: Batch) -> Tensor:
        attended = attend(query, key, value, batch, self._dropout)
        output: Tensor = self.output(attended.flatten(1))
        return output


class FeedForward(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.up = Linear(config.hidden_size, config.intermediate_size)
        self.down = Linear(config.intermediate_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, hidden: Tensor) -> Tensor:
        """Args: hidden `[tokens, hidden]`. Returns: `[tokens, hidden]`."""
        if self.activation is F.gelu:
            wide = self.up(hidden, "gelu")
        else:
            wide = self.activation(self.up(hidden))
        output: Tensor = self.down(wide)
        return output
