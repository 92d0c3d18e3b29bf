"""Which tokens of packed tensors belong together, and the rectangles that attention makes of them.

Attention on a CPU wants rectangles: groups of sequences of one length, or nearly one. A group of
equal lengths that lie side by side is a view of the packed tensor and costs nothing. Where lengths
differ a little, a few padded rows cost less than another call, so short sequences share an island
with masked padding. Padding exists inside attention alone, never in the rest of the model.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from graft.models.blocks import Block, masked, plan_blocks, seen_at

_CALL_COST = 12_000  # padded score entries that cost as much as one more attention call


@dataclass(frozen=True)
class Side:
    """The tokens of an island's sequences in one packed tensor: of queries, or of keys.

    Attributes:
        length: The longest sequence, in tokens.
        lengths: `int64[sequences]`, the tokens of each.
        tokens: `int64[tokens]`, where they stand in the packed tensor; None where they are the
            range `start:stop` of it.
        start: The first token of the range.
        stop: The end of the range.
        slots: `int64[tokens]`, where each token stands in the `[sequences * length]` rectangle;
            None where the rectangle has no padding.
    """

    length: int
    lengths: Tensor
    tokens: Tensor | None
    start: int
    stop: int
    slots: Tensor | None

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self.stop - self.start if self.tokens is None else len(self.tokens)

    def token_index(self) -> Tensor:
        """`int64[tokens]`, where they stand in the packed tensor."""
        return torch.arange(self.start, self.stop) if self.tokens is None else self.tokens

    @cached_property
    def mask(self) -> Tensor | None:
        """`bool[sequences, length]`, true at tokens; None where there is no padding."""
        if self.slots is None:
            return None
        return torch.arange(self.length)[None, :] < self.lengths[:, None]


@dataclass(frozen=True)
class Island:
    """Sequences that attention handles in one call.

    Attributes:
        rows: `int64[sequences]`, which sequences of the batch they are.
        queries: Their queries.
        keys: Their keys; the same object where both are the same tokens.
    """

    rows: Tensor
    queries: Side
    keys: Side

    @cached_property
    def distances(self) -> Tensor:
        """`int64[1, queries, keys]`, how far behind a query each key stands in its sequence."""
        return (torch.arange(self.keys.length) - torch.arange(self.queries.length)[:, None])[None]

    @torch.inference_mode(False)  # kept, and perhaps used in training next
    def blocks(self, causal: bool, window: int | None, like: Tensor) -> list[Block]:
        """Which keys queries see; made once, used by every layer.

        Args:
            causal: Whether queries see only keys before them.
            window: How far they see, in tokens to each side; None for all.
            like: Of the dtype and device wanted.
        """
        known = (causal, window, like.dtype, like.device)
        if known not in self._blocks:
            # On a GPU one call with a mask is quicker than several without.
            cut = like.device.type == "cpu" or window is not None
            sees = (causal, window) if cut and self.queries is self.keys else (False, None)
            self._blocks[known] = [
                masked(block, self._seen(block, causal, window), like)
                for block in plan_blocks(self.queries.length, self.keys.length, *sees)
            ]
        return self._blocks[known]

    @cached_property
    def _blocks(self) -> dict[Any, list[Block]]:
        return {}

    def _seen(self, block: Block, causal: bool, window: int | None) -> Tensor | None:
        distances = self.distances[:, block.queries, block.keys]
        seen = seen_at(distances, causal, window)
        padded = self.keys.mask
        # Who sees nothing behind himself sees no padding either.
        if padded is None or (causal and self.queries is self.keys):
            return seen
        there = padded[:, None, block.keys]
        # What stands behind a sequence sees itself, so that no row sees nothing.
        return there if seen is None else seen & (there | (distances == 0))


@dataclass(frozen=True)
class Layout:
    """The queries and keys of each sequence, in packed tensors of each.

    Attributes:
        query_lengths: `int64[sequences]`, on the CPU.
        key_lengths: `int64[sequences]`, on the CPU; the same object where both are the same tokens.
    """

    query_lengths: Tensor
    key_lengths: Tensor

    @property
    def same(self) -> bool:
        """Whether queries and keys are the same tokens."""
        return self.query_lengths is self.key_lengths

    @cached_property
    def queries(self) -> int:
        """How many there are."""
        return int(self.query_lengths.sum())

    @cached_property
    @torch.inference_mode(False)  # kept, and perhaps used in training next
    def islands(self) -> list[Island]:
        """How the sequences are grouped; made once, used by every layer."""
        return plan_islands(self.key_lengths, None if self.same else self.query_lengths)

    @torch.inference_mode(False)  # kept, and perhaps used in training next
    def starts(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Where each sequence's queries start, and its keys; made once, used by every layer.

        Returns:
            `int32[sequences + 1]` each, on the device; the last is their number.
        """
        if device not in self._starts:
            kinds = [self.query_lengths] if self.same else [self.query_lengths, self.key_lengths]
            starts = [_starts(lengths).to(device) for lengths in kinds]
            self._starts[device] = starts[0], starts[-1]
        return self._starts[device]

    @cached_property
    def _starts(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}


def _starts(lengths: Tensor) -> Tensor:
    return torch.nn.functional.pad(torch.cumsum(lengths, 0, dtype=torch.int32), (1, 0))


def plan_islands(lengths: Tensor, query_lengths: Tensor | None = None) -> list[Island]:
    """Groups sequences so that calls and padding together cost least, greedily by length.

    Args:
        lengths: `int64[sequences]`, tokens of each sequence's keys, on the CPU.
        query_lengths: The same of its queries, where these are others.
    """
    if len(lengths) == 1:  # as a server has it: planning would take a tenth of the answer's time
        keys = _side_of_one(lengths)
        queries = keys if query_lengths is None else _side_of_one(query_lengths)
        return [Island(torch.zeros(1, dtype=torch.int64), queries, keys)]
    order = torch.argsort(lengths, descending=True, stable=True)
    values, counts = torch.unique_consecutive(lengths[order], return_counts=True)
    starts = torch.cumsum(lengths, 0) - lengths
    query_starts = None if query_lengths is None else torch.cumsum(query_lengths, 0) - query_lengths
    islands: list[Island] = []
    first = 0
    for size in _group_sizes(values.tolist(), counts.tolist()):
        members = order[first : first + size].sort().values
        keys = queries = _side(lengths[members], starts[members])
        if query_lengths is not None and query_starts is not None:
            queries = _side(query_lengths[members], query_starts[members])
        islands.append(Island(members, queries, keys))
        first += size
    return sorted(islands, key=lambda island: island.keys.start)


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


def _side_of_one(lengths: Tensor) -> Side:
    """The tokens of a sequence that is the only one."""
    length = int(lengths)
    return Side(length, lengths, tokens=None, start=0, stop=length, slots=None)


def _side(lengths: Tensor, starts: Tensor) -> Side:
    """The tokens of some sequences, in the order of the batch, by their lengths and starts."""
    sequences, longest, total = len(lengths), int(lengths.max()), int(lengths.sum())
    start = int(starts[0])
    rows = torch.repeat_interleave(torch.arange(sequences), lengths)
    firsts = torch.cumsum(lengths, 0) - lengths
    within = torch.arange(total) - torch.repeat_interleave(firsts, lengths)
    side_by_side = int(starts[-1] + lengths[-1]) - start == total
    return Side(
        length=longest,
        lengths=lengths,
        tokens=None if side_by_side else starts[rows] + within,
        start=start,
        stop=start + total,
        slots=rows * longest + within if sequences * longest != total else None,
    )
