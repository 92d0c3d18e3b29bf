"""Packed sequences in order of time, as networks read them that go from token to token."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TimeOrder:
    """Where the tokens of packed sequences stand when all first tokens come first, then all second
    ones, and so on; at each position the sequences follow each other from the longest down.

    The sequences that reach a position are thus always the first ones of those that reached the
    one before, and there is no padding. PyTorch's `PackedSequence` has the same order.

    Attributes:
        sizes: `int64[longest]`, on the CPU: how many sequences reach each position.
        ranks: `int64[sequences]`, the place of each sequence among them, by length.
        slots: `int64[tokens]`, where each token stands in order of time.
        tokens: `int64[tokens]`, which token stands at each place.
        rows: `int64[tokens]`, the rank of the sequence of the token at each place.
    """

    sizes: Tensor
    ranks: Tensor
    slots: Tensor
    tokens: Tensor
    rows: Tensor

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device) -> "TimeOrder":
        """The order of sequences.

        Args:
            lengths: `int64[sequences]`, of 1 or more, on the CPU.
            device: Where the indices are wanted.
        """
        order = torch.argsort(lengths, descending=True, stable=True)
        ranks = torch.empty_like(order)
        ranks[order] = torch.arange(len(order))
        # Of the sequences, all but those that are no longer than a position reach it.
        ended = torch.bincount(lengths).cumsum(0)[:-1]
        sizes = len(lengths) - ended
        starts = lengths.cumsum(0) - lengths
        positions = torch.arange(int(lengths.sum())) - starts.repeat_interleave(lengths)
        slots = (sizes.cumsum(0) - sizes)[positions] + ranks.repeat_interleave(lengths)
        tokens = torch.empty_like(slots)
        tokens[slots] = torch.arange(len(slots))
        rows = ranks.repeat_interleave(lengths)[tokens]
        return cls(sizes, *(index.to(device) for index in (ranks, slots, tokens, rows)))
