"""Choosing rows at random, in proportion to the classes."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.roles import is_list
from graft.errors import DataError

Rows = npt.NDArray[np.int64]


def groups_of(column: pa.ChunkedArray) -> Rows:
    """The number of the group that each row belongs to, from 0: int64 [rows].

    Equal values are a group, and so are missing ones. A row with several labels belongs to the
    group of the rarest of them, so that rare labels are not lost among frequent ones.

    Raises `DataError` for values that cannot be told apart so: records, lists of lists.
    """
    if is_list(column.type):
        column = _rarest(column)
    return _codes(column)


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
    return drawn(groups, quotas, seed)


def drawn(groups: Rows, quotas: Rows, seed: int) -> Rows:
    """Row numbers in ascending order, drawn at random: as many of each group as `quotas` says.

    Args:
        groups: The group of each row, from 0: [rows].
        quotas: How many rows of each group: [groups], none more than it has.
        seed: The same seed gives the same rows.
    """
    by_group, places = shuffled_groups(groups, seed)
    counts = np.bincount(groups, minlength=len(quotas))
    return np.sort(by_group[places < np.repeat(quotas, counts)])


def shuffled_groups(groups: Rows, seed: int) -> tuple[Rows, Rows]:
    """The rows of the first group, the second, ..., each in an order drawn at random.

    Returns the row numbers and the place of each within its group, from 0: [rows] both.
    """
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    counts = np.bincount(groups)
    return by_group, np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)


def with_every_class(rows: Rows, column: pa.ChunkedArray) -> Rows:
    """`rows`, and for each label of a column of lists that they lack, the first row that has it."""
    parents = np.asarray(pc.list_parent_indices(column.combine_chunks()))
    labels = np.asarray(pc.list_flatten(column).combine_chunks())
    every, first = np.unique(labels, return_index=True)
    kept = np.isin(parents, rows)
    lacking = ~np.isin(every, labels[kept])
    return np.union1d(rows, parents[first[lacking]])


def _codes(column: pa.ChunkedArray) -> Rows:
    """Equal values as equal numbers, in the order in which they first occur."""
    try:
        encoded = pc.dictionary_encode(column, null_encoding="encode")
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"Rows cannot be grouped by values of {column.type}. Give a column of texts, numbers "
            "or classes, or lists of those."
        ) from error
    chunks = [np.asarray(chunk.indices).astype(np.int64) for chunk in encoded.chunks]
    return np.concatenate([np.zeros(0, np.int64), *chunks])


def _rarest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).combine_chunks())
    labels = _codes(pc.list_flatten(column))
    counts = np.bincount(labels) if len(labels) else np.zeros(1, np.int64)
    order = np.lexsort((counts[labels], np.repeat(np.arange(len(lengths)), lengths)))
    starts = (np.cumsum(lengths) - lengths)[lengths > 0]
    rarest = np.full(len(lengths), -1, np.int64)
    rarest[lengths > 0] = labels[order[starts]]
    return pa.chunked_array([pa.array(rarest)])
