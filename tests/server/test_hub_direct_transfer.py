"""Transfer straight to and from S3: the Hub signs addresses, and checks what arrived before it is a
file."""

import hashlib
import io
import os
from collections.abc import Iterator

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from person import Person, large
from sqlalchemy import update

from backends import S3Server
from graft.server.content import uploads
from graft.server.db.tables import ObjectRow, ObjectXorbRow
from graft.server.running import RunningHub
from graft.server.storage.content import whole_key
from graft.server.upkeep import fsck, garbage

PART = 100_000


@pytest.fixture(scope="module")
def hub(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub whose clients reach its S3."""
    folder = tmp_path_factory.mktemp("hub")
    places = {"storage_url": "s3://hub/x", "database_url": f"sqlite:///{folder}/hub.sqlite3"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment().items():
            patch.setenv(name, value)
        with RunningHub(
            folder / "data", max_part_bytes=PART, direct_transfer=True, **places
        ) as running:
            yield running


def actions_for(person: Person, repo: str, data: bytes) -> dict[str, dict[str, str]]:
    found = person.lfs(repo, "upload", hashlib.sha256(data).hexdigest(), len(data))
    actions: dict[str, dict[str, str]] = found["actions"]
    return actions


def verify(actions: dict[str, dict[str, str]], data: bytes) -> httpx.Response:
    body = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return httpx.post(actions["verify"]["href"], json=body)


def incoming(hub: RunningHub) -> list[str]:
    return [blob.key for blob in hub.hub.content.blobs.entries(uploads.PREFIX)]


def test_what_was_sent_to_s3_is_checked_and_taken_in(
    hub: RunningHub, ada: Person, s3: S3Server
) -> None:
    repo = ada.create("weights")
    data = os.urandom(50_000)
    actions = actions_for(ada, repo, data)
    assert actions["upload"]["href"].startswith(s3.url)
    assert verify(actions, data).status_code == 404
    assert httpx.put(actions["upload"]["href"], content=data).status_code == 200
    assert verify(actions, data).status_code == 200
    assert verify(actions, data).status_code == 200
    sha256 = hashlib.sha256(data).hexdigest()
    assert ada.commit(repo, large("w.bin", sha256, len(data))).status_code == 200
    assert ada.read(repo, "w.bin") == data
    assert incoming(hub) == []


def test_other_bytes_than_were_announced_never_become_the_file(
    hub: RunningHub, ada: Person
) -> None:
    repo = ada.create("weights")
    data = os.urandom(50_000)
    actions = actions_for(ada, repo, data)
    sha256 = hashlib.sha256(data).hexdigest()
    httpx.put(actions["upload"]["href"], content=data[::-1])
    refused = verify(actions, data)
    assert refused.status_code == 422
    assert "SHA-256" in refused.json()["message"]
    assert incoming(hub) == []
    httpx.put(actions["upload"]["href"], content=data[:-1])
    assert verify(actions, data).status_code == 404
    assert ada.commit(repo, large("w.bin", sha256, len(data))).status_code == 400
    assert garbage.collect(hub.hub, dry_run=True).uploads == 0  # it may still be sent
    httpx.put(actions["upload"]["href"], content=data)
    assert verify(actions, data).status_code == 200


def test_a_commit_takes_in_what_nobody_asked_about(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("weights")
    data = os.urandom(50_000)
    httpx.put(actions_for(ada, repo, data)["upload"]["href"], content=data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert ada.commit(repo, large("w.bin", sha256, len(data))).status_code == 200
    assert ada.read(repo, "w.bin") == data
    assert incoming(hub) == []


@pytest.mark.parametrize("size", [50_000, PART * 3 + 7])
def test_the_stock_client_sends_to_s3(hub: RunningHub, ada: Person, size: int) -> None:
    repo = ada.create("weights")
    data = os.urandom(size)
    HfApi(endpoint=hub.url, token=ada.token).create_commit(
        repo, [CommitOperationAdd("w.bin", io.BytesIO(data))], commit_message="Add"
    )
    assert ada.read(repo, "w.bin") == data
    assert incoming(hub) == []
    assert fsck.check(hub.hub, deep=True).problems == []


def test_an_address_opens_one_upload(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("weights")
    href = actions_for(ada, repo, os.urandom(50_000))["upload"]["href"]
    path = httpx.URL(href).path
    assert path.startswith("/hub/x/incoming/parts/")
    assert "X-Amz-Signature" in href
    assert "X-Amz-Expires" in href


def test_a_file_that_lies_in_one_piece_is_fetched_from_s3(
    hub: RunningHub, ada: Person, s3: S3Server
) -> None:
    repo = ada.create("weights")
    data = os.urandom(50_000)
    httpx.put(actions_for(ada, repo, data)["upload"]["href"], content=data)
    sha256 = hashlib.sha256(data).hexdigest()
    ada.commit(repo, large("w.bin", sha256, len(data)))
    href = ada.lfs(repo, "download", sha256, len(data))["actions"]["download"]["href"]
    assert href.startswith(hub.url)  # in chunks, as files are kept today
    assert httpx.get(href).content == data
    with hub.hub.content.blobs.spool() as spool:
        spool.write([data])
        hub.hub.content.blobs.keep(whole_key(sha256), spool)
    with hub.hub.database.writing() as session:  # as it was kept before there were xorbs
        mine = ObjectRow.sha256 == sha256
        session.execute(update(ObjectRow).where(mine).values(xet_hash=None, terms=None))
        session.query(ObjectXorbRow).filter(ObjectXorbRow.sha256 == sha256).delete()
    href = ada.lfs(repo, "download", sha256, len(data))["actions"]["download"]["href"]
    assert href.startswith(s3.url)
    assert httpx.get(href).content == data
