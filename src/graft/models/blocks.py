"""Which keys queries see, and blocks of queries with the keys that they reach.

A rectangle of long sequences is half masked where tokens see only those before them, and mostly
where they see only those near them. Cut into blocks of queries, each with the keys that one of them
sees, it costs little more than what is seen.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 64  # queries; fewer make matrix products too small, more reach too many keys


@dataclass(frozen=True)
class Block:
    """Queries, and the keys that they reach.

    Attributes:
        queries: Which of each sequence.
        keys: Which of each sequence.
        mask: `[sequences or 1, 1, queries or 1, masked]`, added to the scores: nothing where a key
            is seen, and next to minus infinity where it is not. None where all are seen.
        masked: Which of these keys it is for.
    """

    queries: slice
    keys: slice
    mask: Tensor | None
    masked: slice

    @property
    def size(self) -> tuple[int, int]:
        """How many queries and keys there are."""
        return self.queries.stop - self.queries.start, self.keys.stop - self.keys.start

    @property
    def whole_mask(self) -> Tensor | None:
        """The mask for all of its keys."""
        if self.mask is None:
            return None
        return F.pad(self.mask, (self.masked.start, self.size[1] - self.masked.stop))

    def part_of(self, bias: Tensor) -> Tensor:
        """That of a bias `[..., queries or 1, keys]` of all queries and keys."""
        rows = self.queries if bias.shape[-2] > 1 else slice(None)
        return bias[..., rows, self.keys]


def plan_blocks(queries: int, keys: int, causal: bool, window: int | None) -> list[Block]:
    """Blocks without masks.

    Args:
        queries: How many there are in each sequence.
        keys: The same number, or any where queries see all keys.
        causal: Whether queries see only keys before them.
        window: How far they see, in tokens to each side; None for all.
    """
    before = keys if window is None else window
    after = 0 if causal else before
    # A tail of a few queries goes with the block before it.
    count = max(1, round(queries / _BLOCK)) if before + _BLOCK + after < 2 * keys else 1
    edges = [queries * number // count for number in range(count + 1)]
    blocks = []
    for start, stop in pairwise(edges):
        reached = slice(max(0, start - before), min(keys, stop + after))
        blocks.append(Block(slice(start, stop), reached, None, slice(0, 0)))
    return blocks


def masked(block: Block, seen: Tensor | None, like: Tensor) -> Block:
    """The block with a mask.

    Args:
        block: Without one.
        seen: `bool[sequences or 1, queries or 1, keys]`: which of its keys are seen; None for all.
        like: Of the dtype and device wanted.
    """
    if seen is None or bool(seen.all()):
        return block
    places = (~seen).flatten(0, 1).any(0).nonzero()
    columns = slice(int(places[0]), int(places[-1]) + 1)
    mask = as_bias(seen[:, None, :, columns], like)
    return Block(block.queries, block.keys, mask, columns)


def as_bias(seen: Tensor, like: Tensor) -> Tensor:
    """Zero where `seen`, and elsewhere a number so small that its exponential is zero.

    It is finite, so that a row of padding that sees nothing has weights that are numbers.
    """
    bias = torch.zeros(seen.shape, dtype=like.dtype, device=like.device)
    return bias.masked_fill_(~seen.to(like.device), torch.finfo(like.dtype).min / 2)


def seen_at(distances: Tensor, causal: bool, window: int | None) -> Tensor | None:
    """Which keys are seen at which distance; None where all are.

    Args:
        distances: `int64[...]`, of keys from queries: below zero for keys that come before.
        causal: Whether queries see only keys before them.
        window: How far they see, in tokens to each side; None for all.
    """
    seen = distances <= 0 if causal else None
    if window is not None and int(distances.abs().max()) > window:
        near = distances.abs() <= window
        seen = near if seen is None else seen & near
    return seen
