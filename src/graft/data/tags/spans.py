"""Labelled spans of words, made of tags and turned into tags."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.roles import is_text
from graft.data.tags.conversion import known_tags
from graft.data.tags.schemes import INSIDE, OUTSIDE, Tagset, scheme_named, tag_names, tagset_of
from graft.data.tags.words import Numbers, Words, as_column, words_of
from graft.errors import DataError


def tags_to_spans(column: pa.ChunkedArray, names: Sequence[str] | None = None) -> pa.ChunkedArray:
    """The spans that tags mark: `list<struct<start: int64, end: int64, label: string>>` [rows].

    `start` counts words from 0, `end` is the word after the last. `names` are the tags' names where
    the column holds numbers. Raises `DataError` when the tags are of no scheme.
    """
    tags, _ = known_tags(column, names, None)
    labels = pa.array(tags.labels, pa.string())
    fields = [
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("label", pa.string()),
    ]
    chunks = []
    for words in words_of(column, tags):
        firsts, lasts = np.flatnonzero(words.starts), np.flatnonzero(words.ends)
        rows = words.rows[firsts]
        kinds = pc.take(labels, pa.array(words.kinds[firsts]))
        places = [firsts - words.offsets[rows], lasts - words.offsets[rows] + 1]
        spans = pa.StructArray.from_arrays([*map(pa.array, places), kinds], fields=fields)
        counts = np.bincount(rows, minlength=len(words.lists))
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        mask = pc.is_null(words.lists)
        chunks.append(pa.ListArray.from_arrays(pa.array(ends), spans, mask=mask))
    return pa.chunked_array(chunks, pa.list_(pa.struct(fields)))


def spans_to_tags(
    spans: pa.ChunkedArray, lengths: Sequence[int] | Numbers, scheme: str = "IOB2"
) -> pa.ChunkedArray:
    """The inverse of `tags_to_spans`: `list<string>` [rows], a tag a word.

    Args:
        spans: lists of records of `start` and `end` (words from 0, the end not included) and
            `label` (a string), in any order. A null row has no tags.
        lengths: `integer[rows]`, how many words each row has.
        scheme: of the tags.

    Raises `DataError` for a span that is not within its row, or that lies over another.
    """
    scheme = scheme_named(scheme)
    counts = np.asarray(lengths, np.int64)
    if len(counts) != len(spans):
        raise DataError(f"spans_to_tags: {len(spans)} rows of spans, but {len(counts)} lengths.")
    flat = pc.list_flatten(spans)
    _check_spans(flat.type)
    names = pc.unique(pc.struct_field(flat, "label")).drop_null().to_pylist()
    tags = tagset_of(tag_names(sorted(names), scheme))
    assert tags is not None
    table = tags.numbers(scheme, tags.names)
    written = pa.array(tags.names, pa.string())
    chunks, row = [], 0
    for chunk in spans.chunks:
        words = _spanned(chunk, counts[row : row + len(chunk)], tags, row)
        chunks.append(
            as_column(words.lists, words.in_scheme(scheme, table), words.missing, written)
        )
        row += len(chunk)
    return pa.chunked_array(chunks, pa.list_(pa.string()))


def _spanned(chunk: pa.Array, lengths: npt.NDArray[np.int64], tags: Tagset, row: int) -> Words:
    """The words of rows with the spans of `chunk` over them."""
    spans = chunk.flatten()
    counts = np.asarray(pc.fill_null(pc.list_value_length(chunk), 0), np.int64)
    row_of = np.repeat(np.arange(len(chunk), dtype=np.int32), counts)
    starts, ends = (_places_in(spans, name, row_of, row) for name in ("start", "end"))
    order = np.lexsort((starts, row_of))
    row_of, starts, ends = row_of[order], starts[order], ends[order]
    _check_places(row_of, starts, ends, lengths, row)
    labels = pc.index_in(pc.struct_field(spans, "label"), pa.array(tags.labels, pa.string()))
    kinds_of = np.asarray(labels)[order].astype(np.int32)

    missing_rows = np.asarray(pc.is_null(chunk))
    kept = np.where(missing_rows, 0, lengths)
    offsets = np.concatenate([[0], np.cumsum(kept)])
    firsts, stops = offsets[row_of] + starts, offsets[row_of] + ends
    # The number of spans begun before a word and of those ended, which tells who it belongs to.
    begun = np.zeros(offsets[-1] + 1, np.int64)
    ended = np.zeros(offsets[-1] + 1, np.int64)
    begun[firsts] = 1
    np.add.at(ended, stops, 1)
    begun, ended = np.cumsum(begun)[:-1], np.cumsum(ended)[:-1]
    inside = begun > ended
    kinds = np.full(offsets[-1], -1, np.int32)
    kinds[inside] = kinds_of[begun[inside] - 1]
    goes_on = inside.copy()
    goes_on[firsts] = False
    words = pa.array(np.zeros(offsets[-1], np.int8))
    return Words(
        lists=pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), words, mask=pc.is_null(chunk)
        ),
        row=row,
        offsets=offsets,
        rows=np.repeat(np.arange(len(chunk), dtype=np.int32), kept),
        places=np.where(inside, INSIDE, OUTSIDE).astype(np.int8),
        kinds=kinds,
        missing=np.zeros(len(kinds), np.bool_),
        goes_on=goes_on,
        tags=tags,
        codes=np.zeros(len(kinds), np.int32),
    )


def _places_in(
    spans: pa.StructArray, name: str, row_of: Numbers, row: int
) -> npt.NDArray[np.int64]:
    places = pc.struct_field(spans, name)
    for missing in (places, pc.struct_field(spans, "label")):
        if missing.null_count:
            first = pc.index(pc.is_null(missing), True).as_py()
            raise DataError(
                f"row {row + int(row_of[first])}: a span lacks its start, end or label."
            )
    return np.asarray(places.cast(pa.int64()))


def _check_places(
    row_of: Numbers, starts: Numbers, ends: Numbers, lengths: Numbers, row: int
) -> None:
    outside = (starts < 0) | (ends <= starts) | (ends > lengths[row_of])
    for number in np.flatnonzero(outside)[:1]:
        raise DataError(
            f"row {row + row_of[number]}: the span from {starts[number]} to {ends[number]} is not "
            f"within its {lengths[row_of[number]]} words (words count from 0, the end is not in "
            "the span)."
        )
    over = (row_of[1:] == row_of[:-1]) & (starts[1:] < ends[:-1])
    for number in np.flatnonzero(over)[:1]:
        raise DataError(
            f"row {row + row_of[number]}: the spans from {starts[number]} to {ends[number]} and "
            f"from {starts[number + 1]} to {ends[number + 1]} lie over each other; a word has one "
            "tag. Keep one of them."
        )


def _check_spans(arrow_type: pa.DataType) -> None:
    fields = [field.name for field in arrow_type] if pa.types.is_struct(arrow_type) else []
    if not {"start", "end", "label"} <= set(fields):
        raise DataError(
            f"Spans are lists of records of start, end and label; these are lists of {arrow_type}."
        )
    if not is_text(arrow_type.field("label").type):
        raise DataError(
            "The labels of the spans are numbers. Give them by name: cast the column to "
            "Sequence(Struct({'start': ..., 'end': ..., 'label': Value('string')})) first."
        )
