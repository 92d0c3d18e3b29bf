"""Plain text: a row per line, per paragraph, or per file."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import Content, DataFile, Format, Options
from graft.data.formats.encoding import UNDECODABLE, Text, text_of
from graft.data.formats.lines import (
    BLOCK,
    LONGEST,
    line_blocks,
    refuse_undecodable,
    separated_blocks,
    starts_of_groups,
    text_blocks,
    without_groups,
)
from graft.errors import DataError

_SCHEMA = pa.schema([("text", pa.string())])


def read_text(file: DataFile, options: Options, bad: BadRows) -> Content:
    r"""The texts of a file, in one column `text`.

    The option `by` says what a row is. "line" (the default): every line, empty ones too, as it
    stands but for its end. "paragraph": lines without a blank one (empty, or white space alone)
    between them, joined by "\n". "document": the whole file. `encoding` is
    found out where it is not given.

    Raises `DataError` for another `by`, for bytes that are not of the encoding, and for a text that
    is too long for Arrow (half a billion characters).
    """
    by = options.get("by") or "line"
    text = text_of(file, options.get("encoding"), collect=bad.collect)
    size = int(options.get("block_size") or BLOCK)
    if by == "line":
        return Content(_lines(text, bad, size))
    if by == "paragraph":
        return Content(_paragraphs(text, bad, size))
    if by == "document":
        return Content(_document(text, bad))
    raise DataError(f"by={by!r} does not say what a row is. Use 'line', 'paragraph' or 'document'.")


def _lines(text: Text, bad: BadRows, size: int) -> Iterator[pa.RecordBatch]:
    for lines in line_blocks(text, bad, size):
        texts = lines.texts.filter(pa.array(~lines.refused)) if lines.refused.any() else lines.texts
        yield pa.record_batch([texts], schema=_SCHEMA)


def _paragraphs(text: Text, bad: BadRows, size: int) -> Iterator[pa.RecordBatch]:
    for lines in separated_blocks(text, bad, size):
        places = np.flatnonzero(~lines.blank & without_groups(lines, lines.refused))
        offsets, _ = starts_of_groups(lines, places)
        grouped = pa.ListArray.from_arrays(offsets, lines.texts.take(pa.array(places)))
        yield pa.record_batch([pc.binary_join(grouped, "\n")], schema=_SCHEMA)


def _document(text: Text, bad: BadRows) -> Iterator[pa.RecordBatch]:
    blocks, length = [], 0
    for block in text_blocks(text):
        blocks.append(block)
        length += len(block)
        if length > LONGEST:
            raise DataError(
                f"{text.file.name}: the file has more than {LONGEST:,} characters, the most that "
                "one text can have. Read it by='paragraph' or by='line'."
            )
    whole = "".join(blocks)
    if text.keep_undecodable and UNDECODABLE in whole:
        line = whole.count("\n", 0, whole.index(UNDECODABLE)) + 1
        refuse_undecodable(text, line, whole.split("\n")[line - 1], bad)
        yield pa.record_batch([pa.array([], pa.string())], schema=_SCHEMA)
    else:
        yield pa.record_batch([pa.array([whole])], schema=_SCHEMA)


TEXT = Format(
    "plain text", (".txt", ".text", ".md"), read_text, frozenset(["by", "encoding", "block_size"])
)
