"""The content store: what goes in comes out, kept once, checked, and deleted only when unused."""

import asyncio
import hashlib
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from graft.server.db.database import Database
from graft.server.db.tables import ObjectRow, XorbRow
from graft.server.errors import (
    BadContentError,
    ConflictError,
    EntryNotFoundError,
    StorageError,
)
from graft.server.storage.content import ContentStore, Received, whole_key
from graft.server.storage.layout import Layout, Term, decode, join
from graft.server.storage.recent import Recent
from graft.server.storage.xorbs import key_of
from graft.server.xet.xorb import XorbError, XorbIndex
from waiting import wait_until

SOON = timedelta(seconds=-1)


class Store:
    """A content store in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "objects"
        self.database = Database(f"sqlite:///{folder}/hub.sqlite3")
        self.database.migrate()
        self.content = self.open()

    def open(self) -> ContentStore:
        """Another process, which remembers nothing."""
        return ContentStore("", self.folder, self.database)

    def receive(self, data: bytes, pieces: int = 100_000, **announced: object) -> Received:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), pieces):
                yield data[start : start + pieces]

        sha256 = str(announced.get("sha256", hashlib.sha256(data).hexdigest()))
        size = int(str(announced.get("size", len(data))))
        return asyncio.run(self.content.receive(chunks(), sha256, size))

    def add(self, data: bytes) -> str:
        received = self.receive(data)
        with self.database.writing() as session:
            self.content.publish(session, received)
        return received.sha256

    def stream(self, sha256: str, start: int, end: int) -> bytes:
        async def gather() -> bytes:
            return b"".join([piece async for piece in self.content.stream(sha256, start, end)])

        return asyncio.run(gather())

    def xorbs(self) -> dict[str, int]:
        with self.database.reading() as session:
            return {row.hash: row.packed_bytes for row in session.scalars(select(XorbRow))}

    def forget(self, sha256: str) -> None:
        with self.database.writing() as session:
            session.delete(session.get_one(ObjectRow, sha256))
        self.content.delete(sha256)

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.content.close()
    made.database.close()


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 131_072, 131_073, 3_000_000])
@pytest.mark.parametrize("pieces", [1000, 70_000, 5_000_000])
def test_what_goes_in_comes_out(store: Store, size: int, pieces: int) -> None:
    data = random.Random(size).randbytes(size)
    received = store.receive(data, pieces)
    with store.database.writing() as session:
        store.content.publish(session, received)
    assert store.content.read(received.sha256) == data
    assert store.stream(received.sha256, 0, size) == data


def test_any_part_can_be_read(store: Store) -> None:
    data = os.urandom(2_000_000) + b"x" * 500_000 + os.urandom(1_500_000)
    sha256 = store.add(data)
    choose = random.Random(3)
    for _ in range(60):
        start = choose.randrange(len(data))
        end = choose.randrange(start, len(data) + 1)
        assert store.content.read(sha256, start, end - start) == data[start:end]
        assert store.stream(sha256, start, end) == data[start:end]
    assert store.content.read(sha256, len(data) - 3, 100) == data[-3:]
    assert store.content.read(sha256, 5, 0) == b""


def test_a_file_longer_than_a_xorb(store: Store) -> None:
    data = os.urandom(70 * 1024**2)
    sha256 = store.add(data)
    assert len(store.xorbs()) == 2
    assert hashlib.sha256(store.content.read(sha256)).hexdigest() == sha256
    assert store.content.read(sha256, 67_000_000, 300_000) == data[67_000_000:67_300_000]


def test_equal_bytes_are_kept_once(store: Store) -> None:
    data = random.Random(11).randbytes(16_000_000)
    store.add(data)
    before = sum(store.xorbs().values())
    first = store.add(data + b"and more")
    middle = store.add(data[:2_000_000] + b"an insertion" + data[2_000_000:])
    assert sum(store.xorbs().values()) - before < 600_000
    assert store.content.read(first) == data + b"and more"
    assert store.content.read(middle)[2_000_000:2_000_012] == b"an insertion"
    store.add(bytes(100) + data[100:])  # another beginning: found by a chunk further on
    assert sum(store.xorbs().values()) - before < 8_000_000


def test_a_file_of_zeros_is_one_chunk(store: Store) -> None:
    sha256 = store.add(bytes(5_000_000))
    assert sum(store.xorbs().values()) < 300_000
    assert store.content.read(sha256) == bytes(5_000_000)


@pytest.mark.parametrize("announced", [{"sha256": "0" * 64}, {"size": 1}, {"size": 2_000_000}])
def test_what_is_not_as_announced_is_no_object(store: Store, announced: dict[str, object]) -> None:
    data = os.urandom(1_000_000)
    with pytest.raises(BadContentError, match="Nothing was stored"):
        store.receive(data, **announced)
    with store.database.reading() as session:
        assert session.scalars(select(ObjectRow)).all() == []
    assert list((store.folder / "incoming").iterdir()) == []


def test_nothing_is_seen_before_it_is_published(store: Store) -> None:
    received = store.receive(b"not yet" * 1000)
    with pytest.raises(EntryNotFoundError):
        store.content.read(received.sha256)


def test_old_files_stay_readable_and_become_chunks_when_sent_again(store: Store) -> None:
    data = os.urandom(5_000_000)
    sha256 = hashlib.sha256(data).hexdigest()
    path = store.folder / whole_key(sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with store.database.writing() as session:
        session.add(ObjectRow(sha256=sha256, size=len(data), created_at=datetime.now(UTC)))
    assert store.content.read(sha256, 1000, 50) == data[1000:1050]
    assert store.stream(sha256, 1, len(data)) == data[1:]
    with pytest.raises(EntryNotFoundError, match="never cut"):
        store.content.reconstruct(sha256, 0, 10, lambda _: "")
    other = store.open()
    assert other.read(sha256) == data
    assert store.add(data) == sha256
    assert not path.exists()
    assert store.content.read(sha256) == data
    assert other.read(sha256) == data  # remembered it as one file


def test_xorbs_are_deleted_when_nobody_uses_them_for_long(store: Store) -> None:
    data = os.urandom(1_000_000)
    sha256 = store.add(data)
    (name,) = store.xorbs()
    future = datetime.now(UTC) + timedelta(hours=1)
    assert store.content.xorbs.delete_unused(future) == (0, 0)
    store.forget(sha256)
    past = datetime.now(UTC) - timedelta(hours=1)
    assert store.content.xorbs.delete_unused(past) == (0, 0)  # somebody may refer to it
    count, freed = store.content.xorbs.delete_unused(future)
    assert (count, freed > 1_000_000) == (1, True)
    assert store.xorbs() == {}
    assert store.content.blobs.size_of(key_of(name)) is None
    assert store.files() == []
    assert store.content.read(store.add(data)) == data


def test_a_file_remembered_from_before_its_deletion(store: Store) -> None:
    data = os.urandom(600_000)
    other = store.open()
    sha256 = store.add(data)
    assert other.read(sha256) == data
    store.forget(sha256)
    store.content.xorbs.delete_unused(datetime.now(UTC) + timedelta(hours=1))
    store.add(os.urandom(600_000))
    store.add(b"z" * 9000 + data)
    store.add(data)  # now made of another file's chunks
    assert other.read(sha256) == data


def test_parts_deleted_before_publication(store: Store) -> None:
    received = store.receive(os.urandom(300_000))
    store.content.xorbs.delete_unused(datetime.now(UTC) + timedelta(hours=1))
    with (
        pytest.raises(ConflictError, match="send the file again"),
        store.database.writing() as session,
    ):
        store.content.publish(session, received)


def test_uploads_and_deletions_at_the_same_time(store: Store) -> None:
    data = os.urandom(400_000)
    stop = threading.Event()
    future = datetime.now(UTC) + timedelta(hours=1)

    def collect() -> None:
        while not stop.is_set():
            store.content.xorbs.delete_unused(future)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for _ in range(15):
            try:
                sha256 = store.add(data)
            except ConflictError:
                continue
            assert store.content.read(sha256) == data
            store.forget(sha256)
    finally:
        stop.set()
        collector.join()
    assert store.content.read(store.add(data)) == data


def test_many_send_the_same_file_at_once(store: Store) -> None:
    data = os.urandom(2_000_000)
    problems: list[BaseException] = []

    def send() -> None:
        try:
            store.add(data)
        except BaseException as error:
            problems.append(error)

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert problems == []
    assert store.content.read(hashlib.sha256(data).hexdigest()) == data
    assert list((store.folder / "incoming").iterdir()) == []


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "short": lambda path: os.truncate(path, 1000),
    "empty": lambda path: os.truncate(path, 0),
    "footer": lambda path: path.write_bytes(path.read_bytes()[:-30] + bytes(30)),
    "header": lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_storage_is_told_clearly(store: Store, damage: str) -> None:
    sha256 = store.add(os.urandom(300_000))
    (name,) = store.xorbs()
    DAMAGES[damage](store.folder / key_of(name))
    fresh = store.open()
    with pytest.raises(StorageError, match=r"fsck|fewer bytes"):
        fresh.read(sha256)


def test_a_lost_xorb_comes_back_when_it_is_sent_again(store: Store) -> None:
    data = os.urandom(300_000)
    sha256 = store.add(data)
    (name,) = store.xorbs()
    (store.folder / key_of(name)).unlink()
    fresh = store.open()
    with fresh.blobs.spool() as spool:
        index = store.content.xorbs.index(name)
        start = 0
        for number in range(len(index)):
            size = index.size_of(number)
            spool.write([b"\0", size.to_bytes(3, "little"), b"\0", size.to_bytes(3, "little")])
            spool.write([data[start : start + size]])
            start += size
        assert fresh.store_xorb(spool, name) is False
    assert fresh.read(sha256) == data


def test_a_xorb_packed_otherwise_does_not_replace_the_one_there(store: Store) -> None:
    import lz4.frame

    from graft.server.xet.xorb import LZ4, header

    data = b"compressible " * 600
    sha256 = store.add(data)
    (name,) = store.xorbs()
    packed = lz4.frame.compress(data)
    other = store.open()
    with other.blobs.spool() as spool:
        spool.write([header(len(packed), LZ4, len(data)), packed])
        assert other.store_xorb(spool, name) is False
    assert store.content.read(sha256) == data
    assert store.open().read(sha256) == data


def test_what_is_no_xorb_is_not_kept(store: Store) -> None:
    for content in (b"", b"junk" * 100):
        with store.content.blobs.spool() as spool:
            spool.write([content])
            with pytest.raises(XorbError):
                store.content.store_xorb(spool, "0" * 64)
    assert store.files() == []


def test_no_thread_outlives_a_store(store: Store) -> None:
    content = store.open()

    def readers() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name.startswith("graft-ranges")}

    async def read(name: str) -> bytes:
        return b"".join([piece async for piece in content.blobs.stream(name, 0, 3)])

    name = whole_key(store.add(b"abc"))
    (store.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (store.folder / name).write_bytes(b"abc")
    before = readers()
    assert asyncio.run(read(name)) == b"abc"
    assert readers() - before
    content.close()
    wait_until(lambda: not readers() - before, "a thread goes on")


def test_what_a_stopped_process_left_is_swept(store: Store) -> None:
    left = store.folder / "incoming" / "left"
    left.write_bytes(b"x" * 100)
    assert store.content.blobs.sweep(timedelta(hours=1)) == 0
    assert store.content.blobs.sweep(SOON) == 100
    assert not left.exists()


def test_layouts_are_kept_as_they_are() -> None:
    terms = [Term("ab" * 32, 0, 3, 1000), Term("cd" * 32, 5, 6, 1), Term("ab" * 32, 1, 2, 7)]
    layout = Layout(terms)
    again = decode(layout.encode())
    assert again.terms == tuple(terms)
    assert (again.size, again.xorbs) == (1008, ["ab" * 32, "cd" * 32])
    assert [again.term_at(position) for position in (0, 999, 1000, 1001, 1007)] == [0, 0, 1, 2, 2]
    assert join([Term("a", 0, 1, 5), Term("a", 1, 3, 6), Term("a", 4, 5, 1)]) == [
        Term("a", 0, 3, 11),
        Term("a", 4, 5, 1),
    ]


def test_recent_values_stay_and_old_ones_go() -> None:
    recent: Recent[str, XorbIndex] = Recent(10, len)
    values = {name: XorbIndex(bytes(32 * 4), range(4), range(4)) for name in "abc"}
    recent.keep("a", values["a"])
    recent.keep("b", values["b"])
    assert recent.get("a") is values["a"]
    recent.keep("c", values["c"])
    assert (recent.get("b"), recent.get("a")) == (None, values["a"])
    recent.keep("big", XorbIndex(bytes(32 * 99), range(99), range(99)))
    assert recent.get("big") is not None
    recent.forget("big")
    assert recent.get("big") is None
