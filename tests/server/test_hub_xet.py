"""Xet over plain HTTP: what the Hub takes, what it checks, and whom it tells what."""

import asyncio
import base64
import hashlib
import json
import os
import random
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from person import Person, file, large
from sqlalchemy import func, select

from graft.server.api import cas as api
from graft.server.content import cas, registering
from graft.server.db.tables import XorbRow
from graft.server.people import accounts, identity
from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub
from graft.server.xet import shard
from graft.server.xet.chunking import cut
from graft.server.xet.hashes import (
    HASH_BYTES,
    Tree,
    chunk_hash,
    file_hash,
    is_shared,
    range_hash,
    to_text,
    with_key,
)
from graft.server.xet.xorb import RAW, XorbIndex, header, scan, unpack
from waiting import wait_until


def noise(size: int, seed: object = None) -> bytes:
    return random.Random(str(seed)).randbytes(size) if seed is not None else os.urandom(size)


@dataclass(frozen=True)
class Made:
    """A file as a Xet client would send it: one xorb, one term."""

    data: bytes
    frames: bytes
    index: XorbIndex

    @property
    def xorb(self) -> str:
        return to_text(self.index.root())

    @property
    def hash(self) -> bytes:
        tree = Tree()
        for value, size in self.index.chunks(0, len(self.index)):
            tree.add(value, size)
        return file_hash(tree.root())

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def term(self) -> shard.ShardTerm:
        index = self.index
        proof = range_hash(index.hashes)
        return shard.ShardTerm(index.root(), 0, len(index), index.unpacked_bytes, proof)

    def shard(self, *terms: shard.ShardTerm, **changed: bytes | None) -> bytes:
        sha256 = changed.get("sha256", bytes.fromhex(self.sha256))
        return shard.write_files(
            [(changed.get("hash") or self.hash, sha256, terms or [self.term()])]
        )


def made(data: bytes) -> Made:
    frames = b""
    start = 0
    for end in cut(data):
        frames += header(end - start, RAW, end - start) + data[start:end]
        start = end
    return Made(data, frames, scan(frames))


