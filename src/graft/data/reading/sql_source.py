"""A query on a database as rows: any that SQLAlchemy has a dialect for.

What a query gives can change at any time, so that its rows are read anew at each call, unless the
caller asks for them to be kept. Users, passwords and options of an address are never told.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.data.arrow_types import plain_batch
from graft.data.fingerprint import digest
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.checks import check_unique
from graft.data.formats.data_file import Content, Options
from graft.data.reading.raw import Stream
from graft.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from sqlalchemy import URL, CursorResult

_ROWS = 1000
_SHOWN = 60
_ADDRESS = re.compile(r"[a-z][a-z0-9_]*(\+[a-z0-9_]+)?://", re.IGNORECASE)
_OTHERS = ("hf://", "http://", "https://", "file://", "s3://", "gs://", "ftp://")


def is_sql_url(source: str) -> bool:
    """Whether a source is the address of a database, such as "sqlite:///reviews.db"."""
    return bool(_ADDRESS.match(source)) and not source.lower().startswith(_OTHERS)


def sql_stream(address: str, options: Options) -> Stream:
    """The rows of a query on a database.

    Args:
        address: a URL of SQLAlchemy's.
        options: `query`, in the database's SQL; `parameters`, the values of its `:name`
            placeholders; and `keep`: whether to keep the rows in the cache, and to use those kept
            for the same query the next time. They are read anew each time otherwise.

    Raises:
        DataError: there is no query, the address is none, or its dialect is not installed; and,
            when rows are asked for, what the database refuses. No message holds a password.
        MissingExtraError: SQLAlchemy is not installed.
    """
    url = _url(address)
    query, parameters = options.get("query"), options.get("parameters") or {}
    if not isinstance(query, str) or not query.strip():
        raise DataError(f"{_told(url)}: give the query to run: query='select ...'.")
    if not isinstance(parameters, Mapping):
        raise DataError("parameters must be a dict: the name of a placeholder -> its value.")
    name = f"{_told(url)}, query {_short(query)!r}"

    def content(_: BadRows) -> Content:
        return Content(_batches(url, query, parameters, name))

    def parts() -> dict[str, str]:
        return {
            "database": digest(_told(url)),
            "query": digest(query),
            "parameters": digest(dict(parameters)),
        }

    return Stream(name, content, parts if options.get("keep") else None)


def _url(address: str) -> "URL":
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError as error:
        raise MissingExtraError("Reading from a database", "sql") from error
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None  # what was raised shows the address, with the password in it
    # A password with an @ that is not written as %40 would be taken for a part of the host.
    if url is None or "@" in (url.host or ""):
        raise DataError(
            "The address of the database cannot be read. It has the form "
            "dialect://user:password@host/database; write @ as %40 and / as %2F in a password."
        )
    return url


def _told(url: "URL") -> str:
    place = url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{place}{port}/{url.database or ''}"


def _short(query: str) -> str:
    words = " ".join(query.split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."


def _batches(
    url: "URL", query: str, parameters: Mapping[str, Any], name: str
) -> Iterator[pa.RecordBatch]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    _check_file(url)
    try:
        engine = create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise DataError(
            f"{_told(url)}: SQLAlchemy has no driver for {url.drivername!r} here. Install the "
            "package with that dialect, such as psycopg for postgresql or duckdb-engine for duckdb."
        ) from None
    try:
        with engine.connect() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=_ROWS)
            result = streaming.execute(text(query), dict(parameters))
            yield from _rows(result, name)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError(f"{name}: the database refused ({_hidden(reason, url)}).") from None
    finally:
        engine.dispose()


def _rows(result: "CursorResult[Any]", name: str) -> Iterator[pa.RecordBatch]:
    if not result.returns_rows:
        raise DataError(f"{name}: this statement gives no rows. Give one that does: select ...")
    columns = [str(key) for key in result.keys()]  # noqa: SIM118
    check_unique(columns, name)
    start = 0
    yield pa.record_batch([pa.nulls(0) for _ in columns], names=columns)  # where there are no rows
    for rows in result.partitions(_ROWS):
        by_column = zip(columns, zip(*rows, strict=True), strict=True)
        arrays = [_array(values, name, column, start) for column, values in by_column]
        yield plain_batch(pa.record_batch(arrays, names=columns))
        start += len(rows)


def _array(values: tuple[Any, ...], name: str, column: str, start: int) -> pa.Array:
    plain = [str(value) if isinstance(value, uuid.UUID) else value for value in values]
    try:
        return pa.array(plain)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{name}, column {column!r}, rows {start + 1} to {start + len(values)}: the values are "
            f"of several kinds, or of one that Arrow lacks ({reason}). Cast them in the query: "
            f"cast({column} as text)."
        ) from error


def _check_file(url: "URL") -> None:
    """A database in a file must be there: connecting would make an empty one."""
    if url.get_backend_name() not in ("sqlite", "duckdb"):
        return
    database = url.database or ""
    if database in ("", ":memory:") or database.startswith("file:"):
        return
    if not Path(database).is_file():
        raise DataError(f"{_told(url)}: there is no such file. Check the path.")


def _hidden(reason: str, url: "URL") -> str:
    secrets = [url.password, *url.query.values()]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            reason = reason.replace(secret, "***")
    return reason
