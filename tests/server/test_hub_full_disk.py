"""A full disk: a clear answer, and nothing half-written."""

import errno
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from person import Person, file, large

from graft.server.running import RunningHub

PART_BYTES = 20_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[tuple[RunningHub, Person]]:
    """A Hub whose data lies on that disk, and somebody who uses it."""
    with RunningHub(small_disk, max_part_bytes=PART_BYTES) as hub:
        token = hub.add_user("ada")
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as client:
            yield hub, Person("ada", token, client)


def used(folder: Path) -> int:
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def fill(path: Path) -> None:
    """Writes until nothing more fits."""
    with path.open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017


def test_an_upload_that_does_not_fit(cramped: tuple[RunningHub, Person]) -> None:
    hub, ada = cramped
    repo = ada.create("model")
    data = os.urandom(8_000_000)
    before = used(hub.settings.data_folder)
    with pytest.raises(AssertionError, match="no space left"):
        ada.upload(repo, data)
    assert used(hub.settings.data_folder) - before < 500_000
    small = b"this one fits"
    sha256 = ada.upload(repo, small)
    assert ada.commit(repo, large("w.bin", sha256, len(small))).status_code == 200
    assert ada.read(repo, "w.bin") == small


def test_a_part_that_does_not_fit(cramped: tuple[RunningHub, Person]) -> None:
    hub, ada = cramped
    repo = ada.create("model")
    data = os.urandom(PART_BYTES + 1_000_000)
    wanted = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    body = {"operation": "upload", "objects": [wanted], "transfers": ["basic", "multipart"]}
    answer = ada.http.post(f"/{repo}.git/info/lfs/objects/batch", json=body).json()
    upload = answer["objects"][0]["actions"]["upload"]
    before = used(hub.settings.data_folder)
    refused = httpx.put(upload["header"]["00001"], content=data[:PART_BYTES], timeout=30)
    assert refused.status_code == 507
    assert "no space left" in refused.json()["message"]
    assert used(hub.settings.data_folder) - before < 500_000
    parts = [{"partNumber": 1, "etag": "a"}, {"partNumber": 2, "etag": "b"}]
    early = httpx.post(upload["href"], json={"oid": wanted["oid"], "parts": parts})
    assert early.status_code == 404


def test_a_commit_that_does_not_fit(cramped: tuple[RunningHub, Person]) -> None:
    _, ada = cramped
    repo = ada.create("model")
    ada.commit(repo, file("first.txt", "fits"))
    head = ada.head(repo)
    refused = ada.commit(
        repo, file("a.txt", os.urandom(4_000_000)), file("b.txt", os.urandom(4_000_000))
    )
    assert refused.status_code == 507
    assert "no space left" in refused.json()["error"]
    assert ada.head(repo) == head
    assert ada.files(repo) == {"first.txt"}


def test_a_full_disk_refuses_and_recovers(cramped: tuple[RunningHub, Person]) -> None:
    hub, ada = cramped
    repo = ada.create("model")
    ballast = hub.settings.data_folder / "ballast"
    fill(ballast)
    refused = ada.commit(repo, file("a.txt", os.urandom(20_000)))
    assert refused.status_code == 507
    created = ada.http.post("/api/repos/create", json={"name": "another"})
    assert created.status_code == 507
    assert [m["id"] for m in ada.http.get("/api/models").json()] == [repo]
    assert ada.files(repo) == set()
    ballast.unlink()
    assert ada.commit(repo, file("a.txt", "a")).status_code == 200
    ada.create("another")
