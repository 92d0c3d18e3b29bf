"""Two do something about the same bytes at the same moment, on either database."""

import asyncio
import hashlib
import json
import os
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from person import Person
from person import large as large_file
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from graft.server.content import large, links
from graft.server.content.signing import shared_key
from graft.server.db.tables import (
    ContentsRow,
    ObjectRow,
    RepositoryObjectRow,
    RepositoryRow,
    SecretRow,
    SharedChunkRow,
)
from graft.server.running import RunningHub
from graft.server.storage.content import Received, whole_key
from graft.server.upkeep import fsck, garbage

Result = TypeVar("Result")

STORAGE = {"keep", "read", "read_end", "size_of", "remove", "entries"}
"""What storage can be asked for, and may take long about."""


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path / "hub") as running:
        yield running


def receive(hub: RunningHub, data: bytes) -> Received:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return asyncio.run(
        hub.hub.content.receive(chunks(), hashlib.sha256(data).hexdigest(), len(data))
    )


def repository(hub: RunningHub) -> int:
    """The number of a new repository."""
    headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
    made = httpx.post(f"{hub.url}/api/repos/create", json={"name": "model"}, headers=headers)
    made.raise_for_status()
    with hub.hub.database.reading() as session:
        return session.scalars(select(RepositoryRow.id)).one()


def during(pool: ThreadPoolExecutor, work: Callable[[], Result]) -> "Future[Result]":
    """Work that has begun, and waits for who is in the middle of a transaction."""
    begun = threading.Event()

    def run() -> Result:
        begun.set()
        return work()

    future = pool.submit(run)
    assert begun.wait(10)
    threading.Event().wait(0.3)
    return future


def test_files_that_begin_with_the_same_chunk(own_hub: RunningHub) -> None:
    """Both tell where the chunk lies: once is enough."""
    hub = own_hub.hub
    base = os.urandom(500_000)
    number = repository(own_hub)
    large.publish(hub, number, [receive(own_hub, base)])
    first, second = (receive(own_hub, base + os.urandom(9)) for _ in range(2))
    with hub.database.writing() as session:
        session.execute(delete(SharedChunkRow))
    with ThreadPoolExecutor() as pool:
        with hub.database.writing() as session:
            hub.content.publish(session, first)
            other = during(pool, lambda: large.publish(hub, number, [second]))
        other.result(30)
    with hub.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ObjectRow)) == 3


def test_many_publish_the_same_files_in_other_orders(own_hub: RunningHub) -> None:
    hub, number = own_hub.hub, repository(own_hub)
    received = [receive(own_hub, os.urandom(100_000)) for _ in range(12)]
    orders = [received[turn:] + received[:turn] for turn in range(0, 12, 2)]
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(large.publish, hub, number, order) for order in orders]:
            done.result(60)
    with hub.database.reading() as session:
        hashes = [each.sha256 for each in received]
        assert len(links.sizes_in(session, number, hashes)) == 12


def test_a_xorb_that_is_made_a_file_just_now_is_no_garbage(own_hub: RunningHub) -> None:
    hub, data = own_hub.hub, os.urandom(200_000)
    received = receive(own_hub, data)
    later = datetime.now(UTC) + timedelta(seconds=60)
    with ThreadPoolExecutor() as pool:
        with hub.database.writing() as session:
            hub.content.publish(session, received)
            other = during(pool, lambda: hub.content.xorbs.delete_unused(later))
        assert other.result(30) == (0, 0)
    assert hub.content.read(received.sha256) == data


def test_an_object_that_is_linked_just_now_is_no_orphan(own_hub: RunningHub) -> None:
    hub, number = own_hub.hub, repository(own_hub)
    data = os.urandom(1000)
    received = receive(own_hub, data)
    large.publish(hub, number, [received])
    with hub.database.writing() as session:
        session.execute(delete(RepositoryObjectRow))
    with ThreadPoolExecutor() as pool:
        with hub.database.writing() as session:
            links.link_all(session, number, [received.sha256])
            other = during(pool, lambda: large.delete_orphans(hub))
        assert other.result(30) == 0
    assert hub.content.read(received.sha256) == data


