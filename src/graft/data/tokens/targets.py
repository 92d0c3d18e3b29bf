"""What a loss compares with, read from the columns of a tokenized data set, batch by batch."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from graft.data.features import ClassLabel, Feature, class_label_in
from graft.data.roles import is_list
from graft.data.tokens.lists import ListColumn, Rows
from graft.errors import DataError


class Targets(Protocol):
    """The targets of the rows of a data set."""

    def of(self, rows: Rows) -> Tensor:
        """Those of `rows`, in their order."""
        ...


class ClassTargets:
    """A class a row: `int64[rows]`.

    Args:
        column: `integer[rows]`, the numbers of the classes.
        name: What errors call it.

    Raises:
        DataError: A row has no label.
    """

    def __init__(self, column: pa.ChunkedArray, name: str) -> None:
        _check_labelled(column, name)
        # Few classes need few bytes, which stay in memory: one each for up to 127 of them.
        self._numbers = _narrow(column)

    def of(self, rows: Rows) -> Tensor:
        """`int64[rows]`."""
        return torch.from_numpy(self._numbers[rows].astype(np.int64))


class NumberTargets:
    """A quantity a row: `float32[rows]`. Raises `DataError` where one is missing."""

    def __init__(self, column: pa.ChunkedArray, name: str) -> None:
        _check_labelled(column, name)
        chunks = [chunk.to_numpy().astype(np.float32) for chunk in column.chunks]
        self._numbers = np.concatenate([np.zeros(0, np.float32), *chunks])

    def of(self, rows: Rows) -> Tensor:
        """`float32[rows]`."""
        return torch.from_numpy(self._numbers[rows])


class SeveralTargets:
    """Several classes a row, or none: `float32[rows, classes]`, 1 where a row carries a class.

    Args:
        column: `list<integer>[rows]`, the numbers of each row's classes.
        classes: How many there are.
        name: What errors call it.
        order: See `ListColumn`.

    Raises:
        DataError: A row has no list.
    """

    def __init__(
        self,
        column: pa.ChunkedArray,
        classes: int,
        name: str,
        order: npt.NDArray[np.integer[Any]] | None = None,
    ) -> None:
        self._lists = ListColumn(column, name, order)
        self._classes = classes

    def of(self, rows: Rows) -> Tensor:
        """`float32[rows, classes]`."""
        carried = torch.from_numpy(self._lists.gather(rows))
        owners = torch.from_numpy(np.repeat(np.arange(len(rows)), self._lists.lengths[rows]))
        found = torch.zeros(len(rows), self._classes)
        found[owners, carried] = 1.0
        return found


class TokenTargets:
    """A target a token, rows laid end to end: `int64[tokens]`.

    Args:
        column: `list<integer>[rows]`.
        tokens: The token ids, which are as many in every row.
        name: What errors call it.
        order: See `ListColumn`.

    Raises:
        DataError: A row has no list, or another number of targets than of tokens.
    """

    def __init__(
        self,
        column: pa.ChunkedArray,
        tokens: ListColumn,
        name: str,
        order: npt.NDArray[np.integer[Any]] | None = None,
    ) -> None:
        self._lists = ListColumn(column, name, order)
        differ = np.flatnonzero(self._lists.lengths != tokens.lengths)
        if len(differ):
            row = int(differ[0])
            raise DataError(
                f"{name}, row {row}: {self._lists.lengths[row]} labels for {tokens.lengths[row]} "
                "tokens. Align them: tokenize(..., labels='first')."
            )

    def of(self, rows: Rows) -> Tensor:
        """`int64[tokens of rows]`."""
        return torch.from_numpy(self._lists.gather(rows))


def targets_of(
    column: pa.ChunkedArray,
    feature: Feature,
    tokens: ListColumn,
    name: str,
    order: npt.NDArray[np.integer[Any]] | None = None,
    *,
    of_rows: bool = False,
) -> Targets:
    """The targets in a column, by what it holds.

    A `ClassLabel` or whole numbers: `ClassTargets`; fractions: `NumberTargets`; lists of classes
    of rows: `SeveralTargets`; lists with a number for each token: `TokenTargets`.

    Args:
        column: The column, as stored.
        feature: What it holds.
        tokens: The token ids.
        name: What errors call it.
        order: Which row of the column each row is; None for as stored.
        of_rows: Whether a list is known to be of its row, and not of the tokens.

    Raises:
        DataError: It holds no such thing.
    """
    kind = column.type
    if is_list(kind) and pa.types.is_integer(kind.value_type):
        classes = class_label_in(feature)
        if classes is not None and (of_rows or not _as_long(column, tokens, name, order)):
            return SeveralTargets(column, len(classes.names), name, order)
        return TokenTargets(column, tokens, name, order)
    if order is not None:
        column = pa.chunked_array([column.take(pa.array(order))])
    if isinstance(feature, ClassLabel) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return ClassTargets(column, name)
    if pa.types.is_floating(kind):
        return NumberTargets(column, name)
    raise DataError(
        f"{name} holds {kind}, which is no target. Targets are classes, numbers or lists of those; "
        "make classes of texts: class_encode('<column>')."
    )


def _as_long(
    column: pa.ChunkedArray,
    tokens: ListColumn,
    name: str,
    order: npt.NDArray[np.integer[Any]] | None,
) -> bool:
    return np.array_equal(ListColumn(column, name, order).lengths, tokens.lengths)


def _narrow(column: pa.ChunkedArray) -> npt.NDArray[np.integer[Any]]:
    """Whole numbers in the fewest bytes that hold them all."""
    chunks = [chunk.cast(pa.int64()).to_numpy() for chunk in column.chunks if len(chunk)]
    if not chunks:
        return np.zeros(0, np.int8)
    lowest = min(int(chunk.min()) for chunk in chunks)
    highest = max(int(chunk.max()) for chunk in chunks)
    dtype = np.result_type(np.min_scalar_type(min(lowest, -1)), np.min_scalar_type(highest))
    if not np.issubdtype(dtype, np.signedinteger):
        dtype = np.dtype(np.int64)
    return np.concatenate([chunk.astype(dtype) for chunk in chunks])


def _check_labelled(column: pa.ChunkedArray, name: str) -> None:
    if not column.null_count:
        return
    row = column.is_null().index(True).as_py()
    raise DataError(
        f"{name}: {column.null_count} rows have no label; the first is row {row}. "
        "Remove them: dataset.filter(...)."
    )
