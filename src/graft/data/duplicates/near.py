"""Texts that say almost the same as an earlier one: found by bands, held to their runs of words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.cache import EntryWriter
from graft.data.duplicates.minhash import Bands
from graft.data.duplicates.shingles import Hashes, shingles_of
from graft.data.tokens.lists import ListColumn, lists_of

Rows = npt.NDArray[np.int64]
Read = Callable[[Rows | None], Iterator[pa.Array]]
"""Reads the texts of these rows, in ascending order, or of all: an array at a time."""

_BANDS, _RUNS = "bands", "runs"
_AT_A_TIME = 1024


@dataclass(frozen=True)
class Near:
    """Rows whose text is like that of an earlier one, which is not among them.

    Attributes:
        rows: `int64[found]`, ascending.
        of: `int64[found]`, the first row that each is like.
        similarity: `float32[found]`, the Jaccard similarity of the two.
    """

    rows: Rows
    of: Rows
    similarity: npt.NDArray[np.float32]


def near_duplicates(read: Read, rows: int, near: float, words: int, writer: EntryWriter) -> Near:
    """The rows whose text is at least `near` alike to that of an earlier row that stays.

    Args:
        read: reads the texts.
        rows: how many there are.
        near: the Jaccard similarity of the sets of their runs of words, above 0 up to 1.
        words: how many words a run has.
        writer: keeps what is needed on the way, so that memory holds a few bytes a row.
    """
    bands = Bands.for_similarity(near)
    digests = _digests(read, bands, words, writer)
    suspects, buckets = _suspects(digests, rows)
    writer.remove(_BANDS)
    del digests
    runs = _Runs(_runs(read, suspects, words, writer))
    kept: dict[int, list[int]] = {}
    found: list[tuple[int, int, float]] = []
    for number in range(len(suspects)):
        own = [bucket for bucket in buckets[number].tolist() if bucket >= 0]
        earlier = {other for bucket in own for other in kept.get(bucket, ())}
        like = runs.first_like(number, np.array(sorted(earlier), np.int64), near)
        if like is None:
            for bucket in own:
                kept.setdefault(bucket, []).append(number)
        else:
            found.append((number, *like))
    writer.remove(_RUNS)
    return Near(
        suspects[[number for number, _, _ in found]],
        suspects[[other for _, other, _ in found]],
        np.array([similarity for _, _, similarity in found], np.float32),
    )


def _digests(read: Read, bands: Bands, words: int, writer: EntryWriter) -> pa.Table:
    schema = pa.schema([(str(band), pa.uint64()) for band in range(bands.count)])
    with writer.table(_BANDS, schema) as table:
        for texts in read(None):
            digests = bands.digests(shingles_of(texts, words))
            table.write(pa.RecordBatch.from_arrays([*map(pa.array, digests)], schema=schema))
    return writer.read(_BANDS)


def _suspects(digests: pa.Table, rows: int) -> tuple[Rows, npt.NDArray[np.int32]]:
    """The rows that share a band with another: [suspects]; and which: [suspects, bands], or -1.

    Bands with equal digests are a bucket, and buckets are numbered over all bands.
    """
    shares = np.zeros(rows, np.bool_)
    for column in digests.columns:
        shares |= _buckets(column.to_numpy()) >= 0
    suspects = np.flatnonzero(shares)
    buckets = np.empty((len(suspects), digests.num_columns), np.int32)
    count = 0
    for number, column in enumerate(digests.columns):
        own = _buckets(column.to_numpy()[suspects])
        buckets[:, number] = np.where(own >= 0, own + count, -1)
        count += int(own.max(initial=-1)) + 1
    return suspects, buckets


def _buckets(digests: Hashes) -> npt.NDArray[np.int64]:
    """The bucket of each digest, from 0, -1 for those that are alone: [digests]."""
    _, bucket, counts = np.unique(digests, return_inverse=True, return_counts=True)
    shared = counts > 1
    return np.where(shared, np.cumsum(shared) - 1, -1)[bucket]


def _runs(read: Read, suspects: Rows, words: int, writer: EntryWriter) -> pa.Table:
    schema = pa.schema([(_RUNS, pa.list_(pa.uint64()))])
    with writer.table(_RUNS, schema) as table:
        for texts in read(suspects):
            runs = shingles_of(texts, words).distinct()
            lists = lists_of(runs.offsets, runs.hashes)
            table.write(pa.RecordBatch.from_arrays([lists], schema=schema))
    return writer.read(_RUNS)


class _Runs:
    """The runs of words of each text, in the memory-mapped file that holds them."""

    def __init__(self, table: pa.Table) -> None:
        self._lists = ListColumn(table.column(_RUNS), _RUNS)

    def first_like(self, number: int, others: Rows, near: float) -> tuple[int, float] | None:
        """The first of `others` that is at least `near` alike to a text, and how much it is."""
        lengths = self._lists.lengths
        own, theirs = lengths[number], lengths[others]
        # Sets of too different sizes cannot have enough in common.
        others = others[np.minimum(own, theirs) >= near * np.maximum(own, theirs)]
        if len(others) == 0:
            return None
        mine = self._lists.gather(np.array([number]), np.uint64)
        for start in range(0, len(others), _AT_A_TIME):
            some = others[start : start + _AT_A_TIME]
            counts = lengths[some]
            runs = self._lists.gather(some, np.uint64)
            places = np.minimum(np.searchsorted(mine, runs), len(mine) - 1)
            firsts = np.cumsum(counts) - counts
            common = np.add.reduceat((mine[places] == runs).astype(np.int64), firsts)
            similarity = common / (own + counts - common)
            like = np.flatnonzero(similarity >= near)
            if len(like):
                return int(some[like[0]]), float(similarity[like[0]])
        return None
