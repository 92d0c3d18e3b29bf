"""The first rows of a data set, read from the head of its first file."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.csv

from graft.server.errors import BusyError, EntryNotFoundError
from graft.server.hub import Hub
from graft.server.records import Entry, Repository
from graft.server.repositories import repos
from graft.server.runtime.apart import Apart
from graft.server.scan.scans import blob_of
from graft.server.web.table_rows import COLUMNS, ROWS, TableError, cell, read_apart

HEAD_BYTES = 200_000
MAX_PARQUET_BYTES = 20_000_000


@dataclass(frozen=True)
class Preview:
    """A few rows of one file, every cell as short text; `wrong` says why there are none."""

    file: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    wrong: str = ""


_tables: Apart[Preview] = Apart(at_once=4, waiting=24, kept=500)
"""Parquet files, by what names their bytes: a whole class may open the page of one."""


def preview(hub: Hub, repository: Repository) -> Preview | None:
    """The first rows of the file that a reader would look at first, training data where there is.

    None where no file is a table; one that cannot be read as such gives a preview that says so.
    """
    entries = repos.snapshot(hub, repository).entries(recursive=True)
    candidates = [entry for entry in entries if entry.is_file and _kind(entry)]
    if not candidates:
        return None
    entry = min(candidates, key=lambda item: ("train" not in item.path.lower(), item.path))
    try:
        if _kind(entry) == "parquet":
            return _preview_apart(hub, repository, entry)
        return _preview(hub, repository, entry, HEAD_BYTES)
    except EntryNotFoundError as error:
        return Preview(entry.path, wrong=str(error))


def _preview_apart(hub: Hub, repository: Repository, entry: Entry) -> Preview:
    """The preview of a file that takes a process to read, made once."""
    try:
        found = _tables.made(blob_of(entry), lambda: _preview(hub, repository, entry))
    except BusyError as error:
        return Preview(entry.path, wrong=str(error))
    return replace(found, file=entry.path)


def _preview(hub: Hub, repository: Repository, entry: Entry, limit: int | None = None) -> Preview:
    content = repos.read(hub, repository, entry, limit)
    try:
        columns, rows = _read(entry, content)
    except (pa.ArrowException, OSError, ValueError, RecursionError, TableError) as error:
        return Preview(entry.path, wrong=str(error))
    return Preview(
        file=entry.path,
        columns=tuple(columns[:COLUMNS]),
        rows=tuple(tuple(cell(value) for value in row[:COLUMNS]) for row in rows[:ROWS]),
    )


def _kind(entry: Entry) -> str:
    suffix = entry.name.rpartition(".")[2].lower()
    if suffix == "parquet":
        return "parquet" if entry.size <= MAX_PARQUET_BYTES else ""
    return suffix if suffix in ("csv", "tsv", "jsonl", "ndjson") else ""


def _read(entry: Entry, content: bytes) -> tuple[list[str], Sequence[Sequence[Any]]]:
    kind = _kind(entry)
    if kind == "parquet":
        return read_apart(content)
    text = _whole_lines(content, entry.size).decode("utf-8")
    return _json_lines(text) if kind in ("jsonl", "ndjson") else _delimited(text, kind)


def _whole_lines(head: bytes, size: int) -> bytes:
    """`head` without the line that the limit cut in two."""
    return head if len(head) >= size else head[: head.rfind(b"\n") + 1]


def _delimited(text: str, kind: str) -> tuple[list[str], list[list[Any]]]:
    table = pa.csv.read_csv(
        io.BytesIO(text.encode()),
        parse_options=pa.csv.ParseOptions(
            delimiter="\t" if kind == "tsv" else ",", newlines_in_values=True
        ),
    )
    return table.column_names, _rows(table.slice(0, ROWS).to_pylist(), table.column_names)


def _json_lines(text: str) -> tuple[list[str], list[list[Any]]]:
    lines = (line for line in text.split("\n") if line.strip())
    rows = [row for row in map(json.loads, islice(lines, ROWS)) if isinstance(row, dict)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [cell(name) for name in names], _rows(rows, names)


def _rows(rows: Iterable[dict[str, Any]], names: list[str]) -> list[list[Any]]:
    return [[row.get(name) for name in names] for row in rows]
