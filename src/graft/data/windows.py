"""Long texts as several rows, and what is known of the rows brought together again."""

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.tokens.names import OFFSETS, SOURCE_ROW, WORD_IDS
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

Together = Literal["mean", "max", "first", "sum"]
"""How the values of a text's windows become one."""

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.number[Any]]


def source_rows(dataset: "Dataset") -> Ints:
    """The row of the data set that was tokenized, for every row: `int64[rows]`.

    Raises `DataError` where texts were not cut into windows: each row is of the row of its number.
    """
    if SOURCE_ROW not in dataset.column_names:
        raise DataError(
            f"{dataset.source} has no windows: there is no column {SOURCE_ROW!r}. They come from "
            "tokenize(..., max_length=..., stride=...)."
        )
    rows: Ints = dataset.column(SOURCE_ROW).to_numpy()
    return rows


def windows_of_texts(sources: Ints, texts: int | None = None) -> tuple[Ints, Ints]:
    """The windows of each text.

    Args:
        sources: `int64[windows]`, the text that each is of, in any order.
        texts: How many texts there are; by default up to the last one that has a window.

    Returns:
        `offsets: int64[texts + 1]` and `windows: int64[windows]`: those of text `i` are
        `windows[offsets[i]:offsets[i + 1]]`, in their order.
    """
    count = int(sources.max(initial=-1)) + 1
    if texts is not None and texts < count:
        raise DataError(f"A window is of text {count - 1}, but there are only {texts} texts.")
    sizes = np.bincount(sources, minlength=count if texts is None else texts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return offsets, np.argsort(sources, kind="stable")


def merge_windows(
    values: Numbers, sources: Ints, how: Together = "mean", texts: int | None = None
) -> Numbers:
    """What is known of windows, such as their logits, as one for each text.

    Args:
        values: `[windows, ...]`.
        sources: `int64[windows]`, the text that each is of: `source_rows(dataset)`.
        how: "mean", "max" or "sum" over a text's windows, or its "first" one alone.
        texts: How many texts there are; see `windows_of_texts`.

    Returns:
        `[texts, ...]`; float64 for the mean of whole numbers, else of the type of `values`.

    Raises:
        DataError: A text has no window, `values` are not as many as `sources`, or there is no such
            way.
    """
    if how not in get_args(Together):
        raise DataError(f"how is {how!r}; it may be {', '.join(get_args(Together))}.")
    if len(values) != len(sources):
        raise DataError(f"There are {len(values)} values for {len(sources)} windows.")
    offsets, windows = windows_of_texts(sources, texts)
    sizes = np.diff(offsets)
    if (sizes == 0).any():
        raise DataError(f"Text {int(np.flatnonzero(sizes == 0)[0])} has no window.")
    ordered = values[windows]
    if how == "first" or not len(ordered):
        return ordered[offsets[:-1]]
    if how == "max":
        return np.maximum.reduceat(ordered, offsets[:-1])
    sums: Numbers = np.add.reduceat(ordered, offsets[:-1])
    if how == "sum":
        return sums
    shape = (-1, *[1] * (values.ndim - 1))
    exact = np.issubdtype(values.dtype, np.floating)
    mean: Numbers = sums / sizes.reshape(shape).astype(values.dtype if exact else np.float64)
    return mean


def new_tokens(dataset: "Dataset") -> npt.NDArray[np.bool_]:
    """Which tokens are told for the first time: `bool[tokens]`, rows laid end to end.

    False for those that a window repeats of the one before, and for special tokens; so the others,
    in order, are each text's tokens, once. For texts that are not paired.

    Raises `DataError` where there are no windows, or no `offset_mapping` (`spans=True`).
    """
    sources = source_rows(dataset)
    for name in (OFFSETS, WORD_IDS):
        if name not in dataset.column_names:
            raise DataError(
                f"{dataset.source} does not say where tokens stand: there is no column {name!r}. "
                "Ask for it: tokenize(..., spans=True)."
            )
    offsets, starts, ends = spans_of(dataset.column(OFFSETS))
    words = dataset.column(WORD_IDS).combine_chunks().flatten().to_numpy()
    row_of = np.repeat(np.arange(len(sources)), np.diff(offsets))
    # Laid end to end, a place tells its text too; what is behind all places before it is new.
    step = int(ends.max(initial=0)) + 1
    ends = np.where(words >= 0, sources[row_of] * step + ends, -1)
    furthest = np.maximum.reduceat(np.append(ends, -1), np.minimum(offsets[:-1], len(ends)))
    furthest[np.diff(offsets) == 0] = -1
    before = np.concatenate([np.full(1, -1), np.maximum.accumulate(furthest)[:-1]])
    places = sources[row_of] * step + starts
    new: npt.NDArray[np.bool_] = (words >= 0) & (places >= before[row_of])
    return new & (ends > before[row_of])


def spans_of(column: pa.ChunkedArray) -> tuple[Ints, Ints, Ints]:
    """A column `offset_mapping` as arrays: rows' offsets, and where tokens start and end.

    Returns:
        `int64[rows + 1]`, `int64[tokens]` and `int64[tokens]`, rows laid end to end.
    """
    array = column.combine_chunks()
    counts = array.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    pairs = array.flatten().flatten().to_numpy().astype(np.int64).reshape(-1, 2)
    return offsets, pairs[:, 0], pairs[:, 1]
