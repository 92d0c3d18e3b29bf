"""Settings, and a data folder that outlives its Hub."""

import socket
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from person import Person

from backends import PostgresServer, S3Server
from graft.errors import HubError
from graft.server.hub import Hub
from graft.server.running import RunningHub
from graft.server.runtime.health import Readiness
from graft.server.runtime.serving import listen
from graft.server.settings import Settings, warn_of_unknown


def test_settings_come_from_the_environment(backend: str) -> None:
    environment = {
        "GRAFT_DATA_FOLDER": "/srv/graft",
        "GRAFT_PORT": "99",
        "GRAFT_ALLOW_SIGN_UP": "yes",
        "GRAFT_PUBLIC_URL": "https://hub.example/",
        "OTHER": "ignored",
    }
    settings = Settings.from_environment(environment)
    assert settings.data_folder == Path("/srv/graft")
    assert settings.port == 99
    assert settings.allow_sign_up is True
    assert settings.public_url == "https://hub.example"
    if backend == "sqlite":  # the tests' own PostgreSQL stands in for the default otherwise
        assert settings.database_url == "sqlite:////srv/graft/hub.sqlite3"
    assert Settings.from_environment(environment, port=7, host=None).port == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRAFT_PORT", "eighty"),
        ("GRAFT_ALLOW_SIGN_UP", "maybe"),
        ("GRAFT_TRUSTED_PROXIES", "127.0.0.1, proxy.internal"),
        ("GRAFT_PORT", "99999"),
        ("GRAFT_WORKERS", "0"),
        ("GRAFT_RATE_LIMIT", "-5"),
        ("GRAFT_GIT_SECONDS", "nan"),
        ("GRAFT_PUBLIC_URL", "hub.example"),
        ("GRAFT_PUBLIC_URL", "https://hub.example/hub"),
        ("GRAFT_PUBLIC_URL", "https://hub.example/?a=b"),
        ("GRAFT_PUBLIC_URL", "https://hub.example:80800"),
    ],
)
def test_settings_that_cannot_be_read_are_named(name: str, value: str) -> None:
    with pytest.raises(HubError, match=name):
        Settings.from_environment({name: value})


def test_addresses_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="GRAFT_DATABASE_URL"):
        Hub(Settings(data_folder=tmp_path, database_url="oracle://somewhere"))
    with pytest.raises(HubError, match=r"carrier-pigeon.*GRAFT_STORAGE_URL") as refused:
        Hub(Settings(data_folder=tmp_path, storage_url="carrier-pigeon://coop"))
    assert "\n" not in str(refused.value)


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("pg8000")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"postgresql://ada:secret@127.0.0.1:{port}/graft"
        with pytest.raises(HubError, match=f"127.0.0.1:{port}/graft.*refused") as refused:
            Hub(Settings(data_folder=tmp_path, database_url=url))
    assert "secret" not in str(refused.value)
    assert "GRAFT_DATABASE_URL" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("sslmode=prefer", "verify-full"),
        ("sslmode=verify-full&sslrootcert=/nowhere", "sslrootcert=/nowhere"),
        ("connect_timeout=5", "connect_timeout"),
    ],
)
def test_options_of_the_databases_address_are_checked(
    tmp_path: Path, options: str, named: str
) -> None:
    pytest.importorskip("pg8000")
    url = f"postgresql://ada:secret@127.0.0.1:1/graft?{options}"
    with pytest.raises(HubError, match=named) as refused:
        Hub(Settings(data_folder=tmp_path, database_url=url))
    assert "GRAFT_DATABASE_URL" in str(refused.value)


WELCOME = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"
SET = b"C\0\0\0\x08SET\0Z\0\0\0\x05I"


@pytest.mark.parametrize(
    ("mode", "answers", "said"),
    [
        ("require", [], "reset|Broken pipe"),
        ("require", [b"SHTTP/1.1 400 Bad Request\r\n\r\n"], "SSL"),
        ("disable", [], "network|reset|Broken pipe"),
        ("disable", [WELCOME], "network|reset|Broken pipe"),
        ("disable", [WELCOME, SET], "network|reset|Broken pipe"),
    ],
)
def test_a_server_that_breaks_off_is_told(
    tmp_path: Path, mode: str, answers: list[bytes], said: str
) -> None:
    """As PostgreSQL does while it starts again."""
    pytest.importorskip("pg8000")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def break_off() -> None:
            connection, _ = server.accept()
            with connection:
                for answer in answers:
                    connection.recv(4096)
                    connection.sendall(answer)
                connection.recv(1)  # the rest stays unread: closed, the connection is reset

        thread = Thread(target=break_off)
        thread.start()
        url = f"postgresql://ada@127.0.0.1:{server.getsockname()[1]}/graft?sslmode={mode}"
        with pytest.raises(HubError, match=rf"cannot be used: .*({said}).*GRAFT_DATABASE_URL"):
            Hub(Settings(data_folder=tmp_path, database_url=url))
        thread.join()


