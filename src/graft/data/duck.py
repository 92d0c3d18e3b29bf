"""DuckDB over tables of Arrow, which are read where they lie."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from graft.errors import DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH_ROWS = 8192


@contextmanager
def tables_in_duckdb(tables: Mapping[str, pa.Table]) -> Iterator["DuckDBPyConnection"]:
    """A connection that sees these tables by name, and nothing else: no file, no variable.

    What does not fit into memory goes to a folder that is removed at the end.
    """
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="graft-sql-") as folder,
        duckdb.connect(":memory:") as connection,
    ):
        place = folder.replace("'", "''")
        connection.execute(f"set temp_directory = '{place}'")
        connection.execute("set autoinstall_known_extensions = false")  # no network either
        for name, table in tables.items():
            connection.register(name, table)
        # After the other settings, which it locks.
        connection.execute("set python_enable_replacements = false")
        connection.execute("set enable_external_access = false")
        yield connection


def query_batches(connection: "DuckDBPyConnection", query: str) -> pa.RecordBatchReader:
    """The rows of a query, batch by batch as DuckDB makes them."""
    return connection.sql(query).to_arrow_reader(_BATCH_ROWS)


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns an error of DuckDB's into a `DataError` that begins with `what`."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise DataError(f"{what}: {error}") from error
