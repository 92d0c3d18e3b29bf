"""Backups: taken while people use the Hub, incremental, and restored to the last byte."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from person import CARD, Person, file, large

from graft.errors import HubError
from graft.server.db.tables import Base
from graft.server.hub import Hub
from graft.server.running import RunningHub
from graft.server.settings import Settings
from graft.server.upkeep.backup import CONTENT_TABLES, back_up
from graft.server.upkeep.restore import Restored, restore

PASSWORD = "correct horse battery"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path / "source") as running:
        yield running


@pytest.fixture
def eve(source: RunningHub) -> Iterator[Person]:
    token = source.add_user("eve", password=PASSWORD)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=source.url, headers=headers, timeout=30) as client:
        yield Person("eve", token, client)


def fill(eve: Person) -> dict[str, bytes]:
    """A model and a private data set; answers the model's large files."""
    repo = eve.create("thing")
    files = {f"w{n}.bin": os.urandom(200_000 + n) for n in range(2)}
    hashes = {name: eve.upload(repo, data) for name, data in files.items()}
    added = [large(name, hashes[name], len(data)) for name, data in files.items()]
    assert eve.commit(repo, file("README.md", CARD), *added).status_code == 200
    eve.http.post(f"/api/models/{repo}/branch/dev", json={})
    eve.http.post(f"/api/models/{repo}/tag/main", json={"tag": "v1", "message": "First"})
    rows = eve.create("rows", "dataset", private=True)
    assert eve.commit(rows, file("a.csv", "x\n1\n"), kind="datasets").status_code == 200
    return files


def refill(path: Path, backup: Path, **settings: object) -> Restored:
    hub = Hub(Settings(data_folder=path, **settings))  # type: ignore[arg-type]
    try:
        return restore(hub, backup)
    finally:
        hub.close()


def test_a_restored_hub_is_the_same(source: RunningHub, eve: Person, tmp_path: Path) -> None:
    files = fill(eve)
    refs = eve.http.get("/api/models/eve/thing/refs").json()
    info = eve.http.get("/api/models/eve/thing").json()
    copied = back_up(source.hub, tmp_path / "backup")
    assert copied.manifest.repositories == 2
    restored = refill(tmp_path / "other", tmp_path / "backup")
    assert restored.report.problems == []
    with (
        RunningHub(tmp_path / "other") as other,
        httpx.Client(base_url=other.url, headers=dict(eve.http.headers)) as http,
    ):
        again = Person("eve", eve.token, http)
        assert http.get("/api/models/eve/thing/refs").json() == refs
        now = http.get("/api/models/eve/thing").json()
        assert now == info
        assert {name: again.read("eve/thing", name) for name in files} == files
        assert [m["id"] for m in http.get("/api/models?search=thing").json()] == ["eve/thing"]
        assert again.read("eve/rows", "a.csv", prefix="datasets/") == b"x\n1\n"
        assert httpx.get(f"{other.url}/api/datasets/eve/rows").status_code in (401, 404)
        form = {"name": "eve", "password": PASSWORD}
        assert httpx.post(f"{other.url}/login", data=form).status_code == 303
        again.create("new-after-restore")  # numbers go on where they were
        assert again.commit("eve/thing", file("b.txt", "b")).status_code == 200


def test_a_restored_hub_is_not_taken_for_the_one_that_has_what_clients_sent_since(
    source: RunningHub, eve: Person, tmp_path: Path
) -> None:
    fill(eve)
    back_up(source.hub, tmp_path / "backup")
    refill(tmp_path / "other", tmp_path / "backup")
    token = "/api/models/eve/thing/xet-read-token/main"
    before = eve.http.get(token).json()["casUrl"]
    assert before == eve.http.get(token).json()["casUrl"]
    with RunningHub(tmp_path / "other") as other:
        after = httpx.get(other.url + token, headers=dict(eve.http.headers)).json()["casUrl"]
    assert before.removeprefix(source.url) != after.removeprefix(other.url)


def test_a_second_backup_copies_only_what_is_new(
    source: RunningHub, eve: Person, tmp_path: Path
) -> None:
    fill(eve)
    backup = tmp_path / "backup"
    first = back_up(source.hub, backup)
    assert (first.new_repositories, first.new_blobs) == (2, first.manifest.blobs)
    again = back_up(source.hub, backup)
    assert (again.new_repositories, again.new_blobs, again.new_bytes) == (0, 0, 0)
    data = os.urandom(150_000)
    eve.commit("eve/thing", large("new.bin", eve.upload("eve/thing", data), len(data)))
    third = back_up(source.hub, backup)
    assert (third.new_repositories, third.new_blobs) == (1, 1)
    assert len(data) <= third.new_bytes < len(data) + 2000
    assert len(list((backup / "dumps").iterdir())) == 1
    eve.http.request("DELETE", "/api/repos/delete", json={"name": "rows", "type": "dataset"})
    assert back_up(source.hub, backup).manifest.repositories == 1
    assert len(list((backup / "repositories").glob("*/*.git"))) == 1
    assert refill(tmp_path / "other", backup).report.problems == []


