"""CoNLL: a token and its tags per line, a blank line between sentences; a row per sentence.

The format is that of the shared tasks of CoNLL 2000 and 2003 (Tjong Kim Sang et al.).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.formats.bad_rows import BadRows
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

_DOCUMENT = "-DOCSTART-"
# "# sent_id = 3": a comment even where it has as many columns as a token's line.
_PAIR = r"^#\s*[\w ]+?\s*="
_LINES_LOOKED_AT = 2000
_SHOWN = 60
_SCHEME = re.compile(r"[BIESLUM]-.+|O")
_NUMBER = re.compile(r"\d+")
_PART_OF_SPEECH = re.compile(r"[A-Z]{1,5}\$?|-[LR]RB-|[^\w\s]{1,2}")
_PHRASES = {"NP", "VP", "PP", "ADJP", "ADVP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"}


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    Attributes:
        tab: whether columns are separated by tabs, else by runs of blanks.
        columns: their names.
        example: the number of a line that has so many; None where the names were given.
    """

    tab: bool
    columns: tuple[str, ...]
    example: int | None = None


def read_conll(file: DataFile, options: Options, bad: BadRows) -> Content:
    """The sentences of a file: for each of its columns, a column of lists of strings.

    Columns are separated by tabs, or by blanks where the first lines have no tabs. Lines that start
    with -DOCSTART- and comments (#) before a sentence are left out. The option `columns` names the
    columns, such as ["tokens", "ner_tags"]; else `column_names` does. `encoding` is found
    out where it is not given. A sentence with a line of other columns is bad as a whole.

    Raises `DataError` naming such a line, and for a file without tokens.
    """
    text = text_of(file, options.get("encoding"), collect=bad.collect)
    size = int(options.get("block_size") or BLOCK)
    columns = options.get("columns")
    if columns is not None:
        columns = _checked([str(column) for column in columns])
    return Content(_batches(file, columns, separated_blocks(text, bad, size), bad))


def _batches(
    file: DataFile, columns: tuple[str, ...] | None, blocks: Iterator[Lines], bad: BadRows
) -> Iterator[pa.RecordBatch]:
    layout: Layout | None = None
    for lines in blocks:
        layout = layout or _find_layout(lines, columns)
        if layout is not None:
            yield _sentences(lines, layout, file, bad)
    if layout is None:
        raise DataError(f"{file.name}: no line of the file holds a token. Check that it is CoNLL.")


def column_names(columns: Sequence[Sequence[str]]) -> list[str]:
    """Names for the columns of a file from what stands in them: those that data sets usually have.

    `index` numbers the tokens, `tokens` is the first other one; `pos_tags`, `chunk_tags` and
    `ner_tags` are told by their values, a last column of other values is `tags`, and any else is
    `column_<number>`, from 1.
    """
    names: list[str] = []
    for position, values in enumerate(columns):
        last, distinct = position + 1 == len(columns), set(values)
        if "tokens" not in names:
            numbers = not last and all(_NUMBER.fullmatch(value) for value in distinct)
            named = "index" if numbers else "tokens"
        elif all(_SCHEME.fullmatch(value) for value in distinct):
            kinds = {value[2:] for value in distinct if value != "O"}
            named = "chunk_tags" if kinds & _PHRASES else "ner_tags"
        elif all(_PART_OF_SPEECH.fullmatch(value) for value in distinct):
            named = "pos_tags"
        else:
            named = "tags" if last else ""
        names.append(named if named and named not in names else f"column_{position + 1}")
    return names


def _checked(columns: list[str]) -> tuple[str, ...]:
    if not columns or len(set(columns)) < len(columns):
        raise DataError(f"columns={columns!r} must be a name for each column, all different.")
    return tuple(columns)


