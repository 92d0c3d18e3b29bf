"""Attention of a rectangle: sequences of one length, in pieces whose scores fit the CPU's cache.

PyTorch's fused kernel is slower than plain matrix products here: heads are narrow (32 to 64 wide),
so that most of the time goes into the scores. Working through a few heads at a time keeps those in
the cache, and one buffer serves all pieces.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.dropout import keep_factors

_SCORES = 1 << 20  # elements of a piece
_SAFE_EXPONENT = 64.0  # a sum of 10^10 such exponentials is still a number


def rectangle_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float
) -> Tensor:
    """Scaled dot-product attention within each sequence.

    Args:
        query: `[sequences, queries, heads, head_size]`.
        key: `[sequences, length, heads, head_size]`.
        value: `[sequences, length, heads, head_size]`.
        mask: `bool[sequences, 1, 1, length]`, true at tokens; None where all are.
        dropout: Share of the attention weights to drop.

    Returns:
        `[sequences, queries, heads, head_size]`.
    """
    if query.device.type != "cpu":
        q, k, v = (part.transpose(1, 2) for part in (query, key, value))
        output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return output.transpose(1, 2)
    sequences, queries, heads, size = query.shape
    q, k, v = (_by_head(part) for part in (query * size**-0.5, key, value))
    bias = None
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, float("-inf"))
        bias = bias.expand(-1, heads, -1, -1).reshape(sequences * heads, 1, -1)
    tracked = torch.is_grad_enabled() and any(part.requires_grad for part in (q, k, v))
    if tracked or dropout:
        output = _Training.apply(q, k, v, bias, dropout)  # type: ignore[no-untyped-call]
    else:
        output = _inference(q, k, v, bias)
    return output.view(sequences, heads, queries, size).transpose(1, 2)


def _by_head(part: Tensor) -> Tensor:
    """`[sequences, length, heads, size]` to `[sequences * heads, length, size]`."""
    return part.transpose(1, 2).flatten(0, 1)


def _pieces(query: Tensor, key: Tensor) -> list[slice]:
    rows, scores = len(query), query.shape[1] * key.shape[1]
    step = max(1, _SCORES // scores)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _inference(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    pieces = _pieces(query, key)
    buffer = query.new_empty(pieces[0].stop, query.shape[1], key.shape[1])
    # No product of a query and a key exceeds that of their norms. Where that is small, exponentials
    # cannot overflow: the softmax needs no maximum, and a column of ones sums its weights, so that
    # the scores are passed over once and not three times.
    largest = query.norm(dim=-1).amax() * key.norm(dim=-1).amax()
    small = float(largest) < _SAFE_EXPONENT
    if small:
        value = torch.cat([value, value.new_ones(*value.shape[:-1], 1)], -1)
    output = query.new_empty(*query.shape[:-1], value.shape[-1])
    for piece in pieces:
        scores = buffer[: piece.stop - piece.start]
        piece_bias = None if bias is None else bias[piece]
        if small:
            _scores(query[piece], key[piece], piece_bias, scores).exp_()
        else:
            _weights(query[piece], key[piece], piece_bias, scores)
        torch.bmm(scores, value[piece], out=output[piece])
    return output[..., :-1] / output[..., -1:] if small else output


def _scores(query: Tensor, key: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """The products of queries and keys, into `out`."""
    torch.bmm(query, key.mT, out=out)
    return out if bias is None else out.add_(bias)


def _weights(query: Tensor, key: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """The softmax of the products of queries and keys, into `out`."""
    torch.softmax(_scores(query, key, bias, out), -1, out=out)


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
            part = weights[piece]
            _weights(query[piece], key[piece], None if bias is None else bias[piece], part)
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