def test_a_password_that_is_missing_and_a_role_without_rights_are_told(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        server.create("guarded")
        for statement in (
            "CREATE ROLE poor LOGIN",
            "CREATE ROLE forgetful LOGIN PASSWORD 'known'",
        ):
            server.execute(statement)
        server.ask_for_the_password_of("forgetful")
        # Where the server closes its socket first, pg8000 does not come to read what it said.
        refusals = {"poor": "permission denied", "forgetful": "(password auth|Broken pipe)"}
        for name, said in refusals.items():
            url = server.url("guarded").replace("me@", f"{name}@")
            with pytest.raises(HubError, match=rf"guarded.*{said}.*GRAFT_DATABASE_URL"):
                Hub(Settings(data_folder=tmp_path, database_url=url))
    finally:
        server.close()


def test_variables_that_are_no_settings_are_told() -> None:
    environment = {"GRAFT_ALLOW_SIGNUP": "true", "GRAFT_CACHE": "x", "GRAFT_PORT": "1", "PATH": "x"}
    (told,) = warn_of_unknown(environment)
    assert "GRAFT_ALLOW_SIGNUP" in told
    assert "GRAFT_ALLOW_SIGN_UP" in told


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "hub.sqlite3").write_text("nothing of the kind " * 100)
    url = f"sqlite:///{tmp_path / 'hub.sqlite3'}"
    with pytest.raises(HubError, match=r"hub\.sqlite3 cannot be used: file is not a database"):
        Hub(Settings(data_folder=tmp_path, database_url=url))


@pytest.mark.parametrize("host", ["192.0.2.1", "300.1.1.1"])
def test_an_address_of_another_machine_cannot_be_listened_at(host: str) -> None:
    with pytest.raises(HubError, match="--host"):
        listen(host, 0)


def test_a_bucket_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = S3Server()
    try:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        with RunningHub(tmp_path, storage_url="s3://missing/graft") as hub:
            answer = httpx.get(f"{hub.url}/readyz", timeout=60)
            assert (answer.status_code, [*answer.json()["problems"]]) == (503, ["storage"])
            assert "no such bucket" in caplog.text
            server.create("missing")
            hub.app.state.readiness = Readiness()
            assert httpx.get(f"{hub.url}/readyz", timeout=60).status_code == 200
    finally:
        server.close()


def test_everything_is_still_there_after_a_restart(tmp_path: Path) -> None:
    with RunningHub(tmp_path) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        made = httpx.post(f"{hub.url}/api/repos/create", json={"name": "kept"}, headers=headers)
        assert made.status_code == 200
    with RunningHub(tmp_path) as again:
        info = httpx.get(f"{again.url}/api/models/ada/kept", headers=headers).json()
        assert info["siblings"] == [{"rfilename": ".gitattributes"}]


def test_addresses_in_answers_are_the_public_ones(tmp_path: Path) -> None:
    with RunningHub(tmp_path, public_url="https://hub.example") as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        made = httpx.post(f"{hub.url}/api/repos/create", json={"name": "kept"}, headers=headers)
        assert made.json()["url"] == "https://hub.example/ada/kept"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "::"}, "http://127.0.0.1:8080"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"host": "0.0.0.0", "public_url": "https://hub.example/"}, "https://hub.example"),
    ],
)
def test_the_hubs_own_address_leads_to_it(given: dict[str, Any], address: str) -> None:
    assert Settings(**given).address() == address


def test_objects_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    data = b"kept elsewhere" * 10
    with RunningHub(tmp_path / "data", storage_url=elsewhere.as_uri()) as hub:
        token = hub.add_user("ada")
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=hub.url, headers=headers) as client:
            ada = Person("ada", token, client)
            ada.upload(ada.create("a"), data)
    assert any(path.is_file() for path in elsewhere.rglob("*"))
    assert not [path for path in (tmp_path / "data/objects").rglob("*") if path.is_file()]


def test_a_data_folder_may_be_named_from_where_the_hub_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as in the hook of another repository
    with RunningHub(Path("here")) as hub:
        assert hub.settings.data_folder == tmp_path / "here"
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers) as ada:
            ada.post("/api/repos/create", json={"name": "a"})
            plan = {
                "files": [{"path": path, "size": 1} for path in ("a.log", "a.txt")],
                "gitIgnore": "*.log\n",
            }
            answer = ada.post("/api/models/ada/a/preupload/main", json=plan)
    assert answer.status_code == 200
    assert {f["path"]: f["shouldIgnore"] for f in answer.json()["files"]} == {
        "a.log": True,
        "a.txt": False,
    }
