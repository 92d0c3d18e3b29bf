"""Attention of a rectangle: sequences of one length, in tiles whose scores fit the CPU's cache.

PyTorch's fused kernel is slower than plain matrix products here: heads are narrow (32 to 64 wide),
so that most of the time goes into the scores. Working through a few heads at a time keeps those in
the cache, and one buffer serves all tiles. What a product gives is copied to its place: written
there at once, a place with gaps would have PyTorch multiply one head after another.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.blocks import Block
from graft.models.dropout import keep_factors
from graft.models.tiles import Tile, plan_tiles

LOG2_E = math.log2(math.e)
_FEW_SCORES = 1 << 16
_SAFE_EXPONENT = 64.0  # a sum of 10^10 such exponentials is still a number


def rectangle_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    blocks: list[Block],
    bias: Tensor | None = None,
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
        blocks: Which keys queries see: see `graft.models.blocks`.
        bias: `[sequences or 1, heads or 1, queries or 1, keys]`, added to the scores.
        dropout: Share of the attention weights to drop.
        cap: Scores are kept within plus and minus this, by a tanh, before the bias.
        bounded: `scores_are_bounded`, and the query is scaled by `LOG2_E` as well, because powers
            of two are quicker than exponentials.

    Returns:
        `[sequences, queries, heads, value_size]`.
    """
    if query.device.type != "cpu" or (not bounded and is_small(query, key)):
        parts = [_whole(query, key, value, block, bias, dropout, cap) for block in blocks]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    key_heads = key.shape[2]
    group = query.shape[2] // key_heads
    q, k, v = (_by_key_head(part, key_heads) for part in (query, key, value))
    added = None if bias is None else _bias_by_key_head(bias, key_heads)
    inputs = (q, k, v) if added is None else (q, k, v, added)
    tiles = plan_tiles(q, len(query), key.shape[1], blocks)
    if needs_gradient(*inputs) or dropout:
        output = _Training.apply(q, k, v, added, tiles, dropout, cap)  # type: ignore[no-untyped-call]
    else:
        output = _inference(q, k, v, added, tiles, cap, bounded)
    output = output.view(len(query), key_heads, query.shape[1], group, -1)
    joined: Tensor = output.transpose(1, 2).flatten(2, 3)
    return joined


def _whole(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    block: Block,
    bias: Tensor | None,
    dropout: float,
    cap: float | None,
) -> Tensor:
    """The block's attention in one call."""
    query, key, value = query[:, block.queries], key[:, block.keys], value[:, block.keys]
    added = block.whole_mask
    if bias is not None:
        bias = block.part_of(bias)
        added = bias if added is None else added + bias
    if cap is not None:
        return plain_attention(query, key, value, added, dropout, cap=cap)[0]
    q, k, v = (part.transpose(1, 2) for part in (query, key, value))
    shared = q.shape[1] != k.shape[1]
    output = F.scaled_dot_product_attention(q, k, v, added, dropout, scale=1.0, enable_gqa=shared)
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


def is_small(query: Tensor, key: Tensor) -> bool:
    """Whether calls cost more than what they compute: then PyTorch's one kernel is quickest.

    Args:
        query: `[..., queries, heads, head_size]`, or packed: `[queries, heads, head_size]`.
        key: The same of keys.
    """
    most = query[..., 0].numel() * key.shape[-3]
    return most < _FEW_SCORES and query.device.type == "cpu" and not needs_gradient(query, key)


def needs_gradient(*parts: Tensor) -> bool:
    """Whether a backward pass may come."""
    return torch.is_grad_enabled() and any(part.requires_grad for part in parts)


def _by_key_head(part: Tensor, key_heads: int) -> Tensor:
    """`[sequences, length, heads, size]` to `[sequences * key_heads, length * group, size]`.

    Heads that share keys are as many queries of one head.
    """
    grouped: Tensor = part.unflatten(2, (key_heads, -1)).transpose(1, 2)
    return grouped.flatten(2, 3).flatten(0, 1)


