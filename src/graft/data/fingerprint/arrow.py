"""The content of Arrow columns in a digest, however it is cut into chunks and wherever it lies."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.arrow_types import is_any_list
from graft.data.fingerprint.walk import Writer

# Rows that are looked at together: what is copied of them stays small.
_ROWS = 1 << 16


def write_columns(writer: Writer, columns: Iterable[pa.ChunkedArray]) -> None:
    """Writes columns whose types have been written: equal rows give equal digests.

    Values that nulls hide do not count. Nothing is held but a slice of a column at a time.
    """
    for column in columns:
        content = _Content(column.type)
        for chunk in column.chunks:
            for start in range(0, len(chunk), _ROWS):
                content.update(chunk.slice(start, _ROWS))
        writer.put("column", content.digest())


class _Content:
    """The digest of one column, to which arrays are given bit by bit."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._rows = self._nulls = 0
        # Each kind of content in a digest of its own: so cuts between chunks leave no trace.
        self._valid = hashlib.blake2b(digest_size=16)
        self._lengths = hashlib.blake2b(digest_size=16)
        self._data = hashlib.blake2b(digest_size=16)
        self._inner = [_Content(inner) for inner in _inner_types(kind)]

    def update(self, array: Any) -> None:
        if pa.types.is_dictionary(array.type):
            self._inner[0].update(array.dictionary_decode())
            return
        if isinstance(array, pa.ExtensionArray):
            self._inner[0].update(array.storage)
            return
        self._rows += len(array)
        self._valid.update(pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False))
        if array.null_count:
            self._nulls += array.null_count
            array = array.drop_null()
        self._update_values(array)

    def _update_values(self, array: Any) -> None:
        kind = array.type
        if pa.types.is_struct(kind):
            for inner, child in zip(self._inner, array.flatten(), strict=True):
                inner.update(child)
        elif pa.types.is_map(kind):
            entries = pa.struct([kind.key_field, kind.item_field])
            self._update_list(array.cast(pa.list_(entries)))
        elif is_any_list(kind):
            self._update_list(array)
        elif _is_text(kind):
            self._update_text(array)
        elif pa.types.is_boolean(kind):
            self._data.update(array.cast(pa.uint8()).to_numpy(zero_copy_only=False))
        elif not pa.types.is_null(kind):
            width = kind.bit_width // 8
            _, data = array.buffers()[:2]
            start = array.offset * width
            self._data.update(memoryview(data)[start : start + len(array) * width])

    def _update_list(self, array: Any) -> None:
        self._update_lengths(pc.list_value_length(array))
        self._inner[0].update(array.flatten())

    def _update_text(self, array: Any) -> None:
        content = array.cast(_large(array.type))
        self._update_lengths(pc.binary_length(content))
        if len(content):
            _, offsets, data = content.buffers()
            bounds = np.frombuffer(offsets, np.int64)[content.offset :]
            first, last = int(bounds[0]), int(bounds[len(content)])
            if last > first:
                self._data.update(memoryview(data)[first:last])

    def _update_lengths(self, lengths: pa.Array) -> None:
        numbers = lengths.cast(pa.int64()).to_numpy(zero_copy_only=False)
        self._lengths.update(np.ascontiguousarray(numbers).data)

    def digest(self) -> bytes:
        whole = hashlib.blake2b(f"{self._rows} {self._nulls}".encode(), digest_size=16)
        for content in (self._valid, self._lengths, self._data):
            whole.update(content.digest())
        for inner in self._inner:
            whole.update(inner.digest())
        return whole.digest()


def _inner_types(kind: pa.DataType) -> list[pa.DataType]:
    if isinstance(kind, pa.BaseExtensionType):
        return [kind.storage_type]
    if pa.types.is_dictionary(kind):
        return [kind.value_type]
    if pa.types.is_map(kind):
        return [pa.struct([kind.key_field, kind.item_field])]
    if pa.types.is_struct(kind):
        return [field.type for field in kind]
    return [kind.value_type] if is_any_list(kind) else []


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "binary", "large_binary", "string_view", "binary_view")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _large(kind: pa.DataType) -> pa.DataType:
    is_string = any(
        getattr(pa.types, f"is_{test}")(kind) for test in ("string", "large_string", "string_view")
    )
    return pa.large_string() if is_string else pa.large_binary()
