"""PostgreSQL as the Hub's database, through pg8000: for several processes or machines."""

import hashlib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    create_engine,
    event,
    exc,
    make_url,
    text,
)
from sqlalchemy.engine import ExceptionContext

from graft.errors import HubError, MissingExtraError

DRIVER = "postgresql+pg8000"
CONNECT_SECONDS = 10
MOST_CONNECTIONS = 60
"""Of one process, when many requests come at once; `database_pool_size` stay open."""
POOL_WAIT_SECONDS = 10
IDLE_SECONDS = 20.0
"""A connection that nobody used for so long is asked whether it still leads somewhere."""

# Those of libpq that say clearly what they do: "prefer" would talk in the clear without a word.
_OPTIONS = ("sslmode", "sslrootcert", "unix_sock")
_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class Address:
    """Where the database is, and how to talk to it: `tls` is None for in the clear."""

    url: URL
    tls: ssl.SSLContext | None = None


def read_address(url: str) -> Address:
    """What an address such as `postgresql://user:password@host/name?sslmode=verify-full` says.

    Raises:
        HubError: an address that cannot be read.
        MissingExtraError: the driver is not installed.
    """
    try:
        parsed = make_url("postgresql" + url[url.index(":") :]).set(drivername=DRIVER)
    except (exc.ArgumentError, ValueError) as error:
        raise HubError(
            "GRAFT_DATABASE_URL cannot be read; write it as postgresql://user:password@host/name, "
            "with %40 for @, %2F for / and %3A for : in the password."
        ) from error
    try:
        import pg8000  # noqa: F401  (asks whether the extra is installed)
    except ModuleNotFoundError as error:
        raise MissingExtraError("A hub on PostgreSQL", "postgres") from error
    unknown = parsed.query.keys() - _OPTIONS
    if unknown:
        raise HubError(
            f"GRAFT_DATABASE_URL has the option {min(unknown)!r}, which the Hub does not know; it "
            f"knows {', '.join(_OPTIONS)}."
        )
    mode, root = parsed.query.get("sslmode", "disable"), parsed.query.get("sslrootcert")
    bare = parsed.difference_update_query(["sslmode", "sslrootcert"])
    return Address(bare, _tls(str(mode), str(root) if root else None))


def open_engine(
    address: Address, *, pool_size: int, statement_seconds: float | None, lock_seconds: float
) -> Engine:
    """An engine over a pool of connections, whose errors have the names that SQLAlchemy gives them.

    Args:
        pool_size: connections that stay open.
        statement_seconds: after which the server gives up a statement; None: never.
        lock_seconds: after which the server gives up the wait for a lock.
    """
    # pg8000 has one limit for all that it waits for: longer than the server's own, so that it
    # counts only where the server cannot be reached any more.
    waits = None if statement_seconds is None else statement_seconds + CONNECT_SECONDS
    engine = create_engine(
        address.url,
        connect_args={
            "timeout": waits,
            "application_name": "graft",
            "ssl_context": address.tls or False,  # None would mean: as the server likes
            # Without any, pg8000 breaks where the server asks for one, and does not say why; an
            # empty one ends the connection before the server has said so.
            "password": address.url.password or "none was given",
        },
        pool_size=pool_size,
        max_overflow=max(0, MOST_CONNECTIONS - pool_size),
        pool_timeout=POOL_WAIT_SECONDS,
        pool_use_lifo=True,
    )
    limits = {"lock_timeout": lock_seconds}
    if statement_seconds is not None:
        limits["statement_timeout"] = statement_seconds
        limits["idle_in_transaction_session_timeout"] = 10 * statement_seconds
    settings = "; ".join(f"SET {name} = {int(value * 1000)}" for name, value in limits.items())

    def connect(dialect: Dialect, _record: Any, args: list[Any], options: dict[str, Any]) -> Any:
        try:
            connection: Any = dialect.connect(*args, **options)
            connection.autocommit = True  # `_begin` begins transactions
            _execute(connection, settings)
        except OSError as error:  # pg8000 lets much through that the socket or TLS says
            raise dialect.loaded_dbapi.InterfaceError("no connection") from error
        return connection

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _name_error, retval=True)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _check_idle)
    return engine


def reason(error: exc.DBAPIError) -> str:
    """What PostgreSQL said, or what kept its answer from coming, in a few words."""
    original = error.orig
    details = original.args[0] if original is not None and original.args else None
    if isinstance(details, dict):
        return str(details.get("M", original))
    if original is not None and original.__cause__ is not None:
        return str(original.__cause__)
    return str(original)


def check_encoding(connection: Connection) -> None:
    """
    Raises:
        HubError: the database cannot hold every text.
    """
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise HubError(
            f"The database keeps its texts as {encoding}; the Hub needs one that keeps UTF8: "
            "CREATE DATABASE graft ENCODING 'UTF8' TEMPLATE template0."
        )


def lock_number(name: str) -> int:
    """The number, of 64 bits with a sign, under which PostgreSQL knows the lock `name`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def lock(connection: Connection, name: str) -> None:
    """Waits until nobody else holds `name`, and holds it until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number(name)})


@contextmanager
def held(engine: Engine, name: str) -> Iterator[None]:
    """Holds the lock `name` while the block lasts, on a connection of its own: it is given back
    however the block ends, also where the connection or this process breaks off."""
    # One that writes sees no fixed state, and so keeps nobody from tidying up.
    with engine.execution_options(writes=True).begin() as connection:
        lock(connection, name)
        yield


def _tls(mode: str, root: str | None) -> ssl.SSLContext | None:
    """What libpq means by `sslmode`; `root` is the file of certificates to trust."""
    if mode not in _SSL_MODES:
        raise HubError(f"sslmode={mode} in GRAFT_DATABASE_URL: use one of {', '.join(_SSL_MODES)}.")
    if mode == "disable":
        return None
    try:
        context = ssl.create_default_context(cafile=root)
    except OSError as error:
        raise HubError(
            f"sslrootcert={root} in GRAFT_DATABASE_URL holds no certificates that can be read: "
            f"{error.strerror or error}."
        ) from error
    context.check_hostname = mode == "verify-full"
    if mode == "require" and root is None:  # encrypted, to whoever answers
        context.verify_mode = ssl.CERT_NONE
    return context


def _execute(connection: Any, statement: str) -> None:
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql(
        "BEGIN" if writes else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    )


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check_idle(connection: Any, record: Any, _proxy: Any) -> None:
    if time.monotonic() - record.info.get("used", time.monotonic()) < IDLE_SECONDS:
        return
    try:
        _execute(connection, "SELECT 1")
    except Exception as error:  # whatever it says, another connection is made
        raise exc.DisconnectionError() from error


def _name_error(context: ExceptionContext) -> BaseException | None:
    """Errors by their SQLSTATE: pg8000 calls nearly all of them `ProgrammingError`. Those of the
    network are not even errors of a database to it."""
    original = context.original_exception
    if isinstance(original, OSError):  # pg8000 lets a reset of the connection through
        context.is_disconnect = True
        return exc.OperationalError(context.statement, context.parameters, original)
    details = original.args[0] if original.args else None
    if not isinstance(details, dict):
        return None
    state = str(details.get("C", ""))
    kind: type[exc.DBAPIError]
    if state.startswith("23"):
        kind = exc.IntegrityError
    elif state.startswith("22"):
        kind = exc.DataError
    elif state.startswith(("08", "40", "53", "55", "57", "58")):
        kind = exc.OperationalError
    else:
        return None
    return kind(context.statement, context.parameters, original)