def _find_layout(lines: Lines, columns: tuple[str, ...] | None) -> Layout | None:
    """The layout that the first of `lines` show; None where they hold no token."""
    marks = pc.or_(pc.starts_with(lines.texts, _DOCUMENT), pc.starts_with(lines.texts, "#"))
    other = lines.blank | lines.refused | marks.to_numpy(zero_copy_only=False)
    places = np.flatnonzero(~other)[:_LINES_LOOKED_AT]
    if not len(places):
        return None
    texts: list[str] = lines.texts.take(pa.array(places)).to_pylist()
    tab = all("\t" in text for text in texts)
    if columns is not None:
        return Layout(tab, columns)
    rows = [text.split("\t") if tab else text.split() for text in texts]
    counts = [len(row) for row in rows]
    usual = max(set(counts), key=counts.count)
    by_column = list(zip(*(row for row in rows if len(row) == usual), strict=True))
    example = lines.first + int(places[counts.index(usual)])
    return Layout(tab, tuple(column_names(by_column)), example)


def _sentences(lines: Lines, layout: Layout, file: DataFile, bad: BadRows) -> pa.RecordBatch:
    marks = pc.starts_with(lines.texts, _DOCUMENT).to_numpy(zero_copy_only=False)
    lines = replace(lines, blank=lines.blank | marks)
    if layout.tab:
        cells = pc.split_pattern(lines.texts, "\t")
    else:
        cells = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(lines.texts))
    counts = pc.list_value_length(cells).to_numpy(zero_copy_only=False)
    tokens = ~lines.blank & ~_comments(lines, counts != len(layout.columns))
    wrong = tokens & ~lines.refused & (counts != len(layout.columns))
    refuse(lines, wrong, counts, layout, file, bad)
    places = np.flatnonzero(tokens & without_groups(lines, wrong | lines.refused))
    offsets, _ = starts_of_groups(lines, places)
    lists = columns_of_lists(cells.take(pa.array(places)), len(layout.columns), offsets)
    return pa.record_batch(lists, names=list(layout.columns))


def columns_of_lists(cells: pa.ListArray, width: int, offsets: pa.Array) -> list[pa.ListArray]:
    """Cells of tokens, each a list of `width` strings, as `width` columns of lists per sentence.

    `offsets` are those of the sentences, int32 [sentences + 1].
    """
    values = cells.flatten()
    return [
        pa.ListArray.from_arrays(offsets, values.take(pa.array(np.arange(i, len(values), width))))
        for i in range(width)
    ]


def _comments(lines: Lines, other: Mask) -> Mask:
    """Which lines are comments; `other` are those that do not have a token's columns.

    A comment stands before a sentence: within one, a line that starts with # is a token.
    """
    marked = pc.starts_with(lines.texts, "#").to_numpy(zero_copy_only=False)
    if not marked.any():
        return np.zeros(len(lines), np.bool_)
    pair = pc.match_substring_regex(lines.texts, _PAIR).to_numpy(zero_copy_only=False)
    candidates = marked & (other | pair)
    numbers = np.arange(len(lines))
    last_blank = np.maximum.accumulate(np.where(lines.blank, numbers, -1))
    last_token = np.maximum.accumulate(np.where(~lines.blank & ~candidates, numbers, -1))
    return np.asarray(candidates & (last_token <= last_blank))


def refuse(
    lines: Lines,
    wrong: Mask,
    counts: npt.NDArray[np.int32],
    layout: Layout,
    file: DataFile,
    bad: BadRows,
) -> None:
    """Sets aside the lines that are `wrong` in their number of columns, or raises for the first."""
    columns, mark = len(layout.columns), "tabs" if layout.tab else "blanks"
    like = f" as in line {layout.example}" if layout.example else ""
    for place in np.flatnonzero(wrong):
        text, line = str(lines.texts[int(place)]), lines.first + int(place)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        found = f"expected {columns} columns{like} ({', '.join(layout.columns)}), " + (
            f"separated by {mark}; found {counts[place]}"
        )
        error = DataError(
            f"{file.name}, line {line}: {found}: {shown!r}. Each line holds a token and its tags; "
            "a blank line ends a sentence."
        )
        bad.refuse(file.name, line, found, text, error)


CONLL = Format(
    "CoNLL",
    (".conll", ".iob", ".iob2", ".bio"),
    read_conll,
    frozenset(["columns", "encoding", "block_size"]),
)
