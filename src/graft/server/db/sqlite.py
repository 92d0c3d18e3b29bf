"""SQLite as the Hub's database: one file, many readers, one writer at a time."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url

from graft.errors import HubError

WAIT_SECONDS = 30
"""How long a writer waits for another one to end."""
POOL_SIZE = 10
MOST_CONNECTIONS = 60
"""More than threads that ask: one that waits for the write lock must not keep readers waiting."""


def open_engine(url: str) -> Engine:
    """The engine that answers requests.

    Raises:
        HubError: no file is named.
    """
    if make_url(url).database in (None, "", ":memory:"):
        raise HubError(
            f"GRAFT_DATABASE_URL is {url!r}; name a file, as in sqlite:////folder/hub.sqlite3."
        )
    engine = create_engine(
        url,
        connect_args={"timeout": WAIT_SECONDS},
        pool_size=POOL_SIZE,
        max_overflow=MOST_CONNECTIONS - POOL_SIZE,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def open_migrating_engine(url: str) -> Engine:
    """An engine to change tables with: foreign keys are not followed.

    To change a column, SQLite makes the table anew and drops the old one, which would delete what
    refers to its rows.
    """
    engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS}, poolclass=NullPool)
    event.listen(engine, "connect", _prepare_without_keys)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def held(engine: Engine, name: str) -> Iterator[None]:
    """Holds the lock `name` while the block lasts, against other threads and processes: by a file
    beside the database, which the last who held it removes. One who is killed gives it back."""
    path = Path(f"{engine.url.database}-locks", hashlib.sha256(name.encode()).hexdigest())
    path.parent.mkdir(exist_ok=True)
    handle = _lock_file(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _lock_file(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:  # not removed by who held it before
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _prepare(connection: Any, record: Any) -> None:
    _prepare_without_keys(connection, record)
    connection.execute("PRAGMA foreign_keys=ON")


def _prepare_without_keys(connection: Any, _record: Any) -> None:
    # Python's own handling of transactions knows no BEGIN IMMEDIATE: `_begin` does it.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    # What was acknowledged is on the disk, also after the power fails.
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: Connection) -> None:
    # Without IMMEDIATE a transaction that reads first and then writes fails, instead of waiting,
    # when another one wrote in between.
    writes = connection.get_execution_options().get("writes", False)
    # Not by SQLAlchemy's own way to a statement, which takes longer than all else that begins one.
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
