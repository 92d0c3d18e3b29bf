"""Rows that come again: with the same values, or with almost the same text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.cache import EntryWriter, computed
from graft.data.duck import explained, tables_in_duckdb
from graft.data.duplicates.near import near_duplicates
from graft.data.fingerprint import digest
from graft.data.roles import is_text, is_tokens
from graft.data.row_verbs import RowVerbs
from graft.data.rows import Numbers
from graft.errors import DataError

_TABLE = "duplicates"
_SCHEMA = pa.schema({"row": pa.int64(), "of": pa.int64(), "similarity": pa.float32()})
_AT_A_TIME = 8192
# Bytes of text that are taken apart at once; arrays over them are some twenty times as large.
_TEXT_BYTES = 4 << 20
# A new one when duplicates are found in another way.
_VERSION = "1"

Digests = npt.NDArray[np.uint64]


class DedupVerbs(RowVerbs):
    """Finding and leaving out duplicates."""

    def deduplicate(
        self, columns: Sequence[str] | None = None, near: float | None = None, *, words: int = 3
    ) -> Self:
        """The rows without those that an earlier row has already. No row is copied.

        Which rows are left out, and of which they are duplicates, says `duplicates`. It is found
        out once and kept in the cache.

        Args:
            columns: what must be the same; the text and its pair where it is not given, and all
                columns where there is no text.
            near: how alike texts must be instead, above 0 up to 1: the Jaccard similarity of the
                sets of their runs of words, the runs in both over the runs in either. A row is left
                out when its text is that much like the text of an earlier row that stays. 0.8 finds
                copies with small changes. Case, punctuation and spaces do not count; where a script
                has no spaces, its characters are the words.
            words: how many words a run has. Shorter runs find rewritten texts, and more that are
                alike by chance.

        Near duplicates are found by MinHash: of pairs that are just `near` alike one in a thousand
        is missed, of those more alike far fewer. No pair that is less alike is taken for one.

        Raises `DataError` for a column that is not there, for one that holds no texts where `near`
        is given, and for numbers that make no sense.
        """
        rows = self.duplicates(columns, near, words=words).column("row").to_numpy()
        if len(rows) == 0:
            return self
        stays = np.ones(len(self), np.bool_)
        stays[rows] = False
        return self.select(np.flatnonzero(stays))

    def duplicates(
        self, columns: Sequence[str] | None = None, near: float | None = None, *, words: int = 3
    ) -> pa.Table:
        """The rows that `deduplicate` leaves out, in order.

        Returns a table of `row` (int64, from 0), `of`, the first row that stays and has the same
        values or a text like it (int64), and `similarity`, how alike they are (float32).
        """
        names = self._compared(columns)
        find = self._exact(names) if near is None else self._near(names, near, words)

        def parts() -> Mapping[str, str]:
            options = {"columns": names, "near": near, "words": None if near is None else words}
            told = {name: digest(value) for name, value in options.items()}
            return {**told, "input": self.fingerprint, "version": _VERSION}

        def write(writer: EntryWriter) -> None:
            found = find(writer)
            with writer.table(_TABLE, _SCHEMA) as table:
                table.write(found)

        return computed("deduplicate", parts, write).tables[_TABLE]

    def _compared(self, columns: Sequence[str] | None) -> list[str]:
        if isinstance(columns, str):
            raise DataError(f"columns={columns!r}: give a list of columns, [{columns!r}].")
        if columns is None:
            texts = (self._roles.text, self._roles.text_pair)
            columns = [name for name in texts if name is not None] or self.column_names
        for name in columns:
            self._check_column(name)
        if not columns:
            raise DataError(f"deduplicate: {self._source} has no columns to compare rows by.")
        return list(columns)

    def _exact(self, names: list[str]) -> Callable[[EntryWriter], pa.Table]:
        def find(_: EntryWriter) -> pa.Table:
            with explained(f"deduplicate: {self._source}"):
                digests = _row_digests(self._rows.batches(self._rows.at_a_time(_AT_A_TIME), names))
            order = np.lexsort((digests[:, 1], digests[:, 0]))  # equal ones in the order of rows
            again = np.zeros(len(order), np.bool_)
            again[1:] = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
            firsts = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))]
            rows, of = order[again], firsts[again]
            in_order = np.argsort(rows)
            return _table(rows[in_order], of[in_order], np.ones(len(rows), np.float32))

        return find

    def _near(self, names: list[str], near: float, words: int) -> Callable[[EntryWriter], pa.Table]:
        if not 0 < near <= 1:
            raise DataError(
                f"deduplicate: near={near} is no similarity. Give one above 0, up to 1."
            )
        if words < 1:
            raise DataError(f"deduplicate: runs of {words} words are none. Give 1 or more.")
        for name in names:
            kind = self._rows.schema.field(name).type
            if not is_text(kind) and not is_tokens(kind):
                raise DataError(
                    f"deduplicate: {self._source}, column {name!r} holds {kind}. Texts are near "
                    "duplicates; give columns of texts, or leave near out."
                )

        def read(rows: Numbers | None) -> Iterator[pa.Array]:
            chosen = self._rows if rows is None else self._rows.select(rows)
            size = self._rows.at_a_time(_AT_A_TIME, _TEXT_BYTES)
            for batch in chosen.batches(size, names):
                texts = [_as_text(column) for column in batch.columns]
                yield texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ")

        def find(writer: EntryWriter) -> pa.Table:
            found = near_duplicates(read, len(self), near, words, writer)
            return _table(found.rows, found.of, found.similarity)

        return find


def _table(rows: Numbers, of: Numbers, similarity: npt.NDArray[np.float32]) -> pa.Table:
    columns = [rows.astype(np.int64), of.astype(np.int64), similarity]
    return pa.table([*map(pa.array, columns)], schema=_SCHEMA)


def _as_text(column: pa.Array) -> pa.Array:
    if is_tokens(column.type):
        column = pc.binary_join(column, " ")
    return pc.fill_null(column, "")


def _row_digests(batches: Iterator[pa.RecordBatch]) -> Digests:
    """A digest of 128 bits of each row, of all its values: `uint64[rows, 2]`.

    Equal rows have equal digests; missing values are equal to one another, and to nothing else.
    """
    parts = [np.zeros((0, 2), np.uint64)]
    with tables_in_duckdb({}) as connection:
        for batch in batches:
            values = ", ".join(
                _written(f"c{number}", kind) for number, kind in enumerate(batch.schema.types)
            )
            arrays = [
                array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
                for array in batch.columns
            ]
            names = [f"c{number}" for number in range(len(arrays))]
            connection.register("batch", pa.Table.from_arrays(arrays, names=names))
            query = f"select unhex(md5(concat({values}))) from batch"
            for found in connection.sql(query).to_arrow_table().column(0).chunks:
                digests = np.frombuffer(found.buffers()[2], np.uint64)
                parts.append(digests[2 * found.offset :][: 2 * len(found)].reshape(-1, 2))
    return np.concatenate(parts)


def _written(column: str, kind: pa.DataType) -> str:
    """SQL for a value as a text that no other values, nor the next column's, can make."""
    if pa.types.is_nested(kind):
        text = f"cast(to_json({column}) as text)"
    elif pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        text = f"hex({column})"
    else:
        text = f"cast({column} as text)"
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"