def test_a_backup_taken_while_people_commit_fits_together(
    source: RunningHub, eve: Person, tmp_path: Path
) -> None:
    fill(eve)
    stop = Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            data = os.urandom(20_000)
            sha256 = eve.upload("eve/thing", data)
            eve.commit("eve/thing", large(f"n{number}.bin", sha256, len(data)))
            eve.create(f"model-{number}")
            number += 1

    worker = Thread(target=work)
    worker.start()
    try:
        for _ in range(3):
            back_up(source.hub, tmp_path / "backup")
    finally:
        stop.set()
        worker.join()
    assert refill(tmp_path / "other", tmp_path / "backup").report.problems == []


def test_what_changes_between_the_tables_and_git(
    source: RunningHub, eve: Person, tmp_path: Path
) -> None:
    files = fill(eve)
    data = os.urandom(120_000)

    def change(text: str) -> None:
        if "git repositories" not in text:
            return
        gone = {"name": "rows", "type": "dataset"}
        assert eve.http.request("DELETE", "/api/repos/delete", json=gone).status_code == 200
        late = eve.upload("eve/thing", data)
        eve.commit("eve/thing", large("late.bin", late, len(data)))
        asked = {"title": "Late", "description": "", "pullRequest": True}
        opened = eve.http.post("/api/models/eve/thing/discussions", json=asked)
        assert opened.status_code == 200
        eve.create("late-model")

    copied = back_up(source.hub, tmp_path / "backup", change)
    assert len(copied.manifest.gone) == 1
    assert refill(tmp_path / "other", tmp_path / "backup").report.problems == []
    with (
        RunningHub(tmp_path / "other") as other,
        httpx.Client(base_url=other.url, headers=dict(eve.http.headers), timeout=30) as http,
    ):
        again = Person("eve", eve.token, http)
        assert again.files("eve/thing") == {"README.md", "late.bin", *files}
        assert again.read("eve/thing", "late.bin") == data
        assert http.get("/api/datasets/eve/rows").status_code == 404
        asked = {"title": "Early", "description": "", "pullRequest": True}
        assert http.post("/api/models/eve/thing/discussions", json=asked).status_code == 200


def test_a_backup_that_breaks_off_leaves_the_one_before(
    source: RunningHub, eve: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fill(eve)
    backup = tmp_path / "backup"
    back_up(source.hub, backup)
    data = os.urandom(100_000)
    eve.commit("eve/thing", large("new.bin", eve.upload("eve/thing", data), len(data)))

    def fail(*_: object) -> None:
        raise OSError("the disk was pulled out")

    monkeypatch.setattr("graft.server.upkeep.folder.BackupFolder.write_manifest", fail)
    with pytest.raises(OSError, match="pulled out"):
        back_up(source.hub, backup)
    monkeypatch.undo()
    assert refill(tmp_path / "other", backup).report.problems == []
    with RunningHub(tmp_path / "other") as other:
        tree = httpx.get(f"{other.url}/api/models/eve/thing/tree/main").json()
        assert {entry["path"] for entry in tree} == {".gitattributes", "README.md", *files}


def test_damaged_backups_are_refused_and_leave_an_empty_hub(
    source: RunningHub, eve: Person, tmp_path: Path
) -> None:
    fill(eve)
    backup = tmp_path / "backup"
    back_up(source.hub, backup)
    blob = next(path for path in (backup / "storage").rglob("*") if path.is_file())
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-1])
    with pytest.raises(HubError, match="not complete"):
        refill(tmp_path / "other", backup)
    blob.write_bytes(whole)
    table = next((backup / "dumps").glob("*/repositories.jsonl.gz"))
    packed = table.read_bytes()
    table.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(HubError, match=r"repositories\.jsonl\.gz is damaged"):
        refill(tmp_path / "other", backup)
    table.write_bytes(packed)
    assert refill(tmp_path / "other", backup).report.problems == []  # goes on where it was
    with pytest.raises(HubError, match="not empty"):
        refill(tmp_path / "other", backup)


def test_what_is_no_backup_or_of_another_version_is_told(
    source: RunningHub, eve: Person, tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(HubError, match="no complete backup"):
        refill(tmp_path / "other", tmp_path / "nothing")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(HubError, match="other files"):
        back_up(source.hub, tmp_path / "photos")
    with pytest.raises(HubError, match="data folder"):
        back_up(source.hub, source.settings.data_folder / "backup")
    back_up(source.hub, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    manifest = tmp_path / "backup" / "backup.json"
    value = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**value, "tables": "9999"}))
    with pytest.raises(HubError, match="9999"):
        refill(tmp_path / "other", tmp_path / "backup")


def test_tables_of_large_files_are_written_after_git() -> None:
    """Whatever refers to one of them has to be written with them: it may name what is new."""
    for table in Base.metadata.sorted_tables:
        named = {key.column.table.name for key in table.foreign_keys}
        assert table.name in CONTENT_TABLES or not named & CONTENT_TABLES, table.name
