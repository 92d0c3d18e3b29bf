"""An S3 that fails, hangs or breaks off: a clear answer after a while, and nothing by halves."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from person import Person, large
from sqlalchemy import func, select

from backends import S3Server
from faulty_s3 import Fault, FaultyS3
from graft.server.db.tables import ObjectRow, XorbRow
from graft.server.running import RunningHub
from graft.server.storage import remote
from graft.server.upkeep import fsck

FAULTS: list[Fault] = ["500", "503", "403", "hang", "break", "refuse"]


@pytest.fixture(scope="module")
def faulty(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyS3]:
    with FaultyS3(httpx.URL(s3.url).port or 0) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def storage(s3: S3Server, faulty: FaultyS3) -> Iterator[None]:
    """Hubs that begin now reach their storage by the server that fails, and wait less for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (s3.environment() | {"AWS_ENDPOINT": faulty.url}).items():
            patch.setenv(name, value)
        patch.setattr(remote, "REQUEST_SECONDS", 0.5)
        patch.setattr(remote, "CONNECT_SECONDS", 0.5)
        patch.setattr(remote, "RETRY_SECONDS", 1)
        patch.setattr(remote, "RETRIES", 1)
        yield


@pytest.fixture(scope="module")
def hub(storage: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub whose storage is behind the server that fails."""
    folder = tmp_path_factory.mktemp("hub")
    places = {"storage_url": "s3://hub/x", "database_url": f"sqlite:///{folder}/hub.sqlite3"}
    with RunningHub(folder / "data", max_part_bytes=200_000, **places) as running:
        yield running


@pytest.fixture(autouse=True)
def mended(faulty: FaultyS3) -> Iterator[None]:
    yield
    faulty.fail("none")


@pytest.fixture
def data() -> bytes:
    """Bytes that storage does not know yet."""
    return os.urandom(300_000)


def counts(hub: RunningHub) -> tuple[int, int]:
    """How many objects and xorbs the database knows."""
    with hub.hub.database.reading() as session:
        return tuple(  # type: ignore[return-value]
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (ObjectRow, XorbRow)
        )


def left(hub: RunningHub) -> set[str]:
    """All that lies in storage, and in the folder of what is being written."""
    folder = hub.settings.data_folder / "objects"
    blobs = hub.hub.content.blobs
    local = {path.name for path in folder.rglob("*") if path.is_file()}
    return local | {blob.key for name in ("xorbs", "incoming") for blob in blobs.entries(name)}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def address(person: Person, repo: str, data: bytes, operation: str = "upload") -> str:
    found = person.lfs(repo, operation, digest(data), len(data))
    href: str = found["actions"][operation]["href"]
    return href


@pytest.mark.parametrize("fault", FAULTS)
def test_an_upload_that_storage_does_not_take(
    hub: RunningHub, ada: Person, faulty: FaultyS3, fault: Fault, data: bytes
) -> None:
    repo = ada.create("weights")
    href = address(ada, repo, data)
    before = counts(hub), left(hub)
    faulty.fail(fault, "PUT", "POST")
    refused = httpx.put(href, content=data, timeout=30)
    assert refused.status_code == 503, refused.text
    assert "storage" in refused.json()["message"]
    assert 1 <= faulty.requests <= 2  # it was tried again, but not for ever
    faulty.fail("none")
    assert (counts(hub), left(hub)) == before
    assert ada.commit(repo, large("w.bin", digest(data), len(data))).status_code == 400
    assert httpx.put(href, content=data, timeout=30).status_code == 200
    assert ada.commit(repo, large("w.bin", digest(data), len(data))).status_code == 200
    assert ada.read(repo, "w.bin") == data
    assert fsck.check(hub.hub, deep=True).problems == []


@pytest.mark.parametrize("fault", FAULTS)
def test_parts_wait_until_storage_is_back(
    hub: RunningHub, ada: Person, faulty: FaultyS3, fault: Fault, data: bytes
) -> None:
    repo = ada.create("weights")
    body = {
        "operation": "upload",
        "objects": [{"oid": digest(data), "size": len(data)}],
        "transfers": ["multipart", "basic"],
    }
    answer = ada.http.post(f"/{repo}.git/info/lfs/objects/batch", json=body).json()
    upload = answer["objects"][0]["actions"]["upload"]
    first, second = upload["header"]["00001"], upload["header"]["00002"]
    named = [{"partNumber": 1, "etag": "a"}, {"partNumber": 2, "etag": "b"}]
    assert httpx.put(first, content=data[:200_000]).status_code == 200
    faulty.fail(fault, "PUT", "POST")
    assert httpx.put(second, content=data[200_000:], timeout=30).status_code == 503
    faulty.fail("none")
    assert httpx.put(second, content=data[200_000:]).status_code == 200
    objects, _ = counts(hub)
    faulty.fail(fault, "GET", "PUT", "POST")
    completion = {"oid": digest(data), "parts": named}
    assert httpx.post(upload["href"], json=completion, timeout=30).status_code == 503
    faulty.fail("none")
    assert counts(hub)[0] == objects
    assert httpx.post(upload["href"], json=completion, timeout=30).status_code == 200
    assert ada.commit(repo, large("w.bin", digest(data), len(data))).status_code == 200
    assert ada.read(repo, "w.bin") == data
    assert [key for key in left(hub) if "incoming" in key] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_download_that_storage_does_not_give(
    hub: RunningHub, ada: Person, faulty: FaultyS3, fault: Fault, data: bytes
) -> None:
    repo = ada.create("weights")
    ada.commit(repo, large("w.bin", ada.upload(repo, data), len(data)))
    href = address(ada, repo, data, "download")
    faulty.fail(fault)
    for place in (href, f"{hub.url}/{repo}/resolve/main/w.bin"):
        refused = httpx.get(place, timeout=30)
        assert refused.status_code == 503, refused.text
        assert "storage" in refused.json()["error"]
    faulty.fail("none")
    assert httpx.get(href).content == data
    assert ada.read(repo, "w.bin") == data


def test_a_bucket_that_is_not_there(storage: None, tmp_path: Path, data: bytes) -> None:
    database = f"sqlite:///{tmp_path}/hub.sqlite3"
    with RunningHub(tmp_path / "hub", storage_url="s3://nowhere/x", database_url=database) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as http:
            ada = Person("ada", headers["Authorization"].split()[1], http)
            refused = httpx.put(address(ada, ada.create("weights"), data), content=data, timeout=30)
    assert refused.status_code == 503
    assert "no such bucket" in refused.json()["message"]
    assert "GRAFT_STORAGE_URL" in refused.json()["message"]