class Client:
    """A Xet client with a token for one repository."""

    def __init__(
        self, hub: RunningHub, person: Person | None, repo: str, access: str = "write"
    ) -> None:
        headers = {"Authorization": f"Bearer {person.token}"} if person else {}
        answer = httpx.get(f"{hub.url}/api/models/{repo}/xet-{access}-token/main", headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Xet-Cas-Url"].startswith(f"{hub.url}/xet/")
        self.token = answer.headers["X-Xet-Access-Token"]
        self.http = httpx.Client(
            base_url=hub.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30
        )

    def send_xorb(self, name: str, frames: bytes) -> httpx.Response:
        return self.http.post(f"/xet/0/v1/xorbs/default/{name}", content=frames)

    def send_shard(self, data: bytes) -> httpx.Response:
        return self.http.post("/xet/0/v1/shards", content=data)

    def send(self, file: Made) -> None:
        answer = self.send_xorb(file.xorb, file.frames)
        assert answer.status_code == 200, answer.text
        answer = self.send_shard(file.shard())
        assert answer.status_code == 200, answer.text

    def reconstruction(self, name: str, asked: str | None = None) -> httpx.Response:
        headers = {"Range": asked} if asked else {}
        return self.http.get(f"/xet/0/v1/reconstructions/{name}", headers=headers)

    def fetch(self, name: str, asked: str | None = None) -> bytes:
        """Puts a file together as clients do."""
        answer = self.reconstruction(name, asked)
        assert answer.status_code == 200, answer.text
        plan = answer.json()
        parts: dict[tuple[str, int], bytes] = {}
        for xorb, extents in plan["fetch_info"].items():
            for extent in extents:
                wanted = extent["url_range"]
                got = httpx.get(
                    extent["url"], headers={"Range": f"bytes={wanted['start']}-{wanted['end']}"}
                )
                assert got.status_code == 206, got.text
                assert len(got.content) == wanted["end"] - wanted["start"] + 1
                position, view = 0, memoryview(got.content)
                for number in range(extent["range"]["start"], extent["range"]["end"]):
                    chunk, position = unpack(view, position)
                    parts[xorb, number] = bytes(chunk)
        whole = b""
        for term in plan["terms"]:
            span = term["range"]
            piece = b"".join(parts[term["hash"], n] for n in range(span["start"], span["end"]))
            assert len(piece) == term["unpacked_length"]
            whole += piece
        return whole[plan["offset_into_first_range"] :]


def test_a_file_sent_by_xet_goes_out_by_every_way(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("by-xet")
    client = Client(hub, ada, repo)
    sent = made(noise(700_000))
    client.send(sent)
    assert ada.commit(repo, large("w.bin", sent.sha256, len(sent.data))).status_code == 200
    assert ada.read(repo, "w.bin") == sent.data
    action = ada.lfs(repo, "download", sent.sha256, len(sent.data))["actions"]["download"]
    assert httpx.get(action["href"]).content == sent.data
    head = ada.http.head(f"/{repo}/resolve/main/w.bin")
    assert head.headers["X-Xet-Hash"] == to_text(sent.hash)
    assert f"{hub.url}/api/models/{repo}/xet-read-token/" in head.headers["X-Xet-Refresh-Route"]
    assert Client(hub, ada, repo, "read").fetch(to_text(sent.hash)) == sent.data


def test_a_file_sent_by_lfs_goes_out_by_xet(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("by-lfs")
    data = noise(900_000)
    sha256 = ada.upload(repo, data)
    ada.commit(repo, large("w.bin", sha256, len(data)))
    entry = next(e for e in ada.http.get(f"/api/models/{repo}/tree/main").json() if "lfs" in e)
    assert entry["xetHash"] == to_text(made(data).hash)
    assert Client(hub, ada, repo, "read").fetch(entry["xetHash"]) == data


@pytest.mark.parametrize(
    "asked", ["bytes=0-0", "bytes=1-199999", "bytes=333333-", "bytes=-1", "bytes=65536-131071"]
)
def test_a_range_names_only_the_chunks_it_needs(hub: RunningHub, ada: Person, asked: str) -> None:
    repo = ada.create("ranges")
    sent = made(noise(500_000, "ranges"))
    Client(hub, ada, repo).send(sent)
    reader = Client(hub, ada, repo, "read")
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start = int(first) if first else len(sent.data) - int(last)
    end = int(last) + 1 if first and last else len(sent.data)
    assert reader.fetch(to_text(sent.hash), asked)[: end - start] == sent.data[start:end]
    terms = reader.reconstruction(to_text(sent.hash), asked).json()["terms"]
    assert sum(t["unpacked_length"] for t in terms) <= end - start + 2 * 131072
    assert reader.reconstruction(to_text(sent.hash), "bytes=500000-").status_code == 416


def test_runs_of_chunks_that_overlap_are_told_once(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("overlap")
    part = noise(300_000, "overlap")
    sent = made(part)
    client = Client(hub, ada, repo)
    client.send(sent)
    twice = made(part + part)
    index = sent.index
    count = len(index)
    terms = []
    for first, end in ((0, count), (0, count)):
        size = index.unpacked_ends[end - 1] - index.unpacked_start(first)
        proof = range_hash(index.hashes[first * HASH_BYTES : end * HASH_BYTES])
        terms.append(shard.ShardTerm(index.root(), first, end, size, proof))
    tree = Tree()
    for _ in range(2):
        for value, size in index.chunks(0, count):
            tree.add(value, size)
    value = file_hash(tree.root())
    sha256 = bytes.fromhex(twice.sha256)
    answer = client.send_shard(shard.write_files([(value, sha256, terms)]))
    assert answer.status_code == 200, answer.text
    plan = client.reconstruction(to_text(value)).json()
    assert [len(extents) for extents in plan["fetch_info"].values()] == [1]
    assert client.fetch(to_text(value)) == part + part


def test_a_xorb_is_kept_once_and_taken_again(hub: RunningHub, ada: Person) -> None:
    sent = made(noise(200_000))
    client = Client(hub, ada, ada.create("once"))
    assert client.send_xorb(sent.xorb, sent.frames).json() == {"was_inserted": True}
    assert client.send_xorb(sent.xorb, sent.frames).json() == {"was_inserted": False}
    footer = sent.index.footer(sent.index.root())
    assert client.send_xorb(sent.xorb, sent.frames + footer).json() == {"was_inserted": False}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d[:-1], "breaks off"),
        (lambda d: d[:20] + bytes([d[20] ^ 1]) + d[21:], "hash is"),
        (lambda d: b"", "empty"),
        (lambda d: b"\0" * 100, "0 bytes"),
        (lambda d: d + d, "hash is"),
    ],
)
def test_a_xorb_that_is_not_what_it_is_called(
    hub: RunningHub, ada: Person, change: object, said: str
) -> None:
    sent = made(noise(200_000))
    client = Client(hub, ada, ada.create(f"bad-{hashlib.md5(said.encode()).hexdigest()}"))
    assert callable(change)
    refused = client.send_xorb(sent.xorb, change(sent.frames))
    assert refused.status_code == 400
    assert said in refused.json()["error"]
    assert client.send_shard(sent.shard()).status_code == 400
    for name in ("0" * 63, "g" * 64, sent.xorb.upper(), "..%2f..%2fetc"):
        assert client.send_xorb(name, sent.frames).status_code in (400, 404)


def test_a_xorb_over_the_limit_is_refused(hub: RunningHub, ada: Person) -> None:
    client = Client(hub, ada, ada.create("too-long"))
    refused = client.send_xorb("0" * 64, bytes(70 * 1024**2))
    assert refused.status_code == 413
    assert "longer than" in refused.json()["error"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("first", 1, "bytes, not"),
        ("end", 99, "which has"),
        ("first", 99, "which has"),
        ("size", 1, "bytes, not 1"),
        ("proof", bytes(32), "does not prove"),
        ("proof", None, "does not prove"),
        ("xorb", bytes(range(32)), "did not send"),
    ],
)
def test_a_shard_that_lies_about_a_term(
    hub: RunningHub, ada: Person, field: str, value: object, said: str
) -> None:
    repo = ada.create(f"lies-{field}-{hashlib.md5(repr(value).encode()).hexdigest()[:6]}")
    sent = made(noise(300_000))
    client = Client(hub, ada, repo)
    client.send_xorb(sent.xorb, sent.frames)
    refused = client.send_shard(sent.shard(replace(sent.term(), **{field: value})))
    assert refused.status_code == 400
    assert said in refused.json()["error"]
    assert ada.commit(repo, large("w.bin", sent.sha256, len(sent.data))).status_code == 400


