"""CoNLL-U: a word per line in ten columns, as Universal Dependencies has them.

The format is described at https://universaldependencies.org/format.html.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.conll import Layout, columns_of_lists, refuse
from graft.data.formats.data_file import Content, DataFile, Format, Options
from graft.data.formats.encoding import text_of
from graft.data.formats.lines import (
    BLOCK,
    Lines,
    Mask,
    separated_blocks,
    starts_of_groups,
    without_groups,
)
from graft.errors import DataError

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_LAYOUT = Layout(True, COLUMNS)
_WORD = r"^\d+$"
_RANGE = r"^\d+-\d+$"
_EMPTY = r"^\d+\.\d+$"
_COMMENT = r"^#\s*(?P<key>[^=]*[^=\s])\s*(?:=\s*(?P<value>.*?))?\s*$"
_NAMED = ("sent_id", "text")
_SPAN = pa.struct([("id", pa.string()), ("form", pa.string()), ("misc", pa.string())])
_NODE = pa.struct([(name, pa.string()) for name in COLUMNS if name not in ("head", "deprel")])
_PAIR = pa.struct([("key", pa.string()), ("value", pa.string())])
_SCHEMA = pa.schema(
    [("sent_id", pa.string()), ("text", pa.string())]
    + [(name, pa.list_(pa.string())) for name in COLUMNS]
    + [
        ("multiword_tokens", pa.list_(_SPAN)),
        ("empty_nodes", pa.list_(_NODE)),
        ("metadata", pa.list_(_PAIR)),
    ]
)


def read_conllu(file: DataFile, options: Options, bad: BadRows) -> Content:
    """The sentences of a file, with the syntactic words' ten columns as lists of strings.

    The columns are `id`, `form`, `lemma`, `upos`, `xpos`, `feats`, `head`, `deprel`, `deps` and
    `misc`, as the file has them ("_" too). Lines that are not words have columns of their own, so
    that each list has one entry per word: `multiword_tokens` (id such as "1-2", form, misc) and
    `empty_nodes` (id such as "8.1", and all but head and deprel). Comments are `sent_id`, `text`,
    and the others in `metadata`, as keys with values (null where a comment is no pair).

    Raises `DataError` naming a line that has not ten columns or no id, and for a file without
    words. `encoding` is found out where it is not given.
    """
    text = text_of(file, options.get("encoding"), collect=bad.collect)
    size = int(options.get("block_size") or BLOCK)
    return Content(_batches(file, separated_blocks(text, bad, size), bad))


def _batches(file: DataFile, blocks: Iterator[Lines], bad: BadRows) -> Iterator[pa.RecordBatch]:
    found = False
    for lines in blocks:
        batch = _sentences(lines, file, bad)
        found = found or batch.num_rows > 0
        yield batch
    if not found and not bad.count:
        raise DataError(f"{file.name}: no line of the file holds a word. Check that it is CoNLL-U.")


def _sentences(lines: Lines, file: DataFile, bad: BadRows) -> pa.RecordBatch:
    comments = pc.starts_with(lines.texts, "#").to_numpy(zero_copy_only=False)
    rows = ~lines.blank & ~comments & ~lines.refused
    cells = pc.split_pattern(lines.texts, "\t")
    counts = pc.list_value_length(cells).to_numpy(zero_copy_only=False)
    wrong = rows & (counts != len(COLUMNS))
    refuse(lines, wrong, counts, _LAYOUT, file, bad)
    ids = pc.list_element(cells, 0)
    words, spans, nodes = (_matches(ids, rows, pattern) for pattern in (_WORD, _RANGE, _EMPTY))
    unnumbered = rows & ~wrong & ~words & ~spans & ~nodes
    _refuse_ids(lines, unnumbered, file, bad)

    kept = without_groups(lines, wrong | unnumbered | lines.refused)
    places = np.flatnonzero(words & kept)
    offsets, groups = starts_of_groups(lines, places)
    columns = columns_of_lists(cells.take(pa.array(places)), len(COLUMNS), offsets)
    parts = [
        _structs(lines, cells, np.flatnonzero(which & kept), groups, kind)
        for which, kind in ((spans, _SPAN), (nodes, _NODE))
    ]
    about = _comments(lines, np.flatnonzero(comments & kept), groups)
    return pa.record_batch([*about[:2], *columns, *parts, about[2]], schema=_SCHEMA)


def _matches(ids: pa.StringArray, rows: Mask, pattern: str) -> Mask:
    found = pc.match_substring_regex(ids, pattern).to_numpy(zero_copy_only=False)
    return np.asarray(found & rows)


def _refuse_ids(lines: Lines, wrong: Mask, file: DataFile, bad: BadRows) -> None:
    for place in np.flatnonzero(wrong):
        text, line = str(lines.texts[int(place)]), lines.first + int(place)
        shown = text.split("\t", 1)[0]
        error = DataError(
            f"{file.name}, line {line}: {shown!r} is no id. A word has a number there, a multiword "
            "token a range (1-2), an empty node a decimal (8.1)."
        )
        bad.refuse(file.name, line, f"{shown!r} is no id", text, error)


def _per_sentence(
    lines: Lines, places: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], pa.Array]:
    """Those of `places` that are in sentences, and the offsets of each sentence's among them."""
    own = lines.groups[places]
    places = places[np.isin(own, groups)]
    ends = np.searchsorted(lines.groups[places], groups, side="right")
    return places, pa.array(np.append(0, ends), pa.int32())


