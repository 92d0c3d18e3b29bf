"""Attention over packed sequences: one interface, several implementations, chosen by device.

`query` may have a row for every token, or one for every sequence: its first token alone, where
nothing after the layer reads the others.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.batch import Batch
from graft.models.islands import Island
from graft.models.rectangle import (
    LOG2_E,
    needs_gradient,
    rectangle_attention,
    scores_are_bounded,
)

Attention = Callable[[Tensor, Tensor, Tensor, Batch, float], Tensor]
"""`(query, key, value, batch, dropout) -> output`: see `attend`."""


def attend(query: Tensor, key: Tensor, value: Tensor, batch: Batch, dropout: float = 0.0) -> Tensor:
    """Scaled dot-product attention in which each token sees the tokens of its own sequence.

    Args:
        query: `[tokens, heads, head_size]`, or `[sequences, heads, head_size]`: first tokens only.
        key: `[tokens, heads, head_size]`; with one head, all queries share it (not by "varlen").
        value: As `key`.
        batch: Says which tokens belong together.
        dropout: Share of the attention weights to drop.

    Returns:
        The shape of `query`.
    """
    half = query.dtype in (torch.bfloat16, torch.float16)
    name = "varlen" if query.is_cuda and half and dropout == 0 else "islands"
    return ATTENTION[name](query, key, value, batch, dropout)


def islands_attention(
    query: Tensor, key: Tensor, value: Tensor, batch: Batch, dropout: float
) -> Tensor:
    """Rectangles of sequences of one length, or nearly one: see `graft.models.islands`."""
    firsts_only = len(query) != batch.tokens
    scale = query.shape[-1] ** -0.5
    bounded = (
        query.device.type == "cpu"
        and not needs_gradient(query, key, value)
        and scores_are_bounded(query, key, scale)
    )
    query = query * (scale * LOG2_E if bounded else scale)
    islands, device = batch.islands, query.device
    orders = [island.rows if firsts_only else island.tokens for island in islands]
    in_place = all(order is None for order in orders)
    order = torch.cat([island.token_index() for island in islands]).to(device)
    rows = torch.cat([island.rows for island in islands]).to(device) if firsts_only else order
    if not in_place:
        query = query[rows]
    if any(island.tokens is not None for island in islands):
        key, value = key[order], value[order]
    sizes = [island.size for island in islands]
    query_sizes = [island.sequences for island in islands] if firsts_only else sizes
    parts = zip(
        query.split(query_sizes), key.split(sizes), value.split(sizes), islands, strict=True
    )
    outputs = [_island(q, k, v, island, dropout, bounded) for q, k, v, island in parts]
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return output if in_place else _scatter(output, rows, len(rows))


def varlen_attention(
    query: Tensor, key: Tensor, value: Tensor, batch: Batch, dropout: float
) -> Tensor:
    """Flash attention over cumulative starts, on CUDA."""
    if dropout:
        raise ValueError("variable-length flash attention has no dropout")
    from torch.nn.attention.varlen import varlen_attn

    starts = batch.starts.to(torch.int32)
    longest = batch.max_length
    query_starts, query_longest = starts, longest
    if len(query) != batch.tokens:
        query_starts = torch.arange(len(batch) + 1, dtype=torch.int32, device=query.device)
        query_longest = 1
    output = varlen_attn(query, key, value, query_starts, starts, query_longest, longest)
    assert isinstance(output, Tensor)  # a tuple only where the log-sum-exp is asked for
    return output


def reference_attention(
    query: Tensor, key: Tensor, value: Tensor, batch: Batch, dropout: float
) -> Tensor:
    """One sequence after another, by the formula: slow, and easy to be sure of."""
    lengths = batch.lengths.tolist()
    query_lengths = lengths if len(query) == batch.tokens else [1] * len(lengths)
    outputs = []
    parts = zip(query.split(query_lengths), key.split(lengths), value.split(lengths), strict=True)
    for q, k, v in parts:
        scores = torch.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
        weights = F.dropout(torch.softmax(scores, dim=-1), dropout)
        outputs.append(torch.einsum("hqk,khd->qhd", weights, v))
    return torch.cat(outputs)


ATTENTION: dict[str, Attention] = {
    "islands": islands_attention,
    "varlen": varlen_attention,
    "reference": reference_attention,
}


def _island(
    query: Tensor, key: Tensor, value: Tensor, island: Island, dropout: float, bounded: bool
) -> Tensor:
    """Attention of one island's tokens: in and out `[tokens, heads, head_size]`."""
    firsts_only = len(query) != len(key)
    mask = slots = None
    if island.slots is not None and island.mask is not None:
        slots, mask = island.slots.to(query.device), island.mask.to(query.device)
        size = island.sequences * island.length
        key, value = _scatter(key, slots, size), _scatter(value, slots, size)
        if not firsts_only:
            query = _scatter(query, slots, size)
    q, k, v = (part.unflatten(0, (island.sequences, -1)) for part in (query, key, value))
    shared = q.shape[2] != k.shape[2]
    if shared:
        q = q.transpose(1, 2)  # heads that share keys are as many queries of one head
    output = rectangle_attention(q, k, v, mask, dropout, bounded=bounded)
    output = (output.transpose(1, 2) if shared else output).flatten(0, 1)
    return output if slots is None or firsts_only else output[slots]


def _scatter(rows: Tensor, places: Tensor, size: int) -> Tensor:
    """Puts rows at their places in a tensor of `size` rows that is zero elsewhere."""
    output: Tensor = _Scatter.apply(rows, places, size)  # type: ignore[no-untyped-call]
    return output


class _Scatter(torch.autograd.Function):
    """Backward is a plain gather, where autograd's own would be a slow accumulation."""

    @staticmethod
    def forward(ctx, rows: Tensor, places: Tensor, size: int) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(places)
        output = rows.new_zeros(size, *rows.shape[1:])
        return output.index_copy_(0, places, rows)

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        (places,) = ctx.saved_tensors
        return gradient.index_select(0, places), None, None