def _bias_by_key_head(bias: Tensor, key_heads: int) -> Tensor:
    """`[sequences or 1, key_heads or 1, queries or 1, group or 1, keys]`, without a copy."""
    parts = (key_heads, -1) if bias.shape[1] > 1 else (1, 1)
    apart: Tensor = bias.unflatten(1, parts).transpose(2, 3)
    return apart


def _inference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    tiles: list[Tile],
    cap: float | None,
    bounded: bool,
) -> Tensor:
    """Bounded scores need no maximum, and dividing by the sum of their exponentials can wait until
    the output: they are passed over twice and not four times."""
    buffer = query.new_empty(max(tile.size for tile in tiles))
    output = query.new_empty(*query.shape[:2], value.shape[2])
    for tile in tiles:
        scores = buffer[: tile.size].view(tile.shape)
        _fill(scores, query, key, tile)
        if cap is not None:
            scores.div_(cap).tanh_().mul_(cap)
        tile.add(scores, bias)
        weights = scores.exp2_() if bounded else torch.softmax(scores, -1, out=scores)
        part = torch.bmm(weights, tile.of_keys(value))
        if bounded:
            part /= weights.sum(-1, keepdim=True)
        tile.of_queries(output).copy_(part)
    return output


def _fill(scores: Tensor, query: Tensor, key: Tensor, tile: Tile) -> None:
    torch.bmm(tile.of_queries(query), tile.of_keys(key).mT, out=scores)


class _Training(torch.autograd.Function):
    """Keeps the weights for backward, as (Vaswani et al., 2017) has it, tile by tile."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        tiles: list[Tile],
        dropout: float,
        cap: float | None,
    ) -> Tensor:
        weights = query.new_empty(tiles[-1].stop)
        capped = None if cap is None else torch.empty_like(weights)
        keep = keep_factors(weights.shape, dropout, weights.dtype) if dropout else None
        output = query.new_empty(*query.shape[:2], value.shape[2])
        for tile in tiles:
            part = tile.of_scores(weights)
            _fill(part, query, key, tile)
            if cap is not None and capped is not None:
                bent = torch.tanh(part.div_(cap), out=tile.of_scores(capped))
                torch.mul(bent, cap, out=part)
            tile.add(part, bias)
            torch.softmax(part, -1, out=part)
            kept = part if keep is None else part * tile.of_scores(keep)
            tile.of_queries(output).copy_(torch.bmm(kept, tile.of_keys(value)))
        ctx.save_for_backward(query, key, value, weights, keep, capped)
        ctx.tiles = tiles
        ctx.bias = bias if bias is not None and bias.requires_grad else None
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        query, key, value, weights, keep, capped = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_query = query.new_empty(query.shape)
        of_key, of_value = key.new_zeros(key.shape), value.new_zeros(value.shape)
        of_bias = None if ctx.bias is None else torch.zeros_like(ctx.bias)
        for tile in ctx.tiles:
            part, of_output = tile.of_scores(weights), tile.of_queries(gradient)
            kept = part if keep is None else part * tile.of_scores(keep)
            tile.of_keys(of_value).add_(torch.bmm(kept.mT, of_output))
            of_weights = torch.bmm(of_output, tile.of_keys(value).mT)
            if keep is not None:
                of_weights *= tile.of_scores(keep)
            of_weights *= part
            of_scores = of_weights.addcmul_(part, of_weights.sum(-1, keepdim=True), value=-1)
            if of_bias is not None:
                tile.add_to_bias(of_bias, of_scores)
            if capped is not None:
                of_scores = torch.ops.aten.tanh_backward(of_scores, tile.of_scores(capped))
            tile.of_queries(of_query).copy_(torch.bmm(of_scores, tile.of_keys(key)))
            tile.of_keys(of_key).add_(torch.bmm(of_scores.mT, tile.of_queries(query)))
        return of_query, of_key, of_value, of_bias, None, None, None
