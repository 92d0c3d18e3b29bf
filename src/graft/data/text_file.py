"""Plain text: a row per line, per paragraph, or per file."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.bad_rows import BadRows
from graft.data.data_file import Content, DataFile, Format, Options
from graft.data.lines import (
    BLOCK,
    LONGEST,
    UTF_8,
    is_decoded,
    line_blocks,
    separated_blocks,
    starts_of_groups,
    text_blocks,
    undecodable,
    without_groups,
)
from graft.errors import DataError

_SCHEMA = pa.schema([("text", pa.string())])


def read_text(file: DataFile, options: Options, bad: BadRows) -> Content:
    r"""The texts of a file, in one column `text`.

    The option `by` says what a row is. "line" (the default): every line, empty ones too, as it
    stands but for its end. "paragraph": lines without a blank one (empty, or white space alone)
    between them, joined by "\n". "document": the whole file. `encoding` is UTF-8 by default.

    Raises `DataError` for another `by`, for bytes that are not of the encoding, and for a text that
    is too long for Arrow (half a billion characters).
    """
    by = options.get("by") or "line"
    encoding = str(options.get("encoding") or UTF_8)
    size = int(options.get("block_size") or BLOCK)
    if by == "line":
        return Content(_lines(file, encoding, bad, size))
    if by == "paragraph":
        return Content(_paragraphs(file, encoding, bad, size))
    if by == "document":
        return Content(_document(file, encoding, bad))
    raise DataError(f"by={by!r} does not say what a row is. Use 'line', 'paragraph' or 'document'.")


def _lines(file: DataFile, encoding: str, bad: BadRows, size: int) -> Iterator[pa.RecordBatch]:
    for lines in line_blocks(file, encoding, bad, size):
        texts = lines.texts.filter(pa.array(~lines.refused)) if lines.refused.any() else lines.texts
        yield pa.record_batch([texts], schema=_SCHEMA)


def _paragraphs(file: DataFile, encoding: str, bad: BadRows, size: int) -> Iterator[pa.RecordBatch]:
    for lines in separated_blocks(file, encoding, bad, size):
        places = np.flatnonzero(~lines.blank & without_groups(lines, lines.refused))
        offsets, _ = starts_of_groups(lines, places)
        grouped = pa.ListArray.from_arrays(offsets, lines.texts.take(pa.array(places)))
        yield pa.record_batch([pc.binary_join(grouped, "\n")], schema=_SCHEMA)


def _document(file: DataFile, encoding: str, bad: BadRows) -> Iterator[pa.RecordBatch]:
    blocks, length, line = [], 0, 1
    for block in text_blocks(file, encoding):
        if not is_decoded(block):
            wrong = next(n for n, text in enumerate(block.split("\n")) if not is_decoded(text))
            error = undecodable(file, line + wrong, block, encoding)
            raw = block[:LONGEST].encode("utf-8", "surrogateescape")
            bad.refuse(file.name, line + wrong, f"not {encoding}", raw, error)
            return
        blocks.append(block)
        length += len(block)
        line += block.count("\n")
        if length > LONGEST:
            raise DataError(
                f"{file.name}: the file has more than {LONGEST:,} characters, the most that one "
                "text can have. Read it by='paragraph' or by='line'."
            )
    yield pa.record_batch([pa.array(["".join(blocks)], pa.string())], schema=_SCHEMA)


TEXT = Format(
    "plain text", (".txt", ".text", ".md"), read_text, frozenset(["by", "encoding", "block_size"])
)
