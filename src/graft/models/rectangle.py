"""Attention of a rectangle: sequences of one length, in pieces whose scores fit the CPU's cache.

PyTorch's fused kernel is slower than plain matrix products here: heads are narrow (32 to 64 wide),
so that most of the time goes into the scores. Working through a few heads at a time keeps those in
the cache, and one buffer serves all pieces.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.dropout import keep_factors

_PIECE_BYTES = 8 << 20  # of a piece's scores
LOG2_E = math.log2(math.e)
_SAFE_EXPONENT = 64.0  # a sum of 10^10 such exponentials is still a number


def rectangle_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    dropout: float = 0.0,
    *,
    cap: float | None = None,
    bounded: bool = False,
) -> Tensor:
    """Dot-product attention within each sequence.

    Args:
        query: `[sequences, queries, heads, head_size]`, scaled already.
        key: `[sequences, keys, key_heads, head_size]`; several heads of queries may share one.
        value: `[sequences, keys, key_heads, value_size]`.
        bias: `[sequences or 1, heads or 1, queries or 1, keys]`, added to the scores.
        dropout: Share of the attention weights to drop.
        cap: Scores are kept within plus and minus this, by a tanh, before the bias.
        bounded: `scores_are_bounded`, and the query is scaled by `LOG2_E` as well, because powers
            of two are quicker than exponentials.

    Returns:
        `[sequences, queries, heads, value_size]`.
    """
    if cap is not None or (bias is not None and bias.requires_grad):
        return plain_attention(query, key, value, bias, dropout, cap=cap)[0]
    if query.device.type != "cpu":
        q, k, v = (part.transpose(1, 2) for part in (query, key, value))
        shared = q.shape[1] != k.shape[1]
        output = F.scaled_dot_product_attention(
            q, k, v, bias, dropout, scale=1.0, enable_gqa=shared
        )
        return output.transpose(1, 2)
    sequences, queries, heads, _ = query.shape
    key_heads = key.shape[2]
    q = _by_key_head(query, key_heads)
    k, v = (_by_key_head(part, key_heads) for part in (key, value))
    rows = None if bias is None else _BiasRows.of(bias, key_heads)
    if needs_gradient(q, k, v) or dropout:
        output = _Training.apply(q, k, v, rows, dropout)  # type: ignore[no-untyped-call]
    else:
        output = _inference(q, k, v, rows, bounded)
    output = output.view(sequences, heads, queries, -1)
    return output.transpose(1, 2)


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    dropout: float = 0.0,
    *,
    cap: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The same by the formula, with a gradient for everything.

    Returns:
        The output, and the weights before dropout: `[sequences, heads, queries, keys]`.
    """
    group = query.shape[2] // key.shape[2]
    if group > 1:
        key, value = (part.repeat_interleave(group, dim=2) for part in (key, value))
    scores = query.transpose(1, 2) @ key.permute(0, 2, 3, 1)
    if cap is not None:
        scores = cap * torch.tanh(scores / cap)
    if bias is not None:
        scores = scores + bias
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
    output = F.dropout(weights, dropout) @ value.transpose(1, 2)
    return output.transpose(1, 2), weights


def scores_are_bounded(query: Tensor, key: Tensor, scale: float) -> bool:
    """Whether no score can be too large to take its exponential as it is.

    The product of a query and a key does not exceed that of their norms.
    """
    largest = query.norm(dim=-1).amax() * key.norm(dim=-1).amax()
    return float(largest) * scale < _SAFE_EXPONENT


def needs_gradient(*parts: Tensor) -> bool:
    """Whether a backward pass may come."""
    return torch.is_grad_enabled() and any(part.requires_grad for part in parts)


def _by_key_head(part: Tensor, key_heads: int) -> Tensor:
    """`[sequences, length, heads, size]` to `[sequences * key_heads, group * length, size]`.

    Heads that share keys are as many queries of one head.
    """
    grouped = part.unflatten(2, (key_heads, -1)).permute(0, 2, 3, 1, 4)
    flat: Tensor = grouped.flatten(2, 3).flatten(0, 1)
    return flat


