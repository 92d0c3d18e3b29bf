"""JSON Lines files, and JSON files that hold one array of objects."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.json as pa_json

from graft.data.arrow_types import plain_batch
from graft.data.bad_rows import BadRows
from graft.data.checks import BOM, check_utf8
from graft.data.data_file import Content, DataFile, Format, Options
from graft.errors import DataError

# One record must fit into a block.
_BLOCK = 64 << 20
_SHOWN = 60
_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
# What stands at one place of the file: its name for an error, and the value itself.
_Places = Iterable[tuple[str, Any]]


def read_json(path: Path, name: str) -> pa.Table:
    """One object per line (or one array of objects); the keys are the columns.

    Text stays text, also where it looks like a date. A key that an object lacks is null.

    Raises `DataError` naming the line that is no JSON object, and the line and key whose kind of
    value differs from those before.
    """
    try:
        items = _array(path, name)
        if items is None:
            table = _parse(lambda: _after_mark(path))
        else:
            lines = "\n".join(map(json.dumps, items)).encode()
            table = _parse(lambda: io.BytesIO(lines))
        table.validate(full=True)  # the parser lets bytes through that are not UTF-8
    except (pa.ArrowException, UnicodeDecodeError) as error:
        check_utf8(path, name)
        numbered = enumerate(items or [], start=1)
        places = _lines(path, name) if items is None else ((f"item {i}", x) for i, x in numbered)
        _explain(places, name)
        reason = str(error).splitlines()[0]
        raise DataError(f"{name}: the file cannot be read as JSON Lines ({reason}).") from error
    if table.num_columns == 0:
        raise DataError(f"{name}: the objects have no keys, so there are no columns.")
    return table


def _after_mark(path: Path) -> BinaryIO:
    file = path.open("rb")
    if file.read(len(BOM)) != BOM:
        file.seek(0)
    return file


def _parse(open_stream: Callable[[], BinaryIO]) -> pa.Table:
    options = pa_json.ReadOptions(block_size=_BLOCK)
    with open_stream() as stream:
        table = pa_json.read_json(stream, read_options=options)
    as_text = pa.schema([(field.name, _without_times(field.type)) for field in table.schema])
    if as_text.equals(table.schema):
        return table
    with open_stream() as stream:
        return pa_json.read_json(
            stream,
            read_options=options,
            parse_options=pa_json.ParseOptions(explicit_schema=as_text),
        )


def _without_times(arrow_type: pa.DataType) -> pa.DataType:
    """The parser takes text that looks like a date for one; this is the type that keeps it text."""
    if pa.types.is_timestamp(arrow_type):
        return pa.string()
    if pa.types.is_list(arrow_type):
        return pa.list_(_without_times(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return pa.struct([(field.name, _without_times(field.type)) for field in arrow_type])
    return arrow_type


def _array(path: Path, name: str) -> list[Any] | None:
    """The items of a file that is one JSON array; None when it does not start like one."""
    with _after_mark(path) as file:
        if file.read(1024).lstrip()[:1] != b"[":
            return None
    try:
        items = json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{name}, line {error.lineno}, column {error.colno}: broken JSON ({error.msg}). "
            "Correct it there; the file must be one array of objects, or one object per line."
        ) from error
    if not items:
        raise DataError(f"{name} is empty: its JSON array has no items.")
    return list(items)


def _lines(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if not text:
                continue
            try:
                yield f"line {number}", json.loads(text, object_pairs_hook=_checked)
            except (ValueError, RecursionError) as error:
                at = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
                raise DataError(
                    f"{name}, line {number}{at}: broken JSON ({reason}): {shown}\n"
                    "Each line must be one whole object, such as "
                    '{"text": "...", "label": "..."}.'
                ) from error


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return values


def _explain(places: _Places, name: str) -> None:
    """Raises `DataError` for the first place that does not fit those before it."""
    seen: dict[str, tuple[str, str]] = {}
    for place, item in places:
        if not isinstance(item, dict):
            raise DataError(
                f"{name}, {place}: {_kind(item)} stands where an object was expected, such as "
                '{"text": "...", "label": "..."}.'
            )
        for key, value in item.items():
            if value is None:
                continue
            kind, first = seen.setdefault(key, (_kind(value), place))
            if kind != _kind(value):
                raise DataError(
                    f"{name}, {place}, column {key!r}: {_kind(value)}, but {first} has {kind} "
                    "there. Write all values of a column in one way."
                )


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "an object" if isinstance(value, dict) else "null")


def _json(file: DataFile, _options: Options, _bad: BadRows) -> Content:
    table = read_json(file.path, file.name)
    return Content(plain_batch(batch) for batch in table.to_batches())


JSON = Format("JSON", (".json",), _json)
JSON_LINES = Format("JSON Lines", (".jsonl", ".ndjson"), _json)
