"""Attention on a CPU wants rectangles: groups of sequences of one length, or nearly one.

A group of equal lengths that lie side by side is a view of the packed tensor and costs nothing.
Where lengths differ a little, a few padded rows cost less than another call, so short sequences
share an island with masked padding. Padding exists inside attention alone, never in the rest of
the model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_CALL_COST = 12_000  # padded score entries that cost as much as one more attention call


@dataclass(frozen=True)
class Island:
    """Sequences that attention handles in one call.

    Attributes:
        rows: `int64[sequences]`, which sequences of the batch they are.
        length: The longest of them, in tokens.
        tokens: `int64[tokens]`, where their tokens stand in the batch; None where the island is the
            range `start:stop` of it.
        start: The first token of the range.
        stop: The end of the range.
        slots: `int64[tokens]`, where each token stands in the `[sequences * length]` rectangle;
            None where the rectangle has no padding.
        mask: `bool[sequences, 1, 1, length]`, true at tokens; None where there is no padding.
    """

    rows: Tensor
    length: int
    tokens: Tensor | None
    start: int
    stop: int
    slots: Tensor | None
    mask: Tensor | None

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return len(self.rows)

    @property
    def size(self) -> int:
        """How many tokens they have together."""
        return self.stop - self.start if self.tokens is None else len(self.tokens)

    def token_index(self) -> Tensor:
        """`int64[tokens]`, where their tokens stand in the batch."""
        return torch.arange(self.start, self.stop) if self.tokens is None else self.tokens


def plan_islands(lengths: Tensor) -> list[Island]:
    """Groups sequences so that calls and padding together cost least, greedily by length.

    Args:
        lengths: `int64[sequences]`, on the CPU.
    """
    order = torch.argsort(lengths, descending=True, stable=True)
    values, counts = torch.unique_consecutive(lengths[order], return_counts=True)
    starts = torch.cumsum(lengths, 0) - lengths
    islands: list[Island] = []
    first = 0
    for size in _group_sizes(values.tolist(), counts.tolist()):
        members = order[first : first + size].sort().values
        islands.append(_island(members, lengths[members], starts[members]))
        first += size
    return sorted(islands, key=lambda island: island.start)


def _group_sizes(values: list[int], counts: list[int]) -> list[int]:
    """Sequences per island, for distinct lengths in falling order and how often each occurs."""
    sizes: list[int] = []
    longest = 0
    for value, count in zip(values, counts, strict=True):
        padding = count * (longest * longest - value * value)
        masking = (sizes[-1] + count) * longest * longest // 4 if sizes else 0
        if sizes and padding + masking <= _CALL_COST:
            sizes[-1] += count
        else:
            sizes.append(count)
            longest = value
    return sizes


def _island(members: Tensor, lengths: Tensor, starts: Tensor) -> Island:
    """The island of some sequences, in the order of the batch, with their lengths and starts."""
    sequences, longest, total = len(lengths), int(lengths.max()), int(lengths.sum())
    start = int(starts[0])
    rows = torch.repeat_interleave(torch.arange(sequences), lengths)
    firsts = torch.cumsum(lengths, 0) - lengths
    within = torch.arange(total) - torch.repeat_interleave(firsts, lengths)
    side_by_side = int(starts[-1] + lengths[-1]) - start == total
    padded = sequences * longest != total
    mask = torch.arange(longest)[None, :] < lengths[:, None]
    return Island(
        rows=members,
        length=longest,
        tokens=None if side_by_side else starts[rows] + within,
        start=start,
        stop=start + total,
        slots=rows * longest + within if padded else None,
        mask=mask[:, None, None, :] if padded else None,
    )
