"""From the states of a sequence's tokens to one."""

import torch
from torch import Tensor

from graft.models.batch import Batch
from graft.models.config import Pooling


def pooled(hidden: Tensor, batch: Batch, how: Pooling) -> Tensor:
    """One state a sequence.

    Args:
        hidden: `[tokens, hidden]`.
        batch: The sequences.
        how: Of its "first" or "last" token; the "mean" of all; the largest of all ("max"); their
            sum over the root of their number ("mean_sqrt"); or their mean where each counts as
            often as its place, 1 for the first ("weighted"; Muennighoff, 2022).

    Returns:
        `[sequences, hidden]`.
    """
    if how == "first":
        return hidden[batch.starts[:-1]]
    if how == "last":
        return hidden[batch.starts[1:] - 1]
    lengths = batch.lengths.to(hidden.device)[:, None]
    if how == "max":
        return torch.segment_reduce(hidden, "max", lengths=lengths.flatten(), axis=0)
    if how == "weighted":
        places = (batch.positions + 1)[:, None]
        total, count = _sums(hidden * places.to(hidden.dtype), batch), lengths * (lengths + 1) / 2
    else:
        total, count = _sums(hidden, batch), lengths.sqrt() if how == "mean_sqrt" else lengths
    return (total / count).to(hidden.dtype)


def _sums(hidden: Tensor, batch: Batch) -> Tensor:
    """The sum of each sequence's states, in float32 or better."""
    lengths = batch.lengths.to(hidden.device)
    rows = torch.arange(len(batch), device=hidden.device).repeat_interleave(
        lengths, output_size=batch.tokens
    )
    wide = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    return wide.new_zeros(len(batch), hidden.shape[1]).index_add(0, rows, wide)
