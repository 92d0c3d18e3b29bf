"""What was found in files is told by the repository's information, its tree, and its pages."""

import hashlib
import io
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import torch
from person import Person, file, large
from sqlalchemy import delete, text

from graft.server.db.tables import ScanRow
from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub
from graft.server.scan import scans
from graft.server.scan.secrets import Secret
from waiting import wait_until


class Runs:
    """Unpickled, this runs a command."""

    def __reduce__(self) -> object:
        return os.system, ("true",)


def weights(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def scanned(who: Person, repo: str) -> dict[str, Any]:
    """The repository's security status once everything was looked at."""

    def status() -> dict[str, Any] | None:
        info = who.http.get(f"/api/models/{repo}", params={"securityStatus": True}).json()
        found: dict[str, Any] = info["securityRepoStatus"]
        return found if found["scansDone"] else None

    return wait_until(status, "nobody looks at the files")


def push(who: Person, repo: str, files: dict[str, bytes]) -> None:
    operations = [large(p, who.upload(repo, data), len(data)) for p, data in files.items()]
    made = who.commit(repo, *operations)
    assert made.status_code == 200, made.text


@pytest.fixture
def looked_at(ada: Person) -> str:
    repo = ada.create("pickled")
    files = {
        "good.bin": weights({"a": torch.zeros(3)}),
        "bad.pkl": pickle.dumps(Runs()),
        "odd/other.joblib": pickle.dumps(Person),
        "notes.txt": b"cos\nsystem\n.",
    }
    push(ada, repo, files)
    return repo


def test_the_information_names_files_with_issues(ada: Person, looked_at: str) -> None:
    assert sorted(scanned(ada, looked_at)["filesWithIssues"], key=lambda i: i["path"]) == [
        {"path": "bad.pkl", "level": "unsafe"},
        {"path": "odd/other.joblib", "level": "suspicious"},
    ]
    plain = ada.http.get(f"/api/models/{looked_at}").json()
    assert "securityRepoStatus" not in plain


def test_the_tree_tells_of_each_file(ada: Person, looked_at: str) -> None:
    scanned(ada, looked_at)
    address = f"/api/models/{looked_at}/tree/main"
    tree = ada.http.get(address, params={"recursive": True, "expand": True}).json()
    found = {e["path"]: e["securityFileStatus"] for e in tree if "securityFileStatus" in e}
    assert {path: status["status"] for path, status in found.items()} == {
        "good.bin": "safe",
        "bad.pkl": "unsafe",
        "odd/other.joblib": "suspicious",
    }
    bad = found["bad.pkl"]["pickleImportScan"]
    assert bad["highestSafetyLevel"] == "dangerous"
    assert bad["pickleImports"] == [
        {"module": os.system.__module__, "name": "system", "safety": "dangerous"}
    ]
    paths = {"paths": ["bad.pkl", "notes.txt"], "expand": True}
    told = ada.http.post(f"/api/models/{looked_at}/paths-info/main", data=paths).json()
    assert [e.get("securityFileStatus", {}).get("status") for e in told] == ["unsafe", None]
    brief = ada.http.get(address).json()
    assert not any("securityFileStatus" in entry for entry in brief)


def test_the_same_bytes_are_looked_at_once(ada: Person, bob: Person, looked_at: str) -> None:
    scanned(ada, looked_at)
    repo = bob.create("again")
    push(bob, repo, {"model.pt": pickle.dumps(Runs())})
    info = bob.http.get(f"/api/models/{repo}", params={"securityStatus": True}).json()
    assert info["securityRepoStatus"] == {
        "scansDone": True,
        "filesWithIssues": [{"path": "model.pt", "level": "unsafe"}],
    }


def test_the_files_page_warns(ada: Person, looked_at: str) -> None:
    scanned(ada, looked_at)
    browser = {"Accept": "text/html"}
    page = ada.http.get(f"/{looked_at}/blob/main/bad.pkl", headers=browser).text
    assert "can run programs" in page
    assert f"{os.system.__module__}.system" in page
    assert "unsafe" in ada.http.get(f"/{looked_at}/tree/main", headers=browser).text
    good = ada.http.get(f"/{looked_at}/blob/main/good.bin", headers=browser).text
    assert "can run programs" not in good


@pytest.mark.parametrize("first", ["notes.txt", "bad.pkl"])
def test_a_secret_does_not_hide_a_pickle(ada: Person, first: str) -> None:
    """A text that is both: found as a secret with the commit, as a pickle a moment later."""
    repo = ada.create(f"both-{first[:3]}")
    harmful = f"c{os.system.__module__}\nsystem\n(Vtrue\ntR.\n".encode() + repo.encode()
    harmful += b"\n-----BEGIN PRIVATE KEY-----\nMIIE\n"
    for name in (first, "bad.pkl"):
        assert ada.commit(repo, file(name, harmful)).status_code == 200
    assert {"path": "bad.pkl", "level": "unsafe"} in scanned(ada, repo)["filesWithIssues"]


def test_a_secret_is_told_of_in_a_harmless_pickle(ada: Person) -> None:
    repo = ada.create("secretive")
    harmless = b"Vnothing\n." + repo.encode() + b"\n-----BEGIN PRIVATE KEY-----\nMIIE\n"
    assert ada.commit(repo, file("good.pkl", harmless)).status_code == 200
    assert scanned(ada, repo)["filesWithIssues"] == [{"path": "good.pkl", "level": "suspicious"}]


def test_secrets_of_a_repository_that_was_deleted_are_no_fault(
    hub: RunningHub, ada: Person
) -> None:
    found = [Secret("key.pem", 1, "a private key")]
    repository = repos.find(hub.hub, Kind.MODEL, *ada.create("short-lived").split("/"), None)
    body = {"name": "short-lived", "organization": ada.name}
    assert ada.http.request("DELETE", "/api/repos/delete", json=body).status_code == 200
    with hub.hub.database.writing() as session:
        scans.mark_secrets(session, repository.id, {"0" * 40: found})
        assert session.get(ScanRow, "0" * 40) is None


def test_an_archive_that_cannot_be_looked_through_is_suspicious(ada: Person) -> None:
    repo = ada.create("broken")
    data = bytearray(weights(Runs()))
    data[data.index(b"PK\x01\x02") + 16] ^= 1
    push(ada, repo, {"model.bin": bytes(data)})
    assert scanned(ada, repo)["filesWithIssues"] == [{"path": "model.bin", "level": "suspicious"}]
    page = ada.http.get(f"/{repo}/tree/main").text
    assert "A file that could not be looked through" in page
    assert "imports that nobody knows" not in page


def test_the_same_bytes_may_come_at_the_same_moment(new_person: Callable[[], Person]) -> None:
    """To several repositories, each of which has them looked at."""
    people = [new_person() for _ in range(6)]
    repos = [person.create("equal") for person in people]
    content = pickle.dumps({"n": people[0].name}, 0) + b"-----BEGIN PRIVATE KEY-----\nMIIE\n"
    barrier = Barrier(len(people))

    def commit(number: int) -> int:
        barrier.wait()
        return people[number].commit(repos[number], file("a.pkl", content)).status_code

    with ThreadPoolExecutor(len(people)) as threads:
        assert set(threads.map(commit, range(len(people)))) == {200}


def test_a_file_that_was_looked_at_holds_up_no_commit(hub: RunningHub, ada: Person) -> None:
    """Many repositories hold the same weights: who commits them waits for no other who does."""
    database = hub.hub.database
    if database.dialect == "sqlite":
        pytest.skip("one writes at a time")
    number = repos.find(hub.hub, Kind.MODEL, *ada.create("held").split("/"), None).id
    blob = hashlib.sha1(ada.name.encode()).hexdigest()
    with database.writing() as session:
        scans.enqueue(session, number, [blob])
    with database.writing() as one, database.writing() as other:
        scans.enqueue(one, number, [blob])
        other.execute(text("SET LOCAL lock_timeout = '5s'"))
        other.execute(delete(ScanRow).where(ScanRow.blob == blob))
