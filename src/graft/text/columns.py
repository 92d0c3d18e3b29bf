"""Texts as the engine reads them: Arrow's bytes and offsets, without a Python object a row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.errors import DataError


@dataclass(frozen=True)
class Column:
    """Strings laid end to end.

    Attributes:
        data: `uint8[bytes]`, UTF-8.
        offsets: `int64[rows + 1]`; row `i` is `data[offsets[i]:offsets[i + 1]]`.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def text_column(
    texts: Sequence[str] | pa.Array | pa.ChunkedArray, name: str, first: int = 0
) -> Column:
    """The column of some texts; an Arrow column's bytes are not copied.

    Args:
        texts: Strings, or an Arrow string column.
        name: What a row is called in errors.
        first: The number of the first row, where these are a part of all.

    Raises:
        DataError: A row is not a string, or not valid Unicode, or the column is damaged.
    """
    if isinstance(texts, str | bytes):
        raise DataError(f"A list of texts is needed, not one text: {texts[:40]!r}.")
    array = (
        texts if isinstance(texts, pa.Array | pa.ChunkedArray) else _from_python(texts, name, first)
    )
    _check_buffers(array, name)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type) and not len(array):
        array = array.cast(pa.large_string())
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise DataError(f"{name}s are of type {array.type}, not strings.")
    if array.null_count:
        row = array.is_null().index(True).as_py()
        check_text(None, f"{name} {first + row}")
    large = pa.types.is_large_string(array.type)
    _, offsets, data = array.buffers()
    if offsets is None or not len(array):
        return Column(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    ends = np.frombuffer(offsets, np.int64 if large else np.int32)
    ends = ends[array.offset : array.offset + len(array) + 1]
    content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Column(content, ends.astype(np.int64, copy=False))


def check_text(text: object, name: str) -> None:
    """A Python string may hold half of a UTF-16 pair, which no tokenizer can read.

    Raises:
        DataError: `text` is not a string, or not valid Unicode.
    """
    if not isinstance(text, str):
        raise DataError(f"{name} is {text!r}, which is not a string.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{name} is not valid Unicode: character {error.start} is {text[error.start]!a}. "
            "It was read in a wrong encoding; read it as UTF-8."
        ) from None


def _check_buffers(array: pa.Array | pa.ChunkedArray, name: str) -> None:
    """Whether a column's buffers are as large as its rows need, before anything reads them.

    What leads from one buffer into another is looked at too; the offsets of plain strings are not,
    which the engine looks at.
    """
    leads_on = pa.types.is_dictionary(array.type) or pa.types.is_string_view(array.type)
    try:
        array.validate(full=leads_on)
    except (pa.ArrowInvalid, IndexError) as error:
        raise DataError(f"The column of {name.lower()}s is damaged: {error}.") from error


def _from_python(texts: Sequence[str], name: str, first: int) -> pa.Array:
    try:
        rows = list(texts)
    except TypeError:
        kind = type(texts).__name__
        raise DataError(f"A list of texts or an Arrow column is needed, not {kind}.") from None
    try:
        if all(isinstance(text, str) for text in rows):
            return pa.array(rows, pa.large_string())
        raise TypeError
    except (UnicodeEncodeError, TypeError):
        for row, text in enumerate(rows, start=first):
            check_text(text, f"{name} {row}")
        raise
