"""JSON files: an object on each line, or rows within one document; SQuAD's layout among them."""

import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from graft.data.arrow_types import plain_batch
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import Content, DataFile, Format, Options, batches_of
from graft.data.formats.encoding import UNDECODABLE, Text, count_lines, text_of
from graft.data.formats.json_kinds import Kinds, Place
from graft.data.formats.json_layout import layout_of, open_rows
from graft.data.formats.json_stream import Item
from graft.data.formats.squad import squad_rows
from graft.errors import DataError

# Rows are parsed in blocks of about so many bytes, within the processor's cache.
_BLOCK = 2 << 20
_MOST_THREADS = 8
_SHOWN = 60
_PAIR = ("text", "label")
# The parser makes fractions of whole numbers from here on.
_HUGE = 2.0**63
_WHOLE_NUMBER = re.compile(rb"[:\[,\s]-?[0-9]{19,}[\s,\]}]")
_OPTIONS = frozenset(["field", "columns", "encoding"])


@dataclass(frozen=True)
class _Block:
    """Some rows, one after the other, as they are written.

    Attributes:
        content: UTF-8 bytes; between two rows is a line feed.
        places: the rows with their places, for a second look.
        lines: whether no row has a line feed within.
    """

    content: bytes
    places: Callable[[], Iterator[Place]]
    lines: bool


def read_json_lines(file: DataFile, options: Options, bad: BadRows) -> Content:
    """One object per line; the keys are the columns.

    Text stays text, also where it looks like a date. A key that an object lacks is null. Lines
    without content are passed over. Options: `encoding`.

    Raises `DataError` naming the line that is no JSON object, and the line and key whose kind of
    value differs from those before.
    """
    text = text_of(file, options.get("encoding"), collect=bad.collect)
    if options.get("field"):
        return read_json(file, options, bad)
    return Content(_batches(partial(_line_blocks, text), text, bad))


def read_json(file: DataFile, options: Options, bad: BadRows) -> Content:
    """Rows in a JSON document, or one object per line.

    The rows are an array of objects: the document, or found below the keys of the option `field`,
    joined by dots. Without it, the only array of objects in an object is taken, articles in the
    layout of SQuAD become questions with their contexts, and keys named like splits are splits.
    Rows that are lists are named by the option `columns`; pairs are `text` and `label`.

    Raises as `read_json_lines` does.
    """
    text = text_of(file, options.get("encoding"), collect=bad.collect)
    layout = layout_of(file, options, text)
    if layout.kind == "lines":
        return Content(_batches(partial(_line_blocks, text), text, bad))
    path = layout.path if file.part is None else (*layout.path, file.part)
    if layout.kind == "squad":
        return Content(squad_rows(text, path))
    columns = options.get("columns")
    names = None if columns is None else tuple(map(str, columns))
    blocks = partial(_item_blocks, text, path, names)
    return Content(_batches(blocks, text, bad))


def splits_in(file: DataFile, options: Options) -> list[str] | None:
    """The keys of a JSON document that are splits; None where it holds but one."""
    return list(layout_of(file, options).splits) or None


JSON_LINES = Format("JSON Lines", (".jsonl", ".ndjson"), read_json_lines, _OPTIONS)
JSON = Format("JSON", (".json",), read_json, _OPTIONS, splits_in)


def _line_blocks(text: Text) -> Iterator[_Block]:
    start = 0
    with text.open() as stream:
        while content := stream.read(_BLOCK):
            if not content.endswith(b"\n"):
                content += stream.readline()
            yield _Block(content, _lines_of(content, text, start), lines=True)
            start += len(content)


def _lines_of(content: bytes, text: Text, start: int) -> Callable[[], Iterator[Place]]:
    def places() -> Iterator[Place]:
        first = count_lines(text, start) + 1
        for number, line in enumerate(content.decode().split("\n"), start=first):
            if raw := line.strip():
                yield Place("line", number, raw)

    return places


def _item_blocks(
    text: Text, path: tuple[str, ...], columns: tuple[str, ...] | None
) -> Iterator[_Block]:
    pending: list[str] = []
    size = number = 0
    with open_rows(text, path) as stream:
        for number, item in enumerate(stream.items(), start=1):
            pending.append(_as_object(item, number, text, columns))
            size += len(pending[-1])
            if size > _BLOCK:
                yield _items(pending, number - len(pending) + 1)
                pending, size = [], 0
        if not path:
            stream.check_end()
    if not number:
        raise DataError(f"{text.file.name} is empty: its JSON array has no items.")
    if pending:
        yield _items(pending, number - len(pending) + 1)


