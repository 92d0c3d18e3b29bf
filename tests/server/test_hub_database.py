"""The database, whichever it is: transactions, locks, versions; and addresses of PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from person import Person
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from graft.errors import HubError
from graft.server.db import postgresql
from graft.server.db.tables import SecretRow
from graft.server.hub import Hub
from graft.server.running import RunningHub
from graft.server.settings import Settings


def test_what_fails_is_not_written(hub: RunningHub) -> None:
    database = hub.hub.database

    def fail() -> None:
        with database.writing() as session:
            session.add(SecretRow(name="half", value=b"x"))
            session.flush()
            raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            fail()
    with database.reading() as session:
        assert session.get(SecretRow, "half") is None


def test_what_is_taken_is_an_integrity_error(hub: RunningHub) -> None:
    def add() -> None:
        with hub.hub.database.writing() as session:
            session.execute(
                text("INSERT INTO secrets (name, value) VALUES ('taken', :value)"), {"value": b"x"}
            )

    add()
    with pytest.raises(IntegrityError):
        add()


@pytest.mark.parametrize("way", ["lock", "held"])
def test_one_at_a_time(tmp_path: Path, way: str) -> None:
    hub = Hub(Settings(data_folder=tmp_path))
    inside, first = [0], Event()

    def work(_: int) -> int:
        if way == "held":
            with hub.database.held("thing"):
                return enter()
        with hub.database.writing() as session:
            hub.database.lock(session, "thing")
            return enter()

    def enter() -> int:
        inside[0] += 1
        seen = inside[0]
        first.wait(0.02)
        inside[0] -= 1
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(16))) == {1}
    hub.close()
    assert list(tmp_path.glob("*-locks/*")) == []


def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    hub = Hub(Settings(data_folder=tmp_path))
    with hub.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    hub.close()
    with pytest.raises(HubError, match="newer Graft"):
        Hub(Settings(data_folder=tmp_path))


def test_a_nul_is_the_askers_to_mend(ada: Person) -> None:
    repo = ada.create("whole")
    for path in ("/api/models/a%00b/c", f"/api/models/{repo}/revision/a%00b"):
        assert ada.http.get(path).status_code in (400, 404)
    found = ada.http.get("/api/models", params={"author": "a\0b", "search": "x\0y"})
    assert found.status_code in (200, 400)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me@host/db?sslmode=perhaps", "sslmode=perhaps"),
        ("postgresql://me:secret@host:port/db", "cannot be read"),
        ("mysql://me:secret@host/db", "'mysql'"),
        ("sqlite://", "name a file"),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(HubError, match=said) as caught:
        Hub(Settings(data_folder=tmp_path, database_url=url))
    assert "secret" not in str(caught.value)


def test_how_to_talk_to_postgresql() -> None:
    assert postgresql.read_address("postgres://me@host/db").tls is None
    checked = postgresql.read_address("postgresql://me@host/db?sslmode=verify-full").tls
    assert checked is not None
    assert checked.check_hostname
    loose = postgresql.read_address("postgresql://me@host/db?sslmode=require")
    assert loose.tls is not None
    assert not loose.tls.check_hostname
    assert str(loose.url) == "postgresql+pg8000://me@host/db"


def test_what_is_signed_for_one_is_never_for_the_next(hub: RunningHub, ada: Person) -> None:
    """Numbers of repositories and tokens that are no more are not given again."""
    repo = ada.create("gone")
    sent = ada.http.post(
        f"/{repo}.git/info/lfs/objects/batch",
        json={"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 3}]},
    ).json()
    number = sent["objects"][0]["actions"]["upload"]["href"].split("/objects/")[1].split("/")[0]
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "gone"}).raise_for_status()
    ada.create("next")
    with hub.hub.database.reading() as session:
        found = session.scalar(text("SELECT max(id) FROM repositories"))
        tokens = session.scalar(text("SELECT max(id) FROM tokens"))
    assert found > int(number)
    with hub.hub.database.writing() as session:
        session.execute(text("DELETE FROM tokens WHERE id = :id"), {"id": tokens})
    hub.add_user(f"{ada.name}-too")
    with hub.hub.database.reading() as session:
        assert session.scalar(text("SELECT max(id) FROM tokens")) > tokens
