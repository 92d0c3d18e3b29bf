"""The connection to the database: transactions, locks, and bringing its tables up to date."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import uniform
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from graft.errors import HubError
from graft.server.db import postgresql, sqlite
from graft.server.db.tables.base import Base

Dialect = Literal["sqlite", "postgresql"]
Reader = Session | Connection
"""What answers queries of columns: `reading` opens the one, `querying` the other."""
Result = TypeVar("Result")

DEFAULT_POOL_SIZE = 10
DEFAULT_TIMEOUT_SECONDS = 60.0
# How long a migration, or who needs a repository that is being changed, waits for the one before.
LOCK_SECONDS = 120.0
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.02

_MIGRATIONS = Path(__file__).parent / "migrations"
_RETRIABLE_STATES = {"40001", "40P01"}  # serialization failure, deadlock


class Database:
    """Opens transactions. Values read in one must not be used after it: return plain records."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = DEFAULT_POOL_SIZE,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        """
        Args:
            url: `sqlite:////folder/file` or `postgresql://user:password@host/name`.
            pool_size: connections that stay open (PostgreSQL).
            timeout: seconds that one statement may take (PostgreSQL).

        Raises:
            HubError: a kind of database that the Hub does not run on, or an unreadable address.
        """
        scheme = url.partition(":")[0].partition("+")[0]
        self._migrator: Callable[[], Engine]
        self._locks: Engine | None = None
        if scheme == "sqlite":
            self.dialect: Dialect = "sqlite"
            self._engine = sqlite.open_engine(url)
            self._migrator = lambda: sqlite.open_migrating_engine(url)
        elif scheme in ("postgresql", "postgres"):
            self.dialect = "postgresql"
            address = postgresql.read_address(url)
            self._engine = postgresql.open_engine(
                address, pool_size=pool_size, statement_seconds=timeout, lock_seconds=timeout
            )
            # Who holds a lock needs another connection for the work: from another pool, or many
            # who wait for locks would leave none for who has one.
            self._locks = _patient(address)
            self._migrator = lambda: _patient(address)
        else:
            raise HubError(
                f"The Hub cannot use the database {scheme!r}: set GRAFT_DATABASE_URL to an address "
                "of SQLite (sqlite:////folder/hub.sqlite3) or of PostgreSQL "
                "(postgresql://user:password@host/name)."
            )
        self._reader = sessionmaker(self._engine)
        self._writer = sessionmaker(self._engine.execution_options(writes=True))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._reader() as session:
            yield session

    @contextmanager
    def querying(self) -> Iterator[Connection]:
        """As `reading`, for queries of columns alone: a session takes as long again as they do,
        which counts where almost every request asks."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits when the block ends without error.

        On SQLite it holds the one write lock from its first statement on: nothing in it asks
        storage or another machine, or all who write would wait for one that hangs. On PostgreSQL
        others write at the same time: where what was read must still be so when it is written to,
        take a `lock`, or `run` it again.
        """
        with self._writer.begin() as session:
            yield session

    def run(self, work: Callable[[Session], Result]) -> Result:
        """Does `work` in a transaction that writes, and again where PostgreSQL ended it for the
        sake of another one (a deadlock, a serialization failure): it may change nothing else.

        Raises:
            OperationalError: it was ended each of `ATTEMPTS` times.
        """
        pause = FIRST_PAUSE_SECONDS
        for _ in range(ATTEMPTS - 1):
            try:
                with self.writing() as session:
                    return work(session)
            except OperationalError as error:
                if not is_retriable(error):
                    raise
            time.sleep(uniform(pause / 2, pause))
            pause *= 2
        with self.writing() as session:
            return work(session)

    def lock(self, session: Session, name: str) -> None:
        """Waits until no other transaction holds `name`, and holds it until this one ends.

        On SQLite it begins the transaction, where that has not been done: whoever writes is alone.
        """
        connection = session.connection()
        if self.dialect == "postgresql":
            postgresql.lock(connection, name)

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Holds the lock `name` while the block lasts, over all processes of this Hub, without a
        transaction: for what may take long, such as asking storage. Not to be taken twice, nor
        under a `lock` of the same name."""
        engine = self._engine if self._locks is None else self._locks
        held = sqlite.held if self.dialect == "sqlite" else postgresql.held
        with held(engine, name):
            yield

    def check(self) -> None:
        """
        Raises:
            SQLAlchemyError: the database does not answer.
        """
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def migrate(self) -> None:
        """Creates or upgrades the tables to what this version of Graft expects.

        Raises:
            HubError: a newer version of Graft made the tables, or the database lets nobody in.
        """
        try:
            with self._engine.connect() as connection:
                if _version(connection) == newest_version():
                    return
        except DBAPIError as error:
            raise HubError(self._why_closed(error)) from error
        engine = self._migrator()
        try:
            with engine.execution_options(writes=True).begin() as connection:
                if self.dialect == "postgresql":
                    postgresql.lock(connection, "migrations")
                _upgrade(connection)
        except DBAPIError as error:
            raise HubError(self._why_closed(error)) from error
        finally:
            engine.dispose()

    def _why_closed(self, error: DBAPIError) -> str:
        """Why the first statements did not work, without the password of the address."""
        if self.dialect == "sqlite":
            file = self._engine.url.database
            return f"The database {file} cannot be used: {error.orig}. Name another data folder."
        address = self._engine.url.set(drivername="postgresql").render_as_string()
        return (
            f"The database {address} cannot be used: {postgresql.reason(error)}. "
            "See that it runs and can be reached from here, that GRAFT_DATABASE_URL is right, its "
            "password too, and that the role owns the database."
        )

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()
        if self._locks is not None:
            self._locks.dispose()


def insert_into(session: Session, table: type[Base]) -> PostgreSQLInsert | SQLiteInsert:
    """An INSERT that can say what happens on a conflict: both databases read the same, but
    SQLAlchemy has a class for each."""
    return PostgreSQLInsert(table) if dialect_of(session) == "postgresql" else SQLiteInsert(table)


def dialect_of(reader: Reader) -> Dialect:
    """The kind of database that a transaction is one of."""
    bind = reader if isinstance(reader, Connection) else reader.get_bind()
    return "postgresql" if bind.dialect.name == "postgresql" else "sqlite"


def is_retriable(error: BaseException) -> bool:
    """Whether PostgreSQL ended a transaction for another one's sake: tried again, it may work."""
    original = error.orig if isinstance(error, DBAPIError) else None
    details = original.args[0] if original is not None and original.args else None
    return isinstance(details, dict) and details.get("C") in _RETRIABLE_STATES


def newest_version() -> str:
    """The newest migration's number, which begins its file's name."""
    return max(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _patient(address: postgresql.Address) -> Engine:
    return postgresql.open_engine(
        address, pool_size=2, statement_seconds=None, lock_seconds=LOCK_SECONDS
    )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # takes a while to import: only who migrates pays for it
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        postgresql.check_encoding(connection)
    found = _version(connection)
    if found is not None and found > newest_version():
        raise HubError(
            f"The database's tables are of version {found}; this version of Graft knows them up to "
            f"{newest_version()}. Run the newer Graft that made them."
        )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).fetchall()
        if broken:
            raise HubError(f"The upgrade would leave {len(broken)} rows that refer to none.")