def _items(rows: list[str], first: int) -> _Block:
    def places() -> Iterator[Place]:
        for number, raw in enumerate(rows, start=first):
            yield Place("item", number, raw)

    return _Block("\n".join(rows).encode(), places, lines=False)


def _as_object(item: Item, number: int, text: Text, columns: tuple[str, ...] | None) -> str:
    """A row as it is written; one that is a list as an object of named columns."""
    if not isinstance(item.value, list):
        return item.raw
    names = columns or (_PAIR if len(item.value) == 2 else None)
    names = names or tuple(f"column_{place}" for place in range(1, len(item.value) + 1))
    if len(names) != len(item.value):
        raise DataError(
            f"{text.file.name}, item {number} (line {item.line}): a row of {len(item.value)} "
            f"values, but the columns are {', '.join(names)}."
        )
    return json.dumps(dict(zip(names, item.value, strict=True)))


def _batches(
    blocks: Callable[[], Iterator[_Block]], text: Text, bad: BadRows
) -> Iterator[pa.RecordBatch]:
    parser = _Parser(blocks, text, bad)
    for block, attempt in _attempts(parser, blocks()):
        for batch in batches_of(parser.settle(block, attempt)):
            yield plain_batch(batch)
    if not parser.schema.names:
        name = text.file.name
        raise bad.none_left(name) or DataError(
            f"{name}: the objects have no keys, so there are no columns. Rows are objects such as "
            '{"text": "...", "label": "..."}.'
        )


