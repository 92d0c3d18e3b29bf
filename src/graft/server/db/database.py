"""The connection to the database: transactions, and bringing its tables up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.orm import Session

from graft.errors import HubError

SQLITE_WAIT_SECONDS = 30


class Database:
    """Opens transactions. Values read in one must not be used after it: return plain records."""

    def __init__(self, url: str) -> None:
        """
        Raises:
            HubError: a kind of database that the search index does not run on.
        """
        if not url.startswith("sqlite:"):
            raise HubError(
                f"The Hub cannot use the database {url.partition(':')[0]!r}: "
                "set GRAFT_DATABASE_URL to an SQLite address (sqlite:////folder/hub.sqlite3)."
            )
        self._engine = create_engine(url, connect_args={"timeout": SQLITE_WAIT_SECONDS})
        event.listen(self._engine, "connect", _prepare_sqlite)
        event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that holds the write lock; commits when the block ends without error."""
        with Session(self._engine.execution_options(writes=True)) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Creates or upgrades the tables to what this version of Graft expects."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        self._engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's own handling of transactions knows no BEGIN IMMEDIATE: `_begin_sqlite` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # Without IMMEDIATE a transaction that reads first and then writes fails, instead of waiting,
    # when another one wrote in between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