@dataclass(frozen=True)
class _BiasRows:
    """A bias by `[sequences * key_heads]`, without copies of what is the same for all.

    Attributes:
        values: `[rows, heads of a key head or 1, queries or 1, keys]`.
        key_heads: Of the whole.
        per_sequence: Whether sequences have different ones.
        per_head: Whether heads have.
    """

    values: Tensor
    key_heads: int
    per_sequence: bool
    per_head: bool

    @classmethod
    def of(cls, bias: Tensor, key_heads: int) -> "_BiasRows":
        per_head = bias.shape[1] > 1
        parted = bias.unflatten(1, (key_heads, -1) if per_head else (1, 1))
        return cls(parted.flatten(0, 1), key_heads, len(bias) > 1, per_head)

    def add_to(self, scores: Tensor, piece: slice) -> None:
        """Adds those of a piece's rows to its scores, `[rows, heads * queries, keys]`."""
        part = self.values
        if self.per_sequence and (self.per_head or self.key_heads == 1):
            part = part[piece]
        elif self.per_sequence or self.per_head:
            row = torch.arange(piece.start, piece.stop)
            part = part[row // self.key_heads if self.per_sequence else row % self.key_heads]
        queries = scores.shape[1] // part.shape[1] if self.per_head else part.shape[2]
        heads = scores.shape[1] // queries if queries > 1 or self.per_head else scores.shape[1]
        scores.unflatten(1, (heads, -1)).add_(part)


def _pieces(query: Tensor, key: Tensor) -> list[slice]:
    rows, scores = len(query), query.shape[1] * key.shape[1] * query.element_size()
    step = max(1, _PIECE_BYTES // scores)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _inference(
    query: Tensor, key: Tensor, value: Tensor, bias: _BiasRows | None, bounded: bool
) -> Tensor:
    """Bounded scores need no maximum, and dividing by the sum of their exponentials can wait until
    the output: they are passed over twice and not four times."""
    pieces = _pieces(query, key)
    buffer = query.new_empty(pieces[0].stop, query.shape[1], key.shape[1])
    output = query.new_empty(*query.shape[:2], value.shape[2])
    for piece in pieces:
        scores = _scores(query, key, bias, piece, buffer)
        if bounded:
            torch.bmm(scores.exp2_(), value[piece], out=output[piece])
            output[piece] /= scores.sum(-1, keepdim=True)
        else:
            torch.bmm(torch.softmax(scores, -1, out=scores), value[piece], out=output[piece])
    return output


def _scores(
    query: Tensor, key: Tensor, bias: _BiasRows | None, piece: slice, buffer: Tensor
) -> Tensor:
    """The products of a piece's queries and keys, in `buffer`."""
    scores = buffer[: piece.stop - piece.start]
    torch.bmm(query[piece], key[piece].mT, out=scores)
    if bias is not None:
        bias.add_to(scores, piece)
    return scores


class _Training(torch.autograd.Function):
    """Keeps the weights for backward, as (Vaswani et al., 2017) has it, piece by piece."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, query: Tensor, key: Tensor, value: Tensor, bias: _BiasRows | None, dropout: float
    ) -> Tensor:
        weights = query.new_empty(len(query), query.shape[1], key.shape[1])
        keep = keep_factors(weights.shape, dropout, weights.dtype) if dropout else None
        output = query.new_empty(*query.shape[:2], value.shape[2])
        for piece in _pieces(query, key):
            part = _scores(query, key, bias, piece, weights[piece])
            torch.softmax(part, -1, out=part)
            kept = part if keep is None else part * keep[piece]
            torch.bmm(kept, value[piece], out=output[piece])
        ctx.save_for_backward(query, key, value, weights, keep)
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        query, key, value, weights, keep = ctx.saved_tensors
        gradients = tuple(torch.empty_like(part) for part in (query, key, value))
        for piece in _pieces(query, key):
            part = weights[piece]
            kept = part if keep is None else part * keep[piece]
            torch.bmm(kept.mT, gradient[piece], out=gradients[2][piece])
            of_weights = torch.bmm(gradient[piece], value[piece].mT)
            if keep is not None:
                of_weights *= keep[piece]
            of_weights *= part
            of_scores = of_weights.addcmul_(part, of_weights.sum(-1, keepdim=True), value=-1)
            torch.bmm(of_scores, key[piece], out=gradients[0][piece])
            torch.bmm(of_scores.mT, query[piece], out=gradients[1][piece])
        return *gradients, None, None