def _attempts(
    parser: "_Parser", blocks: Iterator[_Block]
) -> Iterator[tuple[_Block, "Future[pa.Table]"]]:
    """The blocks in order, while the next ones are parsed side by side."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    waiting: deque[tuple[_Block, Future[pa.Table]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in blocks:
            # What the first block tells of the types helps with all others.
            if len(waiting) > threads or (waiting and not parser.schema.names):
                yield waiting.popleft()
            waiting.append((block, pool.submit(parser.table_of, block, parser.schema)))
        yield from waiting


class _Parser:
    """Parses blocks of rows into tables; what one learned of the types helps with the next.

    Attributes:
        schema: the columns so far, with the types that their rows have in common.
    """

    def __init__(self, blocks: Callable[[], Iterator[_Block]], text: Text, bad: BadRows) -> None:
        """`blocks` reads the blocks from the first on, for a second look."""
        self.schema = pa.schema([])
        self._text = text
        self._bad = bad
        self._kinds = Kinds(text.file.name)
        self._blocks = blocks

    def settle(self, block: _Block, attempt: "Future[pa.Table]") -> pa.Table:
        """The rows of the next block in order, which was parsed already; bad ones are set aside."""
        try:
            table = attempt.result()
            schema = self._unified(table.schema)
            if self._text.keep_undecodable and UNDECODABLE.encode() in block.content:
                raise pa.ArrowInvalid("bytes that cannot be decoded")
            if any(map(_has_huge, table.columns)) and _WHOLE_NUMBER.search(block.content):
                raise pa.ArrowInvalid("whole numbers as fractions")
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError) as error:
            table = self._good_rows(block, error)
            schema = self._unified(table.schema)
        self.schema = schema
        return table

    def _good_rows(self, block: _Block, error: Exception) -> pa.Table:
        """The rows of a block that was refused as a whole, without those that are bad."""
        self._learn_kinds()
        rows = list(self._kinds.good_rows(self._decodable(block), self._bad))
        try:
            try:
                table = self.table_of(_joined(block, rows), self.schema)
            except (pa.ArrowInvalid, UnicodeError):
                table = self.table_of(_joined(block, self._parsable(block, rows)), self.schema)
            self._unified(table.schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError) as again:
            reason = str(again).splitlines()[0]
            raise DataError(
                f"{self._text.file.name}: the file cannot be read as JSON ({reason})."
            ) from error
        return table

    def table_of(self, block: _Block, schema: pa.Schema) -> pa.Table:
        """The rows of a block; `schema` is what is known of the types, if anything.

        Raises an error of Arrow's where one is bad.
        """
        if not block.content or block.content.isspace():
            return schema.empty_table()
        try:
            table = _parsed(block, _texts_of(schema))
        except pa.ArrowInvalid:
            # A list or record that held whole numbers so far may hold fractions here.
            table = _parsed(block, pa.schema([]))
        as_text = pa.schema([(each.name, _without_times(each.type)) for each in table.schema])
        return table if as_text.equals(table.schema) else _parsed(block, as_text)

    def _parsable(self, block: _Block, rows: list[Place]) -> Iterator[Place]:
        """The rows that Arrow's parser reads: not huge numbers, nor halves of characters."""
        for place in rows:
            try:
                self.table_of(_joined(block, [place]), pa.schema([]))
            except (pa.ArrowInvalid, UnicodeError) as error:
                found = str(error).splitlines()[0].removesuffix(" in row 0").rstrip(".")
                reason = f"a value cannot be read ({found.removeprefix('JSON parse error: ')})"
                name = self._text.file.name
                line = place.number if place.unit == "line" else None
                refused = DataError(
                    f"{name}, {place}: {reason}: {place.raw[:_SHOWN]}\n"
                    'Correct it, or set such rows aside: on_bad_rows="collect".'
                )
                self._bad.refuse(name, line, reason, place.raw, refused)
            else:
                yield place

    def _unified(self, schema: pa.Schema) -> pa.Schema:
        if schema.equals(self.schema):
            return self.schema
        return pa.unify_schemas([self.schema, schema], promote_options="permissive")

    def _learn_kinds(self) -> None:
        """Finds the first row that has each key known so far, to name it in errors."""
        wanted = {each.name for each in self.schema if not pa.types.is_null(each.type)}
        if wanted <= self._kinds.seen.keys():
            return
        for block in self._blocks():
            for _ in self._kinds.good_rows(block.places(), BadRows(collect=True)):
                if wanted <= self._kinds.seen.keys():
                    return

    def _decodable(self, block: _Block) -> Iterator[Place]:
        for place in block.places():
            if UNDECODABLE in place.raw:
                what = f"bytes that are not {self._text.encoding}"
                line = place.number if place.unit == "line" else None
                name = self._text.file.name
                error = DataError(f"{name}, {place}: {what}.")
                self._bad.refuse(name, line, what, place.raw.replace(UNDECODABLE, "\ufffd"), error)
            else:
                yield place


def _joined(block: _Block, rows: Iterable[Place]) -> _Block:
    return replace(block, content="\n".join(place.raw for place in rows).encode())


def _parsed(block: _Block, schema: pa.Schema) -> pa.Table:
    size = len(block.content) + 1
    table = pa_json.read_json(
        pa.BufferReader(block.content),
        read_options=pa_json.ReadOptions(block_size=size, use_threads=False),
        parse_options=pa_json.ParseOptions(
            explicit_schema=schema, newlines_in_values=not block.lines
        ),
    )
    table.validate(full=True)  # the parser lets halves of characters through
    return table


def _has_huge(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether a fraction in a column, or in its lists and records, may be a huge whole number."""
    kind = column.type
    if pa.types.is_list(kind):
        return _has_huge(pc.list_flatten(column))
    if pa.types.is_struct(kind):
        return any(_has_huge(pc.struct_field(column, [at])) for at in range(kind.num_fields))
    if not pa.types.is_floating(kind):
        return False
    ends = pc.min_max(column)
    return bool(ends["max"].is_valid and max(-ends["min"].as_py(), ends["max"].as_py()) >= _HUGE)


def _texts_of(schema: pa.Schema) -> pa.Schema:
    """The columns with text in them, which the parser would otherwise search for dates."""
    return pa.schema([each for each in schema if "string" in str(each.type)])


def _without_times(arrow_type: pa.DataType) -> pa.DataType:
    """The parser takes text that looks like a date for one; this is the type that keeps it text."""
    if pa.types.is_timestamp(arrow_type):
        return pa.string()
    if pa.types.is_list(arrow_type):
        return pa.list_(_without_times(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return pa.struct([(each.name, _without_times(each.type)) for each in arrow_type])
    return arrow_type
