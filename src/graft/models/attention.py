"""Attention over packed sequences: one interface, several implementations, chosen by device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.blocks import as_bias, seen_at
from graft.models.layout import Island, Layout, Side
from graft.models.rectangle import (
    LOG2_E,
    is_small,
    needs_gradient,
    plain_attention,
    rectangle_attention,
    scores_are_bounded,
)

Bias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From queries `[sequences, queries, heads, size]` (scaled), keys `[sequences, keys, heads, size]`
and the distances of keys from queries `int64[sequences or 1, queries, keys]` to what is added to
the scores: `[sequences or 1, heads or 1, queries, keys]`."""


@dataclass(frozen=True)
class Rules:
    """How the tokens of a sequence see each other.

    Attributes:
        scale: Factor of the scores.
        causal: Whether tokens see only those before them.
        window: How far they see, in tokens to each side; None for all.
        cap: Scores are kept within plus and minus this, by a tanh; None for not.
        bias: What is added to the scores; None for nothing.
        dropout: Share of the attention weights to drop.
        weights: Takes the weights of each sequence, `[heads, queries, keys]`, in the order of the
            batch; None where nobody asks for them.
        implementation: A name in `ATTENTION`; "auto" chooses by device, dtype and rules.
    """

    scale: float
    causal: bool = False
    window: int | None = None
    cap: float | None = None
    bias: Bias | None = None
    dropout: float = 0.0
    weights: list[Tensor] | None = None
    implementation: str = "auto"


Attention = Callable[[Tensor, Tensor, Tensor, Layout, Rules], Tensor]
"""`(query, key, value, layout, rules) -> output`: see `attend`."""


def attend(query: Tensor, key: Tensor, value: Tensor, layout: Layout, rules: Rules) -> Tensor:
    """Scaled dot-product attention in which each token sees tokens of its own sequence.

    Args:
        query: `[queries, heads, head_size]`.
        key: `[keys, key_heads, head_size]`; several heads of queries may share one.
        value: `[keys, key_heads, value_size]`.
        layout: Says which queries and keys belong together.
        rules: Which of these see each other, and how.

    Returns:
        `[queries, heads, value_size]`.

    Raises:
        ModelError: There is no implementation of that name.
    """
    name = rules.implementation
    if rules.weights is not None:
        name = "reference"
    elif name == "auto":
        half = query.dtype in (torch.bfloat16, torch.float16)
        plain = rules.bias is None and rules.cap is None and rules.dropout == 0
        one_width = query.shape[2] == value.shape[2]
        name = "varlen" if query.is_cuda and half and plain and one_width else "islands"
    if name not in ATTENTION:
        raise ModelError(
            f"There is no attention named {name!r}; there is auto, {', '.join(ATTENTION)}. One of "
            "your own goes into graft.models.attention.ATTENTION first."
        )
    return ATTENTION[name](query, key, value, layout, rules)


def islands_attention(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, rules: Rules
) -> Tensor:
    """Rectangles of sequences of one length, or nearly one: see `graft.models.layout`."""
    bounded = (
        query.device.type == "cpu"
        and query.dtype != torch.float16  # whose numbers end at 65504
        and rules.bias is None
        and rules.cap is None
        and not needs_gradient(query, key, value)
        and not is_small(query, key)
        and scores_are_bounded(query, key, rules.scale)
    )
    query = query * (rules.scale * LOG2_E if bounded else rules.scale)
    islands = layout.islands
    queries, keys = [one.queries for one in islands], [one.keys for one in islands]
    order = _order(queries)
    key_order = order if layout.same else _order(keys)
    rectangles = (
        _rectangles(query, queries, order),
        _rectangles(key, keys, key_order),
        _rectangles(value, keys, key_order),
    )
    outputs = []
    for q, k, v, island in zip(*rectangles, islands, strict=True):
        output = _attend_island(q, k, v, island, rules, bounded).flatten(0, 1)
        slots = island.queries.slots
        outputs.append(output if slots is None else output[slots.to(output.device)])
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return joined if order is None else _scatter(joined, order.to(joined.device), len(joined))


def _attend_island(
    q: Tensor, k: Tensor, v: Tensor, island: Island, rules: Rules, bounded: bool
) -> Tensor:
    """Queries, keys and values as `[sequences, length, heads, size]`; the result as the queries."""
    blocks = island.blocks(rules.causal, rules.window, q)
    bias = None if rules.bias is None else rules.bias(q, k, island.distances)
    return rectangle_attention(q, k, v, blocks, bias, rules.dropout, cap=rules.cap, bounded=bounded)


def varlen_attention(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, rules: Rules
) -> Tensor:
    """Flash attention over cumulative starts, on CUDA."""
    if rules.dropout or rules.bias is not None or rules.cap is not None:
        raise ValueError("variable-length flash attention has no dropout, bias or cap")
    from torch.nn.attention.varlen import varlen_attn

    far = -1 if rules.window is None else rules.window
    query_starts, key_starts = layout.starts(query.device)
    output = varlen_attn(
        query,
        key,
        value,
        query_starts,
        key_starts,
        int(layout.query_lengths.max()),
        int(layout.key_lengths.max()),
        scale=rules.scale,
        window_size=(far, 0 if rules.causal else far),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(output, Tensor)  # a tuple only where the log-sum-exp is asked for
    return output


def reference_attention(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, rules: Rules
) -> Tensor:
    """One sequence after another, by the formula: slow, and easy to be sure of."""
    query_lengths, lengths = layout.query_lengths.tolist(), layout.key_lengths.tolist()
    outputs = []
    parts = zip(query.split(query_lengths), key.split(lengths), value.split(lengths), strict=True)
    for q, k, v in ((part[None] for part in sequence) for sequence in parts):
        queries, keys = torch.arange(q.shape[1]), torch.arange(k.shape[1])
        distances = (keys - queries[:, None])[None]
        q = q * rules.scale
        seen = seen_at(distances, rules.causal, rules.window)
        bias = None if seen is None else as_bias(seen[:, None], q)
        if rules.bias is not None:
            added = rules.bias(q, k, distances)
            bias = added if bias is None else bias + added
        output, weights = plain_attention(q, k, v, bias, rules.dropout, cap=rules.cap)
        outputs.append(output[0])
        if rules.weights is not None:
            rules.weights.append(weights[0])
    return torch.cat(outputs)


ATTENTION: dict[str, Attention] = {
    "islands": islands_attention,
    "varlen": varlen_attention,
    "reference": reference_attention,
}
"""Every implementation, by name; add your own, and choose it by `model.attention = name`."""


def _order(sides: list[Side]) -> Tensor | None:
    """Where the islands' tokens stand, one island after another; None: in that order already."""
    if all(side.tokens is None for side in sides):
        return None
    return torch.cat([side.token_index() for side in sides])


def _rectangles(packed: Tensor, sides: list[Side], order: Tensor | None) -> Iterator[Tensor]:
    """Each island's tokens as `[sequences, length, heads, size]`, padding zero."""
    if order is not None:
        packed = packed[order.to(packed.device)]
    for part, side in zip(packed.split([side.size for side in sides]), sides, strict=True):
        shape = len(side.lengths), side.length
        if side.slots is not None:
            part = _scatter(part, side.slots.to(part.device), shape[0] * shape[1])
        yield part.unflatten(0, shape)


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