def test_a_shard_that_lies_about_a_file(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("lies")
    sent = made(noise(300_000))
    client = Client(hub, ada, repo)
    client.send_xorb(sent.xorb, sent.frames)
    for changed, said in (
        ({"sha256": bytes(32)}, "has the SHA-256"),
        ({"hash": bytes(range(32))}, "make another file"),
    ):
        refused = client.send_shard(sent.shard(**changed))
        assert refused.status_code == 400
        assert said in refused.json()["error"]
    for junk in (b"", b"junk", bytes(48), sent.shard()[:-1], sent.shard() + b"x"):
        assert client.send_shard(junk).status_code == 400
    assert client.reconstruction(to_text(sent.hash)).status_code == 404
    assert client.send_shard(sent.shard(sha256=None)).status_code == 200  # found out here
    assert ada.commit(repo, large("w.bin", sent.sha256, len(sent.data))).status_code == 200
    assert client.send_shard(sent.shard(sha256=bytes(32))).status_code == 400


def test_many_short_chunks_are_no_file(hub: RunningHub, ada: Person) -> None:
    client = Client(hub, ada, ada.create("crumbs"))
    frames = header(1, RAW, 1) + b"x"
    crumbs = Made(b"x" * 3, frames * 3, scan(frames * 3))
    client.send_xorb(crumbs.xorb, crumbs.frames)
    refused = client.send_shard(crumbs.shard())
    assert refused.status_code == 400
    assert "shorter chunks" in refused.json()["error"]


def test_shards_are_watched_line_by_line(hub: RunningHub, ada: Person) -> None:
    sent = made(noise(200_000))
    client = Client(hub, ada, ada.create("lines"))
    early = client.http.post("/xet/0/v2/shards", content=sent.shard())
    assert early.status_code == 200
    last = json.loads(early.text.splitlines()[-1])
    assert (last["type"], last["retryable"]) == ("error", False)
    assert "did not send" in last["message"]
    client.send_xorb(sent.xorb, sent.frames)
    done = client.http.post("/xet/0/v2/shards", content=sent.shard())
    assert json.loads(done.text.splitlines()[-1]) == {"type": "result"}
    assert client.fetch(to_text(sent.hash)) == sent.data


def test_knowing_hashes_is_not_having_the_file(hub: RunningHub, ada: Person, bob: Person) -> None:
    secret = made(noise(400_000))
    vault = ada.create("vault", private=True)
    Client(hub, ada, vault).send(secret)
    ada.commit(vault, large("w.bin", secret.sha256, len(secret.data)))
    thief = Client(hub, bob, bob.create("open"))
    assert thief.reconstruction(to_text(secret.hash)).status_code == 404
    refused = thief.send_shard(secret.shard())  # as if they knew all hashes
    assert refused.status_code == 400
    assert "did not send" in refused.json()["error"]
    first = to_text(secret.index.hash_of(0))
    assert thief.http.get(f"/xet/0/v1/chunks/default/{first}").status_code == 404
    assert bob.http.get(f"/api/models/{vault}/xet-read-token/main").status_code == 404
    for extra in ("", "?start=0&last=10&expires=99999999999&signature=0"):
        assert httpx.get(f"{hub.url}/xet/0/v1/xorbs/default/{secret.xorb}{extra}").status_code in (
            400,
            403,
            422,
        )
    Client(hub, bob, "/".join([bob.name, "open"])).send(secret)  # they have it: it is theirs too


def test_a_chunk_leads_to_the_xorbs_around_it(hub: RunningHub, ada: Person, bob: Person) -> None:
    sent = made(noise(3_000_000))
    repo = ada.create("source")
    Client(hub, ada, repo).send(sent)
    ada.commit(repo, large("w.bin", sent.sha256, len(sent.data)))
    asker = Client(hub, bob, bob.create("asker"))
    first = sent.index.hash_of(0)
    for prefix in ("default", "default-merkledb"):
        answer = asker.http.get(f"/xet/0/v1/chunks/{prefix}/{to_text(first)}")
        assert answer.status_code == 200
    key = answer.content[-200 + 72 : -200 + 104]
    made_at, expires = struct.unpack("<QQ", answer.content[-200 + 104 : -200 + 120])
    assert made_at <= time.time() < expires
    assert first not in answer.content
    assert with_key(first, key) in answer.content
    assert shard.parse(memoryview(answer.content)).xorbs == (sent.index.root(),)
    plain = next(v for v, _ in sent.index.chunks(1, len(sent.index)) if not is_shared(v))
    assert asker.http.get(f"/xet/0/v1/chunks/default/{to_text(plain)}").status_code == 404
    answer = asker.send_shard(sent.shard())  # readable, so it may be used without being sent
    assert answer.status_code == 200


def test_tokens_permit_what_they_were_made_for(
    hub: RunningHub, ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("tokens")
    sent = made(noise(100_000))
    Client(hub, ada, repo).send(sent)
    reader = Client(hub, None, repo, "read")
    assert reader.fetch(to_text(sent.hash)) == sent.data
    assert reader.send_xorb(sent.xorb, sent.frames).status_code == 403
    assert reader.send_shard(sent.shard()).status_code == 403
    elsewhere = Client(hub, bob, bob.create("elsewhere"), "read")
    assert elsewhere.reconstruction(to_text(sent.hash)).status_code == 404
    assert bob.http.get(f"/api/models/{repo}/xet-write-token/main").status_code == 403
    assert anyone.get(f"/api/models/{repo}/xet-write-token/main").status_code == 401
    proposed = bob.http.get(f"/api/models/{repo}/xet-write-token/None")
    assert proposed.status_code == 200  # whoever may discuss can open a pull request
    body, _, signature = reader.token.partition(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims[3] = "write"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    for token in (".", "x", ada.token, f"{forged}.{signature}", f"{body}.", f".{signature}", "é"):
        headers = {"Authorization": f"Bearer {token}".encode()}
        for method, path in (
            ("POST", f"/xet/0/v1/xorbs/default/{sent.xorb}"),
            ("POST", "/xet/0/v1/shards"),
            ("POST", "/xet/0/v2/shards"),
            ("GET", f"/xet/0/v1/reconstructions/{to_text(sent.hash)}"),
            ("GET", f"/xet/0/v1/chunks/default/{to_text(sent.hash)}"),
        ):
            assert anyone.request(method, path, headers=headers).status_code == 401, (path, token)


def test_tokens_end(hub: RunningHub, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = ada.create("over", private=True)
    sent = made(noise(100_000))
    client = Client(hub, ada, repo)
    client.send(sent)
    monkeypatch.setattr(cas, "VALID_SECONDS", -1)
    assert Client(hub, ada, repo).send_shard(sent.shard()).status_code == 401
    monkeypatch.undo()
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "over"})
    gone = client.send_shard(sent.shard())
    assert gone.status_code == 404
    assert gone.headers["X-Error-Code"] == "RepoNotFound"


def test_a_signed_address_opens_its_own_bytes_only(hub: RunningHub, ada: Person) -> None:
    sent = made(noise(400_000))
    client = Client(hub, ada, ada.create("signed"))
    client.send(sent)
    plan = client.reconstruction(to_text(sent.hash), "bytes=150000-160000").json()
    extent = plan["fetch_info"][sent.xorb][0]
    start, last = extent["url_range"]["start"], extent["url_range"]["end"]
    assert start > 0
    url = extent["url"]
    assert httpx.get(url).content == sent.frames[start : last + 1]
    inside = httpx.get(url, headers={"Range": f"bytes={start + 1}-{start + 9}"})
    assert inside.content == sent.frames[start + 1 : start + 10]
    assert httpx.get(url, headers={"Range": "bytes=0-9"}).status_code == 416
    beyond = httpx.get(url, headers={"Range": f"bytes={start}-"})
    assert len(beyond.content) == last + 1 - start
    for old, new in ((f"start={start}", "start=0"), (f"last={last}", f"last={last + 1}")):
        assert httpx.get(url.replace(old, new)).status_code == 403


def test_equal_chunks_are_kept_once_over_repositories(
    hub: RunningHub, ada: Person, bob: Person
) -> None:

    def stored() -> int:
        with hub.hub.database.reading() as session:
            return session.scalar(select(func.sum(XorbRow.packed_bytes))) or 0

    data = noise(3_000_000)
    ada.upload(ada.create("first"), data)
    before = stored()
    changed = data[:1_500_000] + b"!" + data[1_500_000:]
    repo = bob.create("second")
    sha256 = bob.upload(repo, changed)
    bob.commit(repo, large("w.bin", sha256, len(changed)))
    assert stored() - before < 400_000
    assert bob.read(repo, "w.bin") == changed
    sent = made(data)
    Client(hub, bob, repo).send_xorb(sent.xorb, sent.frames)
    assert stored() - before < 400_000


def test_small_files_need_no_xet(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("small")
    ada.commit(repo, file("a.txt", "a"))
    head = ada.http.head(f"/{repo}/resolve/main/a.txt")
    assert "X-Xet-Hash" not in head.headers
    assert chunk_hash(b"a") != chunk_hash(b"b")


def test_a_signed_address_of_a_xorb_that_is_gone(hub: RunningHub) -> None:
    name = "ab" * 32
    permission = hub.hub.signer.sign("xorb", name, 0, 9, seconds=60)
    gone = httpx.get(f"{hub.url}/xet/0/v1/xorbs/default/{name}?start=0&last=9&{permission}")
    assert gone.status_code == 404
    assert "ask for the file's parts again" in gone.json()["error"]


def test_shards_that_take_long_keep_nobody_else_waiting(
    hub: RunningHub, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes of a shard may tell of files that take long to read."""
    repo = ada.create("patience")
    client, other = Client(hub, ada, repo), Client(hub, bob, bob.create("haste"))
    sent = made(noise(100_000))
    client.send(sent)
    go_on = threading.Event()
    entered: list[object] = []
    register = registering.register

    def slowly(*given: Any) -> int:
        if given[1].user.name == ada.name:
            entered.append(given)
            assert go_on.wait(60)
        return register(*given)

    monkeypatch.setattr(registering, "register", slowly)
    with ThreadPoolExecutor(60) as pool:
        shards = [pool.submit(client.send_shard, sent.shard()) for _ in range(60)]
        try:
            metrics = hub.app.state.traffic.metrics
            wait_until(lambda: entered and metrics.in_flight >= 60, "the shards do not come")
            assert ada.http.get(f"/api/models/{repo}", timeout=20).status_code == 200
            other.send(made(noise(100_000, "another")))
            assert len(entered) == 1
        finally:
            go_on.set()
        assert {each.result(60).status_code for each in shards} == {200}


def test_who_leaves_while_waiting_for_a_turn_gives_it_up(
    hub: RunningHub, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_TELL_SECONDS", 0.01)
    repository = repos.find(hub.hub, Kind.MODEL, *ada.create("left").split("/"), None)
    account = accounts.find_account(hub.hub, ada.name)
    with hub.hub.database.reading() as session:
        user = identity.again(session, account.id, None)
    asker = cas.Asker(user, repository, "write")

    async def leave() -> None:
        async with hub.hub.turns.turn(("shard", account.id)):
            with hub.hub.content.blobs.spool() as spool:
                events = api._events(hub.hub, asker, spool)
                assert (await anext(events))["type"] == "validating"
                await asyncio.wait_for(events.aclose(), 60)  # its turn does not come

    asyncio.run(leave())
