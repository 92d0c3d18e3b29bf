"""Attention of tokens that see only those near them: blocks of queries, and the keys they reach.

A rectangle of long sequences would be mostly masked. Cut into blocks it is a rectangle of more and
shorter ones, and what it costs grows with the length and not with its square.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 128  # queries; fewer make matrix products too small, more reach too many keys


@dataclass(frozen=True)
class Window:
    """How far tokens see.

    Attributes:
        before: Tokens before.
        after: Tokens after; 0 where tokens see only those before them.
    """

    before: int
    after: int

    @property
    def keys(self) -> int:
        """How many keys a block of queries reaches."""
        return self.before + _BLOCK + self.after

    def saves(self, length: int) -> bool:
        """Whether blocks are cheaper than the rectangle, for sequences of a length."""
        return length >= 2 * self.keys

    def cut_queries(self, queries: Tensor) -> Tensor:
        """`[sequences, length, heads, size]` to `[sequences * blocks, block, heads, size]`."""
        padded = F.pad(queries, (0, 0, 0, 0, 0, -queries.shape[1] % _BLOCK))
        blocks: Tensor = padded.unflatten(1, (-1, _BLOCK))
        return blocks.flatten(0, 1)

    def cut_keys(self, keys: Tensor) -> Tensor:
        """`[sequences, length, heads, size]` to `[sequences * blocks, reached, heads, size]`."""
        tail = -keys.shape[1] % _BLOCK + self.after
        padded = F.pad(keys, (0, 0, 0, 0, self.before, tail))
        return padded.unfold(1, self.keys, _BLOCK).permute(0, 1, 4, 2, 3).flatten(0, 1)

    def join(self, blocks: Tensor, length: int) -> Tensor:
        """`[sequences * blocks, block, heads, size]` to `[sequences, length, heads, size]`."""
        count = -(-length // _BLOCK)
        joined: Tensor = blocks.unflatten(0, (-1, count)).flatten(1, 2)
        return joined[:, :length]

    def seen(self, lengths: Tensor, length: int) -> Tensor:
        """Which keys each query of a block sees.

        Args:
            lengths: `int64[sequences]`, tokens of each.
            length: Of the rectangle.

        Returns:
            `bool[sequences * blocks, block, reached]`. What stands behind a sequence sees itself,
            so that no row sees nothing.
        """
        distances = torch.arange(self.keys) - self.before - torch.arange(_BLOCK)[:, None]
        near = seen_at(distances, self.after < self.before, self.before)
        assert near is not None  # a block reaches farther than its tokens see
        places = torch.arange(0, length, _BLOCK)[:, None] - self.before + torch.arange(self.keys)
        there = (places >= 0) & (places < lengths[:, None, None])
        seen = near & (there.flatten(0, 1)[:, None] | (distances == 0))
        return seen


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
