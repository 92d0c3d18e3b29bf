"""Columns of texts: which rows are empty, and tokens as text."""

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.roles import is_list


def is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each row is null or holds nothing but white space: bool [rows]."""
    column = join_tokens(column) if is_list(column.type) else column
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(column, ""))
    return pc.equal(pc.binary_length(trimmed), 0)


def join_tokens(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of strings as one text per row, by single spaces; a missing list is ""."""
    joined = [pc.binary_join(pc.cast(chunk, pa.list_(pa.string())), " ") for chunk in column.chunks]
    return pc.fill_null(pa.chunked_array(joined, pa.string()), "")