@pytest.fixture
def asked(own_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What storage has been asked for; to ask it in the middle of a transaction that writes is an
    error. On SQLite one writes at a time: a storage that hangs would keep everybody from it."""
    hub = own_hub.hub
    writing, asked = threading.local(), set[str]()
    begin = hub.database.writing

    @contextmanager
    def watched() -> Iterator[Session]:
        writing.now = True
        try:
            with begin() as session:
                yield session
        finally:
            writing.now = False

    def watch(name: str) -> None:
        real = getattr(hub.content.blobs, name)

        def ask(*given: Any, **named: Any) -> Any:
            assert not getattr(writing, "now", False), (
                f"{name} is called while a transaction writes"
            )
            asked.add(name)
            return real(*given, **named)

        monkeypatch.setattr(hub.content.blobs, name, ask)

    monkeypatch.setattr(hub.database, "writing", watched)
    for name in STORAGE:
        watch(name)
    return asked


def test_nobody_waits_for_storage_to_write(own_hub: RunningHub, asked: set[str]) -> None:
    hub, number = own_hub.hub, repository(own_hub)
    data = os.urandom(200_000)
    large.publish(hub, number, [receive(own_hub, data), receive(own_hub, data + b"more")])
    assert hub.content.read(hashlib.sha256(data).hexdigest()) == data
    with hub.content.blobs.spool() as spool:  # of a Hub from before there were xorbs
        spool.write([b"old"])
        hub.content.blobs.keep(whole_key(hashlib.sha256(b"old").hexdigest()), spool)
    with hub.database.writing() as session:
        session.execute(delete(RepositoryObjectRow))
    assert fsck.check(hub, deep=True, repair=True).is_clean
    freed = garbage.collect(hub, unused_for=timedelta(seconds=-60))
    assert (freed.objects, freed.stray) == (2, 1)
    assert freed.xorbs > 0
    assert asked == STORAGE


def test_files_are_looked_into_before_a_duplicate_is_written_down(
    own_hub: RunningHub, asked: set[str]
) -> None:
    token = own_hub.add_user("ada")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=own_hub.url, headers=headers) as http:
        ada = Person("ada", token, http)
        repo = ada.create("weights")
        head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        data = struct.pack("<Q", len(head)) + head + bytes(8)
        sha256 = ada.upload(repo, data)
        made = ada.commit(repo, large_file("model.safetensors", sha256, len(data)))
        assert made.status_code == 200
        with own_hub.hub.database.writing() as session:
            session.execute(update(ContentsRow).values(facts="{}"))  # as of an older Hub
        asked.clear()
        copied = http.post(f"/api/models/{repo}/duplicate", json={"repository": "ada/copy"})
        assert copied.status_code == 200
        found = http.get("/api/models/ada/copy").json()
    assert found["safetensors"] == {"parameters": {"F32": 2}, "total": 2}
    assert "read" in asked


def test_processes_that_start_at_once_sign_alike(own_hub: RunningHub) -> None:
    database = own_hub.hub.database
    with database.writing() as session:
        session.execute(delete(SecretRow))
    together = threading.Barrier(6)

    def key(_: int) -> bytes:
        together.wait(10)
        return shared_key(database)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(key, range(6)))) == 1


def test_a_file_that_is_no_object_any_more_is_collected(own_hub: RunningHub) -> None:
    """Of a Hub from before there were xorbs, that was stopped in the middle of a deletion."""
    hub = own_hub.hub
    sha256 = hashlib.sha256(b"old").hexdigest()
    with hub.content.blobs.spool() as spool:
        spool.write([b"old"])
        hub.content.blobs.keep(whole_key(sha256), spool)
    assert garbage.collect(hub).stray == 0  # somebody may be about to write its row
    soon = timedelta(seconds=-60)
    assert garbage.collect(hub, unused_for=soon, dry_run=True).stray_bytes == 3
    assert garbage.collect(hub, unused_for=soon).stray == 1
    assert hub.content.blobs.size_of(whole_key(sha256)) is None
