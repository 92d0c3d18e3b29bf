"""Attention over packed sequences: one interface, several implementations, chosen by device."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from graft.models.batch import Batch
from graft.models.islands import Island

Attention = Callable[[Tensor, Batch, float], Tensor]
"""`(qkv: [tokens, 3, heads, head_size], batch, dropout) -> [tokens, heads, head_size]`."""


def attend(qkv: Tensor, batch: Batch, dropout: float = 0.0) -> Tensor:
    """Scaled dot-product attention in which each token sees the tokens of its own sequence.

    Args:
        qkv: `[tokens, 3, heads, head_size]`, queries, keys and values.
        batch: Says which tokens belong together.
        dropout: Share of the attention weights to drop.

    Returns:
        `[tokens, heads, head_size]`.
    """
    half = qkv.dtype in (torch.bfloat16, torch.float16)
    name = "varlen" if qkv.is_cuda and half and dropout == 0 else "islands"
    return ATTENTION[name](qkv, batch, dropout)


def islands_attention(qkv: Tensor, batch: Batch, dropout: float) -> Tensor:
    """Rectangles of sequences of one length, or nearly one: see `graft.models.islands`."""
    islands = batch.islands
    if all(island.tokens is None for island in islands):
        parts = qkv.split([island.stop - island.start for island in islands])
        outputs = [_island(p, i, dropout) for p, i in zip(parts, islands, strict=True)]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    order = torch.cat([_members(island) for island in islands]).to(qkv.device)
    parts = qkv[order].split([len(_members(island)) for island in islands])
    outputs = [_island(p, i, dropout) for p, i in zip(parts, islands, strict=True)]
    return _scatter(torch.cat(outputs), order, len(order))


def varlen_attention(qkv: Tensor, batch: Batch, dropout: float) -> Tensor:
    """Flash attention over cumulative starts, on CUDA."""
    if dropout:
        raise ValueError("variable-length flash attention has no dropout")
    from torch.nn.attention.varlen import varlen_attn

    starts = batch.starts.to(torch.int32)
    query, key, value = qkv.unbind(1)
    longest = batch.max_length
    output = varlen_attn(query, key, value, starts, starts, longest, longest)
    assert isinstance(output, Tensor)  # a tuple only where the log-sum-exp is asked for
    return output


def reference_attention(qkv: Tensor, batch: Batch, dropout: float) -> Tensor:
    """One sequence after another, by the formula: slow, and easy to be sure of."""
    outputs = []
    for part in qkv.split(batch.lengths.tolist()):
        query, key, value = part.permute(1, 2, 0, 3)
        weights = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1)
        outputs.append((F.dropout(weights, dropout) @ value).transpose(0, 1))
    return torch.cat(outputs)


ATTENTION: dict[str, Attention] = {
    "islands": islands_attention,
    "varlen": varlen_attention,
    "reference": reference_attention,
}


def _members(island: Island) -> Tensor:
    return torch.arange(island.start, island.stop) if island.tokens is None else island.tokens


def _island(qkv: Tensor, island: Island, dropout: float) -> Tensor:
    """Attention of one island: `[tokens of the island, 3, heads, head_size]` to the same less 3."""
    shape = (island.sequences, island.length, *qkv.shape[1:])
    mask = None
    if island.slots is not None and island.mask is not None:
        slots = island.slots.to(qkv.device)
        qkv = _scatter(qkv, slots, island.sequences * island.length)
        mask = island.mask.to(qkv.device)
    query, key, value = qkv.view(shape).permute(2, 0, 3, 1, 4)
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    output = output.transpose(1, 2).reshape(-1, *output.shape[1:2], output.shape[-1])
    return output if mask is None else output[slots]


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
