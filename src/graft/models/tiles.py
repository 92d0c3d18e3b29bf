"""Tiles: a few heads of a block of queries at a time, so that their scores fit the CPU's cache."""

from dataclasses import dataclass

from torch import Tensor

from graft.models.blocks import Block

_TILE_BYTES = 8 << 20  # of a tile's scores


@dataclass(frozen=True)
class Tile:
    """Scores that are made together.

    Attributes:
        sequences: Which sequences of the rectangle.
        heads: Which heads of keys.
        rows: The same as rows of `[sequences * key_heads, ...]`.
        block: Which queries and keys of these.
        group: How many heads of queries share one of keys.
        start: Where the tile begins in memory that holds the scores of all tiles.
        shape: Of the scores: `(sequences * heads, queries * group, keys)`.
        alone: Whether it is the only one, and has all there is.
    """

    sequences: slice
    heads: slice
    rows: slice
    block: Block
    group: int
    start: int
    shape: tuple[int, int, int]
    alone: bool

    @property
    def size(self) -> int:
        """How many scores."""
        rows, queries, keys = self.shape
        return rows * queries * keys

    @property
    def stop(self) -> int:
        """Where the next tile begins."""
        return self.start + self.size

    def of_queries(self, whole: Tensor) -> Tensor:
        """Its queries of `[sequences * key_heads, queries * group, size]`."""
        if self.alone:
            return whole
        first, last = self.block.queries.start, self.block.queries.stop
        return whole[self.rows, first * self.group : last * self.group]

    def of_keys(self, whole: Tensor) -> Tensor:
        """Its keys of `[sequences * key_heads, keys, size]`."""
        return whole if self.alone else whole[self.rows, self.block.keys]

    def of_scores(self, all_scores: Tensor) -> Tensor:
        """Its scores in the memory that holds those of all tiles."""
        return all_scores[self.start : self.stop].view(self.shape)

    def add(self, scores: Tensor, bias: Tensor | None) -> None:
        """Adds bias and mask to its scores.

        Args:
            scores: Of its shape.
            bias: `[sequences or 1, key_heads or 1, queries or 1, group or 1, keys]`.
        """
        if bias is None and self.block.mask is None:
            return
        apart = self._apart(scores)
        if bias is not None:
            apart += self._of_bias(bias)
        if self.block.mask is not None:
            mask = self.block.mask
            mask = mask[self.sequences] if len(mask) > 1 else mask
            apart[..., self.block.masked] += mask[:, :, :, None]

    def add_to_bias(self, of_bias: Tensor, of_scores: Tensor) -> None:
        """Adds what its scores give to the gradient of the bias."""
        part = self._of_bias(of_bias)
        part += self._apart(of_scores).sum_to_size(part.shape)

    def _apart(self, scores: Tensor) -> Tensor:
        """`[sequences, key_heads, queries, group, keys]`."""
        heads = self.heads.stop - self.heads.start
        return scores.view(-1, heads, scores.shape[1] // self.group, self.group, scores.shape[2])

    def _of_bias(self, bias: Tensor) -> Tensor:
        """Its part of a bias that is as large as all, or one, of each kind."""
        kinds = (self.sequences, self.heads, self.block.queries)
        sizes = zip(kinds, bias.shape[:3], strict=True)
        parts = (kind if size > 1 else slice(None) for kind, size in sizes)
        return bias[(*parts, slice(None), self.block.keys)]


def plan_tiles(query: Tensor, sequences: int, keys: int, blocks: list[Block]) -> list[Tile]:
    """All tiles of a rectangle.

    Args:
        query: `[sequences * key_heads, queries * group, size]`.
        sequences: How many there are.
        keys: In each of them.
        blocks: Of the queries; together they have all of them.
    """
    heads, group = len(query) // sequences, query.shape[1] // blocks[-1].queries.stop
    tiles: list[Tile] = []
    start = 0
    for block in blocks:
        queries, reached = block.size
        room = max(1, _TILE_BYTES // (queries * group * reached * query.element_size()))
        for part, columns in _parts(sequences, heads, room):
            rows = slice(part.start * heads + columns.start, (part.stop - 1) * heads + columns.stop)
            shape = (rows.stop - rows.start, queries * group, reached)
            alone = shape == (len(query), query.shape[1], keys)
            tiles.append(Tile(part, columns, rows, block, group, start, shape, alone))
            start = tiles[-1].stop
    return tiles


def _parts(sequences: int, heads: int, room: int) -> list[tuple[slice, slice]]:
    """Whole sequences, as many as there is room for, or else some heads of each."""
    if room >= heads:
        whole = slice(0, heads)
        return [(rows, whole) for rows in _steps(sequences, room // heads)]
    ones = _steps(sequences, 1)
    return [(row, columns) for row in ones for columns in _steps(heads, room)]


def _steps(count: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
