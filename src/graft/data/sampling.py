"""Choosing rows at random, in proportion to the classes."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.roles import is_list

Rows = npt.NDArray[np.int64]


def groups_of(column: pa.ChunkedArray) -> Rows:
    """The number of the group that each row belongs to, from 0: int64 [rows].

    Equal values are a group, and so are missing ones. A row with several labels belongs to the
    group of the rarest of them, so that rare labels are not lost among frequent ones.
    """
    if is_list(column.type):
        column = _rarest(column)
    codes = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode").indices
    return np.asarray(codes.cast(pa.int64()))


def stratified_sample(groups: Rows, size: int, seed: int, *, keep: int = 0, leave: int = 0) -> Rows:
    """`size` row numbers in ascending order, drawn from each group in proportion to its rows.

    At least `keep` rows are drawn from each group, and at least `leave` are left there, where it
    has that many; so the number of rows can differ from `size`.
    """
    counts = np.bincount(groups)
    exact = counts * (size / len(groups))
    quotas = np.floor(exact).astype(np.int64)
    rest = size - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:rest]] += 1
    quotas = np.minimum(quotas, np.maximum(counts - leave, 0))
    quotas = np.maximum(quotas, np.minimum(keep, counts))

    shuffled = np.random.default_rng(seed).permutation(len(groups))
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    place_in_group = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_group[place_in_group < np.repeat(quotas, counts)])


def with_every_class(rows: Rows, column: pa.ChunkedArray) -> Rows:
    """`rows`, and for each label of a column of lists that they lack, the first row that has it."""
    parents = np.asarray(pc.list_parent_indices(column.combine_chunks()))
    labels = np.asarray(pc.list_flatten(column).combine_chunks())
    every, first = np.unique(labels, return_index=True)
    kept = np.isin(parents, rows)
    lacking = ~np.isin(every, labels[kept])
    return np.union1d(rows, parents[first[lacking]])


def _rarest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).combine_chunks())
    labels = np.asarray(pc.list_flatten(column).combine_chunks())
    counts = np.bincount(labels) if len(labels) else np.zeros(1, np.int64)
    order = np.lexsort((counts[labels], np.repeat(np.arange(len(lengths)), lengths)))
    starts = (np.cumsum(lengths) - lengths)[lengths > 0]
    rarest = np.full(len(lengths), -1, np.int64)
    rarest[lengths > 0] = labels[order[starts]]
    return pa.chunked_array([pa.array(rarest)])