def _structs(
    lines: Lines,
    cells: pa.ListArray,
    places: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp],
    kind: pa.StructType,
) -> pa.ListArray:
    """The lines at `places` as a list of records per sentence."""
    places, offsets = _per_sentence(lines, places, groups)
    values = cells.take(pa.array(places)).flatten()
    names = [field.name for field in kind]
    starts = np.arange(0, len(values), len(COLUMNS))
    fields = [values.take(pa.array(starts + COLUMNS.index(name))) for name in names]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, names))


def _comments(
    lines: Lines, places: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]
) -> list[pa.Array]:
    """`sent_id`, `text` and `metadata` of each sentence, from the comments at `places`."""
    places, _ = _per_sentence(lines, places, groups)
    texts = lines.texts.take(pa.array(places))
    pairs = pc.extract_regex(texts, _COMMENT)
    keys, values = pc.struct_field(pairs, 0), pc.struct_field(pairs, 1)
    written = pc.match_substring_regex(texts, "=").to_numpy(zero_copy_only=False)
    values = pc.if_else(pa.array(written), values, pa.scalar(None, pa.string()))
    columns = []
    others = pc.is_valid(keys).to_numpy(zero_copy_only=False)
    for name in _NAMED:
        named = pc.fill_null(pc.equal(keys, name), False).to_numpy(zero_copy_only=False) & written
        columns.append(_last_of_each(lines, places, np.flatnonzero(named), groups, values))
        others &= ~named
    rest, offsets = _per_sentence(lines, places[others], groups)
    chosen = pa.array(np.flatnonzero(np.isin(places, rest)))
    records = pa.StructArray.from_arrays([keys.take(chosen), values.take(chosen)], ["key", "value"])
    return [*columns, pa.ListArray.from_arrays(offsets, records)]


def _last_of_each(
    lines: Lines,
    places: npt.NDArray[np.intp],
    chosen: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp],
    values: pa.StringArray,
) -> pa.StringArray:
    """The last of the `chosen` values in each sentence; null where it has none."""
    of = np.searchsorted(groups, lines.groups[places[chosen]])
    found = np.full(len(groups), -1)
    found[of] = chosen
    return values.take(pa.array(found, mask=found < 0))


CONLLU = Format("CoNLL-U", (".conllu",), read_conllu, frozenset(["encoding", "block_size"]))
