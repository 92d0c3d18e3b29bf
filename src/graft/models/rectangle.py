"""Attention of a rectangle: sequences of one length, in pieces whose scores fit the CPU's cache.

PyTorch's fused kernel is slower than plain matrix products here: heads are narrow (32 to 64 wide),
so that most of the time goes into the scores. Working through a few heads at a time keeps those in
the cache, and one buffer serves all pieces.
"""

import math
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
    mask: Tensor | None,
    dropout: float,
    *,
    bounded: bool = False,
) -> Tensor:
    """Dot-product attention within each sequence.

    Args:
        query: `[sequences, queries, heads, head_size]`, scaled already.
        key: `[sequences, length, heads, head_size]`.
        value: `[sequences, length, heads, head_size]`.
        mask: `bool[sequences, 1, 1, length]`, true at tokens; None where all are.
        dropout: Share of the attention weights to drop.
        bounded: `scores_are_bounded`, and the query is scaled by `LOG2_E` as well, because powers
            of two are quicker than exponentials.

    Returns:
        `[sequences, queries, heads, head_size]`.
    """
    if query.device.type != "cpu":
        q, k, v = (part.transpose(1, 2) for part in (query, key, value))
        output = F.scaled_dot_product_attention(q, k, v, mask, dropout, scale=1.0)
        return output.transpose(1, 2)
    sequences, queries, heads, size = query.shape
    q, k, v = (_by_head(part) for part in (query, key, value))
    bias = None
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, float("-inf"))
        bias = bias.expand(-1, heads, -1, -1).reshape(sequences * heads, 1, -1)
    if needs_gradient(q, k, v) or dropout:
        output = _Training.apply(q, k, v, bias, dropout)  # type: ignore[no-untyped-call]
    else:
        output = _inference(q, k, v, bias, bounded)
    return output.view(sequences, heads, queries, size).transpose(1, 2)


def scores_are_bounded(query: Tensor, key: Tensor, scale: float) -> bool:
    """Whether no score can be too large to take its exponential as it is.

    The product of a query and a key does not exceed that of their norms.
    """
    largest = query.norm(dim=-1).amax() * key.norm(dim=-1).amax()
    return float(largest) * scale < _SAFE_EXPONENT


def needs_gradient(*parts: Tensor) -> bool:
    """Whether a backward pass may come."""
    return torch.is_grad_enabled() and any(part.requires_grad for part in parts)


def _by_head(part: Tensor) -> Tensor:
    """`[sequences, length, heads, size]` to `[sequences * heads, length, size]`."""
    return part.transpose(1, 2).flatten(0, 1)


def _pieces(query: Tensor, key: Tensor) -> list[slice]:
    rows, scores = len(query), query.shape[1] * key.shape[1] * query.element_size()
    step = max(1, _PIECE_BYTES // scores)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _inference(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, bounded: bool
) -> Tensor:
    """Bounded scores need no maximum, and dividing by the sum of their exponentials can wait until
    the output: they are passed over twice and not four times."""
    pieces = _pieces(query, key)
    buffer = query.new_empty(pieces[0].stop, query.shape[1], key.shape[1])
    output = torch.empty_like(query)
    for piece in pieces:
        scores = _scores(query, key, bias, piece, buffer)
        if bounded:
            torch.bmm(scores.exp2_(), value[piece], out=output[piece])
            output[piece] /= scores.sum(-1, keepdim=True)
        else:
            torch.bmm(torch.softmax(scores, -1, out=scores), value[piece], out=output[piece])
    return output


def _scores(
    query: Tensor, key: Tensor, bias: Tensor | None, piece: slice, buffer: Tensor
) -> Tensor:
    """The products of a piece's queries and keys, in `buffer`."""
    scores = buffer[: piece.stop - piece.start]
    torch.bmm(query[piece], key[piece].mT, out=scores)
    return scores if bias is None else scores.add_(bias[piece])


class _Training(torch.autograd.Function):
    """Keeps the weights for backward, as (Vaswani et al., 2017) has it, piece by piece."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, dropout: float
    ) -> Tensor:
        weights = query.new_empty(len(query), query.shape[1], key.shape[1])
        keep = keep_factors(weights.shape, dropout, weights.dtype) if dropout else None
        output = torch.empty_like(query)
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
