"""What a Hub under test keeps its data in: SQLite and a folder, or PostgreSQL and an S3 server.

`pytest --backend=postgres` starts both servers once; each Hub gets a database and a bucket of its
own, and keeps them when it is started again in the same folder.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from graft.server.db.database import Database
from graft.server.settings import Settings

START_SECONDS = 60.0


def find_program(name: str) -> str | None:
    """A program of PostgreSQL's server: Debian keeps them where no PATH leads."""
    folders = [os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    return shutil.which(name, path=os.pathsep.join(folders))


class PostgresServer:
    """A PostgreSQL server of the tests' own, reached by a socket in a temporary folder.

    It writes nothing through to the disk: what the tests ask is not whether PostgreSQL survives
    the loss of power.
    """

    def __init__(self) -> None:
        initdb, postgres = find_program("initdb"), find_program("postgres")
        if initdb is None or postgres is None:
            pytest.skip("PostgreSQL is not installed")
        self.folder = Path(tempfile.mkdtemp(prefix="graft-pg-", dir="/tmp"))  # a short path
        # The server refuses to run as root.
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            shutil.chown(self.folder, user)
        data = str(self.folder / "data")
        made = [initdb, "-D", data, "-A", "trust", "-U", "me", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [*made, "--no-sync"], check=True, capture_output=True, cwd=self.folder, user=user
        )
        settings = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=400")
        options = [part for setting in settings for part in ("-c", setting)]
        self._server = subprocess.Popen(
            [postgres, "-D", data, "-k", str(self.folder), *options],
            cwd=self.folder,
            user=user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._admin = create_engine(
            self._address("postgres", "postgresql+pg8000"), isolation_level="AUTOCOMMIT"
        )
        self._wait()

    def url(self, database: str) -> str:
        """The address of a database, as an operator would write it."""
        return self._address(database, "postgresql")

    def create(self, database: str, template: str = "template0") -> None:
        """Makes a database, as a copy of another one."""
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def drop(self, database: str) -> None:
        """Deletes a database, whoever is connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def ask_for_the_password_of(self, role: str) -> None:
        """From now on, a role has to show its password."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")
        self.execute("SELECT pg_reload_conf()")
        address = self._address("postgres", "postgresql+pg8000").replace("me@", f"{role}@")
        asked = create_engine(address, poolclass=NullPool)
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:  # the server reads its rules anew when it comes to it
            try:
                asked.connect().close()
            except Exception:
                return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL does not ask for the password.")

    def close(self) -> None:
        self._admin.dispose()
        self._server.send_signal(signal.SIGINT)  # without waiting for who is connected
        self._server.wait()
        shutil.rmtree(self.folder)

    def _address(self, database: str, scheme: str) -> str:
        return f"{scheme}://me@/{database}?unix_sock={self.folder}/.s.PGSQL.5432"

    def execute(self, statement: str) -> None:
        """Runs a statement as the server's owner."""
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    def _wait(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return
            except Exception:
                if self._server.poll() is not None or time.monotonic() > give_up:
                    raise
                time.sleep(0.05)


class S3Server:
    """A server that speaks S3, in a process of its own."""

    def __init__(self) -> None:
        pytest.importorskip("moto", reason="moto is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()

    def environment(self) -> dict[str, str]:
        """What programs that look for S3 in the environment find there."""
        return {
            "AWS_ACCESS_KEY_ID": "graft",
            "AWS_SECRET_ACCESS_KEY": "graft-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def create(self, bucket: str) -> None:
        """Makes a bucket."""
        httpx.put(f"{self.url}/{bucket}", timeout=START_SECONDS).raise_for_status()

    def close(self) -> None:
        self._server.terminate()
        self._server.wait()
        self._log.close()

    def _wait(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(f"{self.url}/moto-api/", timeout=1)
                return
            except httpx.TransportError:
                if self._server.poll() is not None or time.monotonic() > give_up:
                    self._log.seek(0)
                    raise RuntimeError(self._log.read().decode()) from None
                time.sleep(0.05)


class Servers:
    """PostgreSQL and S3 for all Hubs that this process makes while the block lasts, unless their
    settings say where they keep their data."""

    def __init__(self) -> None:
        self.postgres = PostgresServer()
        self.s3 = S3Server()
        self._known: dict[Path, int] = {}
        self._numbers = itertools.count(1)
        self._patch = pytest.MonkeyPatch()
        self.postgres.create("graft_template")
        template = Database(self.postgres.url("graft_template"))
        template.migrate()
        template.close()

    def settings_for(self, folder: Path) -> dict[str, str]:
        """Where the Hub in `folder` keeps its data: the same each time."""
        folder = folder.absolute()
        if folder not in self._known:
            number = self._known[folder] = next(self._numbers)
            self.postgres.create(f"hub_{number}", "graft_template")
            self.s3.create(f"hub-{number}")
        number = self._known[folder]
        return {
            "database_url": self.postgres.url(f"hub_{number}"),
            "storage_url": f"s3://hub-{number}/graft",
        }

    def __enter__(self) -> "Servers":
        original = Settings.__post_init__

        def post_init(settings: Settings) -> None:
            if not settings.database_url and not settings.storage_url:
                for name, value in self.settings_for(settings.data_folder).items():
                    object.__setattr__(settings, name, value)
            original(settings)

        self._patch.setattr(Settings, "__post_init__", post_init)
        for name, value in self.s3.environment().items():
            self._patch.setenv(name, value)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._patch.undo()
        self.s3.close()
        self.postgres.close()


def dump(settings: Settings, folder: Path) -> Path:
    """A folder with all that the Hub's database holds, to be searched by other programs."""
    if settings.database_url.startswith("sqlite:"):
        return settings.data_folder
    pg_dump = find_program("pg_dump")
    assert pg_dump is not None  # it comes with the server's client programs
    url = make_url(settings.database_url)
    place = Path(str(url.query["unix_sock"])).parent
    command = [pg_dump, "-h", str(place), "-U", "me", str(url.database)]
    (folder / "dump.sql").write_bytes(
        subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    )
    return folder


def environment_of(settings: Settings) -> dict[str, Any]:
    """The variables that make `graft hub`, in a process of its own, open the same Hub."""
    return {
        "GRAFT_DATA_FOLDER": str(settings.data_folder),
        "GRAFT_DATABASE_URL": settings.database_url,
        "GRAFT_STORAGE_URL": settings.storage_url,
    }
