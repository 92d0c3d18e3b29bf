"""Git LFS: objects in parts, what breaks off and goes on, ranges, errors as git-lfs reads them."""

import asyncio
import hashlib
import io
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from person import Person, large

from graft.server.content import uploads
from graft.server.content.uploads import Upload
from graft.server.people import accounts
from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub
from graft.server.storage.blobs import Blob

PART = 100_000
_numbers = itertools.count()


@pytest.fixture(scope="module")
def parts_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub that takes files in small parts."""
    with RunningHub(tmp_path_factory.mktemp("parts"), max_part_bytes=PART) as running:
        yield running


@pytest.fixture
def eve(parts_hub: RunningHub) -> Iterator[Person]:
    """Somebody with an account of their own."""
    name = f"eve-{next(_numbers)}"
    token = parts_hub.add_user(name)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=parts_hub.url, headers=headers, timeout=30) as client:
        yield Person(name, token, client)


def announce(person: Person, repo: str, data: bytes) -> dict[str, Any]:
    """The actions for an object that is to be sent in parts."""
    wanted = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    body = {"operation": "upload", "objects": [wanted], "transfers": ["basic", "multipart"]}
    answer = person.http.post(f"/{repo}.git/info/lfs/objects/batch", json=body).json()
    assert answer["transfer"] == "multipart"
    actions: dict[str, Any] = answer["objects"][0]["actions"]
    return actions


def addresses(actions: dict[str, Any]) -> list[str]:
    header = actions["upload"]["header"]
    return [header[key] for key in sorted(header) if key.isdigit()]


def send(actions: dict[str, Any], data: bytes, numbers: range | list[int] | None = None) -> None:
    places = addresses(actions)
    for number in numbers if numbers is not None else range(len(places)):
        sent = httpx.put(places[number], content=data[number * PART : (number + 1) * PART])
        assert sent.status_code == 200, sent.text
        assert sent.headers["ETag"]


def complete(actions: dict[str, Any], data: bytes) -> httpx.Response:
    count = len(addresses(actions))
    parts = [{"partNumber": n + 1, "etag": f"e{n}"} for n in range(count)]
    body = {"oid": hashlib.sha256(data).hexdigest(), "parts": parts}
    return httpx.post(actions["upload"]["href"], json=body)


@pytest.fixture(autouse=True)
def no_other_parts(parts_hub: RunningHub) -> None:
    """Nothing is on its way in when a test begins, whatever others began to send."""
    for blob in incoming(parts_hub):
        parts_hub.hub.content.blobs.remove(blob.key)


def incoming(hub: RunningHub) -> list[Blob]:
    return list(hub.hub.content.blobs.entries(uploads.PREFIX))


def test_the_stock_client_sends_in_parts(parts_hub: RunningHub, eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 3 + 7)
    HfApi(endpoint=parts_hub.url, token=eve.token).create_commit(
        repo, [CommitOperationAdd("w.bin", io.BytesIO(data))], commit_message="Add"
    )
    assert eve.read(repo, "w.bin") == data
    assert incoming(parts_hub) == []


@pytest.mark.parametrize("extra", [0, 1, PART - 1])
def test_the_last_part_may_be_shorter(eve: Person, extra: int) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 2 + extra)
    actions = announce(eve, repo, data)
    assert actions["upload"]["header"]["chunk_size"] == str(PART)
    assert len(addresses(actions)) == (2 if extra == 0 else 3)
    send(actions, data)
    assert complete(actions, data).status_code == 200
    sha256 = hashlib.sha256(data).hexdigest()
    assert eve.commit(repo, large("w.bin", sha256, len(data))).status_code == 200
    assert eve.read(repo, "w.bin") == data


def test_what_broke_off_goes_on(parts_hub: RunningHub, eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 3)
    send(announce(eve, repo, data), data, [0, 2])
    actions = announce(eve, repo, data)  # another day: other addresses, the same upload
    early = complete(actions, data)
    assert early.status_code == 404
    assert "1 of 3 parts have not arrived (2)" in early.json()["message"]
    kept = {blob.key: blob.modified for blob in incoming(parts_hub)}
    send(actions, data)  # the parts that are there are not written again
    now = {blob.key: blob.modified for blob in incoming(parts_hub)}
    assert now | kept == now
    assert complete(actions, data).status_code == 200
    assert complete(actions, data).status_code == 200  # a client that missed the answer asks again
    assert incoming(parts_hub) == []


@pytest.mark.parametrize("late", [1, 3])
def test_who_completes_what_another_process_completes_meanwhile_succeeds(
    parts_hub: RunningHub, eve: Person, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 3)
    send(announce(eve, repo, data), data)
    kept = repos.find(parts_hub.hub, Kind.MODEL, eve.name, "weights", None)
    account = accounts.find_account(parts_hub.hub, eve.name)
    sha256 = hashlib.sha256(data).hexdigest()
    upload = Upload(kept.id, sha256, len(data), account.id, PART)
    blobs = parts_hub.hub.content.blobs
    read = blobs.read
    others: list[threading.Thread] = []

    def read_late(name: str, start: int = 0, length: int | None = None) -> bytes:
        if name == upload.part_key(late) and not others:
            # An event loop of its own: what another process is to this one.
            others.append(threading.Thread(target=asyncio.run, args=(complete_it(),)))
            others[0].start()
            others[0].join()
            assert incoming(parts_hub) == []
        return read(name, start, length)

    async def complete_it() -> None:
        await uploads.complete(parts_hub.hub, upload)

    monkeypatch.setattr(blobs, "read", read_late)
    asyncio.run(complete_it())
    assert eve.commit(repo, large("w.bin", upload.sha256, len(data))).status_code == 200
    assert eve.read(repo, "w.bin") == data


def test_nobody_puts_a_part_in_anothers_place(parts_hub: RunningHub, eve: Person) -> None:
    """Whoever may open a pull request may send the same object: known by its hash, in advance."""
    repo = eve.create("weights")
    data = os.urandom(PART * 3)
    headers = {"Authorization": f"Bearer {parts_hub.add_user(f'mallory-{next(_numbers)}')}"}
    with httpx.Client(base_url=parts_hub.url, headers=headers, timeout=30) as http:
        theirs = announce(Person("mallory", "", http), repo, data)
    send(theirs, bytes(len(data)))
    mine = announce(eve, repo, data)
    send(mine, data)
    send(theirs, bytes(len(data)))
    assert complete(mine, data).status_code == 200
    swapped = mine["upload"]["href"].replace("by=", "by=1")
    assert httpx.post(swapped, json={"oid": "0" * 64, "parts": []}).status_code == 403
    assert complete(theirs, data).status_code == 200  # it is there: nothing of theirs is looked at


def test_a_part_that_is_there_is_not_asked_for(eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 2)
    actions = announce(eve, repo, data)
    send(actions, data, [0])
    url = httpx.URL(addresses(actions)[0])
    head = (
        f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.host}\r\n"
        f"Content-Length: {PART}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.settimeout(10)
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    send(actions, data, [1])
    assert complete(actions, data).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"x" * (PART - 1), b"x" * (PART + 1), b"x" * (PART * 40)])
def test_a_part_of_another_length_is_refused(
    parts_hub: RunningHub, eve: Person, sent: bytes
) -> None:
    repo = eve.create("weights")
    actions = announce(eve, repo, os.urandom(PART * 2))
    refused = httpx.put(addresses(actions)[0], content=sent)
    assert refused.status_code == 422
    assert f"than the {PART} bytes announced" in refused.json()["message"]
    assert incoming(parts_hub) == []


def test_parts_that_make_another_object_are_all_deleted(parts_hub: RunningHub, eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 2)
    actions = announce(eve, repo, data)
    send(actions, data[::-1])
    refused = complete(actions, data)
    assert refused.status_code == 422
    assert "SHA-256" in refused.json()["message"]
    assert incoming(parts_hub) == []
    send(actions, data)
    assert complete(actions, data).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"oid": "0" * 64, "parts": []}, 422),
        ({"parts": [{"partNumber": 1}]}, 400),
        ({"oid": None, "parts": [{"partNumber": 0}]}, 400),
        ([], 400),
    ],
)
def test_a_completion_that_makes_no_sense(eve: Person, body: Any, status: int) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 2)
    actions = announce(eve, repo, data)
    send(actions, data)
    assert httpx.post(actions["upload"]["href"], json=body).status_code == status
    named = {"oid": hashlib.sha256(data).hexdigest(), "parts": [{"partNumber": 1, "etag": "x"}]}
    refused = httpx.post(actions["upload"]["href"], json=named)
    assert refused.status_code == 400
    assert "2 parts" in refused.json()["message"]


def test_addresses_of_parts_permit_only_their_part(eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 2)
    first = addresses(announce(eve, repo, data))[0]
    for old, new in (("/parts/1?", "/parts/2?"), (f"part_bytes={PART}", "part_bytes=1")):
        assert httpx.put(first.replace(old, new), content=b"x").status_code == 403


def test_without_multipart_a_long_file_goes_in_one_piece(eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 3)
    sha256 = eve.upload(repo, data)  # as git-lfs does
    assert eve.commit(repo, large("w.bin", sha256, len(data))).status_code == 200
    assert eve.read(repo, "w.bin") == data


def test_a_download_goes_on_where_it_broke_off(eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(PART * 3)
    sha256 = eve.upload(repo, data)
    href = eve.lfs(repo, "download", sha256, len(data))["actions"]["download"]["href"]
    rest = httpx.get(href, headers={"Range": "bytes=123456-"})
    assert rest.status_code == 206
    assert rest.headers["Content-Range"] == f"bytes 123456-{len(data) - 1}/{len(data)}"
    assert rest.content == data[123456:]
    assert httpx.get(href, headers={"Range": f"bytes={len(data)}-"}).status_code == 416


def test_an_address_of_a_file_that_was_deleted_since(eve: Person) -> None:
    repo = eve.create("weights")
    data = os.urandom(1000)
    sha256 = eve.upload(repo, data)
    href = eve.lfs(repo, "download", sha256, len(data))["actions"]["download"]["href"]
    body = {"deletions": {"sha": [sha256], "rewriteHistory": True}}
    assert eve.http.post(f"/api/models/{repo}/lfs-files/batch", json=body).status_code == 200
    assert httpx.get(href).status_code == 404


def test_errors_are_as_git_lfs_reads_them(eve: Person) -> None:
    repo = eve.create("weights")
    address = f"/{repo}.git/info/lfs/objects/batch"
    accept = {"Accept": "application/vnd.git-lfs+json"}
    wanted = {"oid": "0" * 64, "size": 1}
    body = {"operation": "download", "objects": [wanted], "hash_algo": "md5"}
    refused = eve.http.post(address, json=body, headers=accept)
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/vnd.git-lfs+json"
    assert "md5" in refused.json()["message"]
    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]
    missing = eve.http.post("/nobody/nothing.git/info/lfs/objects/batch", json=body)
    assert missing.status_code == 404
    assert "message" in missing.json()
    bad = eve.http.post(address, json={"operation": "steal", "objects": []})
    assert bad.status_code == 400
    assert "operation" in bad.json()["message"]
    lost = eve.lfs(repo, "download", "0" * 64, 1)
    assert lost["error"]["code"] == 404


def test_one_answer_tells_of_so_many_parts_at_most(eve: Person) -> None:
    """Few bytes that ask for thousands of long files do not fill the Hub's memory."""
    repo = eve.create("many-parts")
    wanted = [{"oid": f"{number:064x}", "size": 1000 * PART} for number in range(40)]
    body = {"operation": "upload", "objects": wanted, "transfers": ["basic", "multipart"]}
    answer = eve.http.post(f"/{repo}.git/info/lfs/objects/batch", json=body).json()
    told = [found["actions"]["upload"].get("header", {}) for found in answer["objects"]]
    assert [len(header) for header in told] == [1001] * 20 + [0] * 20


def test_a_file_of_a_gigabyte_comes_in_one_piece(ada: Person) -> None:
    repo = ada.create("one-piece")
    for size, transfer in ((10**9, "basic"), (2 * 10**9, "multipart")):
        body = {
            "operation": "upload",
            "objects": [{"oid": f"{size:064}", "size": size}],
            "transfers": ["basic", "multipart"],
        }
        answer = ada.http.post(f"/{repo}.git/info/lfs/objects/batch", json=body).json()
        assert answer["transfer"] == transfer
