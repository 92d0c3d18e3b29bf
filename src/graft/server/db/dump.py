"""Tables as files of JSON lines, which SQLite and PostgreSQL both can be filled from.

A table is `NAME.jsonl.gz`: a line with the names of its columns, then a line with each row's
values, by primary key. Times are `{"time": "2026-11-21T01:14:16+00:00"}`, bytes are
`{"bytes": "base64"}`; all else is as in JSON.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Integer, Table, func, insert, select, text
from sqlalchemy.orm import Session

from graft.errors import HubError
from graft.files import atomic_file

BATCH_ROWS = 500
_PACKING = 3  # of 1 (fast) to 9 (small)

Keys = dict[str, set[Any]]
"""The primary keys that were written, by table: for tables with one column in theirs."""


def write_tables(
    session: Session, tables: Sequence[Table], folder: Path, keys: Keys
) -> dict[str, int]:
    """Writes tables as the session's transaction sees them; answers how many rows each has.

    Rows that refer to a row which the dump does not hold, since it came about after an earlier part
    was written, are left out.

    Args:
        keys: what earlier parts of the same dump wrote; what this one writes is added.
    """
    return {table.name: _write_table(session, table, folder, keys) for table in tables}


def read_tables(session: Session, tables: Sequence[Table], folder: Path) -> dict[str, int]:
    """Fills empty tables with what files hold; answers how many rows each got.

    Raises:
        HubError: a file that is missing or damaged, or of tables of another form.
    """
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
    counts = {table.name: _read_table(session, table, folder) for table in tables}
    if session.get_bind().dialect.name == "postgresql":
        for table in tables:
            _set_sequence(session, table)
    return counts


def _write_table(session: Session, table: Table, folder: Path, keys: Keys) -> int:
    columns = list(table.columns)
    references = {
        index: keys[key.column.table.name]
        for index, column in enumerate(columns)
        for key in column.foreign_keys
        if key.column.table.name in keys
    }
    primary = [index for index, column in enumerate(columns) if column.primary_key]
    written = keys.setdefault(table.name, set()) if len(primary) == 1 else None
    query = select(table).order_by(*table.primary_key.columns)
    count = 0
    with (
        atomic_file(_path(folder, table)) as temporary,
        gzip.open(temporary, "wt", _PACKING, encoding="utf-8") as file,
    ):
        file.write(json.dumps([column.name for column in columns]) + "\n")
        for row in session.execute(query.execution_options(yield_per=BATCH_ROWS)):
            if any(row[at] not in there for at, there in references.items() if row[at] is not None):
                continue
            file.write(json.dumps([_to_json(value) for value in row], ensure_ascii=False) + "\n")
            count += 1
            if written is not None:
                written.add(row[primary[0]])
    return count


def _read_table(session: Session, table: Table, folder: Path) -> int:
    count = 0
    batch: list[dict[str, Any]] = []
    for row in _rows(_path(folder, table), table):
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            session.execute(insert(table), batch)
            count += len(batch)
            batch = []
    if batch:
        session.execute(insert(table), batch)
    return count + len(batch)


def _rows(path: Path, table: Table) -> Iterator[dict[str, Any]]:
    number = 1
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            names = json.loads(file.readline())
            unknown = set(names) - set(table.columns.keys())
            if unknown:
                raise HubError(
                    f"{path} has columns that this version of Graft does not know: "
                    f"{', '.join(sorted(unknown))}. Restore with the version that made the backup."
                )
            for line in file:
                number += 1
                values = [_from_json(value) for value in json.loads(line)]
                yield dict(zip(names, values, strict=True))
    except FileNotFoundError:
        raise HubError(f"The backup is not complete: {path} is missing.") from None
    except (ValueError, TypeError, EOFError, OSError, zlib.error) as error:
        raise HubError(f"{path} is damaged at line {number}: {error}") from error


def _set_sequence(session: Session, table: Table) -> None:
    """Has PostgreSQL count on from the largest number: rows that were given one do not move it."""
    primary = list(table.primary_key.columns)
    if len(primary) != 1 or not isinstance(primary[0].type, Integer) or primary[0].foreign_keys:
        return
    column = primary[0]
    largest = session.scalar(select(func.max(column)))
    name = session.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
    if name is not None and largest is not None:
        session.execute(select(func.setval(name, largest)))


def _path(folder: Path, table: Table) -> Path:
    return folder / f"{table.name}.jsonl.gz"


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return {"time": moment.isoformat()}
    if isinstance(value, bytes | memoryview):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"json": value}
    return value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "time" in value:
        return datetime.fromisoformat(value["time"])
    return base64.b64decode(value["bytes"]) if "bytes" in value else value["json"]
