"""Pushes that no `git` sends: made by hand, to get by what a Hub checks."""

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from person import Person, file

from graft.server.git import quarantine
from graft.server.git.packets import NO_OBJECT, packet
from graft.server.records import Kind
from graft.server.repositories import refchanges, repos
from graft.server.running import RunningHub
from waiting import wait_until

NO_FILES = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The id of the tree that holds nothing, which every git knows."""
_COMMIT, _TREE, _BLOB, _DELTA = 1, 2, 3, 7


def number(value: int) -> bytes:
    """A number as deltas write it."""
    made = []
    while True:
        made.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(made)


def repeated(base: bytes, times: int) -> bytes:
    """An entry that stands for another blob, again and again."""
    assert len(base) == 0x10000  # what an instruction to copy takes where it names no length
    delta = number(len(base)) + number(len(base) * times) + b"\x80" * times
    oid = hashlib.sha1(b"blob %d\0%s" % (len(base), base))
    return header(_DELTA, len(delta)) + oid.digest() + zlib.compress(delta)


def entry(kind: int, data: bytes) -> bytes:
    """An object as it stands in a pack."""
    return header(kind, len(data)) + zlib.compress(data)


def header(kind: int, length: int) -> bytes:
    """What stands before the packed bytes of an object."""
    size, made = length >> 4, [kind << 4 | length & 15]
    while size:
        made[-1] |= 0x80
        made.append(size & 0x7F)
        size >>= 7
    return bytes(made)


def pack(*entries: bytes) -> bytes:
    made = b"PACK" + (2).to_bytes(4, "big") + len(entries).to_bytes(4, "big") + b"".join(entries)
    return made + hashlib.sha1(made).digest()


def commit(message: str, parent: str | None = None, tree: str = NO_FILES) -> tuple[str, bytes]:
    """The id and the bytes of a commit, without files where no tree is given."""
    who = "Mallory <m@example.invalid> 1700000000 +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    data = "\n".join([*lines, f"author {who}", f"committer {who}", "", message]).encode()
    return object_id(b"commit", data), data


def object_id(kind: bytes, data: bytes) -> str:
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(data), data)).hexdigest()


def folders_in_folders(depth: int, count: int) -> tuple[str, list[bytes]]:
    """The id of a folder that names `count` times one that names another `count` times, and so on
    down to a file; and all of them, to be packed."""
    found, entries, mode = object_id(b"blob", b"x"), [entry(_BLOB, b"x")], b"100644"
    for _ in range(depth):
        tree = b"".join(b"%s f%d\0%s" % (mode, n, bytes.fromhex(found)) for n in range(count))
        found, mode = object_id(b"tree", tree), b"40000"
        entries.append(entry(_TREE, tree))
    return found, entries


def push(
    person: Person, repo: str, commands: Sequence[tuple[str, str, str]], content: bytes = b""
) -> httpx.Response:
    """Sends (old, new, ref) of each ref, and a pack."""
    body = body_of(commands, content or pack())
    return person.http.post(f"/{repo}.git/git-receive-pack", content=body)


def body_of(commands: Sequence[tuple[str, str, str]], content: bytes) -> bytes:
    lines = [f"{old} {new} {ref}".encode() for old, new, ref in commands]
    lines[0] += b"\0report-status"
    return b"".join(map(packet, lines)) + b"0000" + content


@pytest.mark.parametrize("new", [NO_OBJECT, "first"])
def test_a_ref_is_named_once(ada: Person, new: str) -> None:
    """What is told of it last would else stand for all that is done to it."""
    repo = ada.create(f"twice-{new[:5]}")
    first = ada.head(repo)
    ada.commit(repo, file("a.txt", "a"))
    head = ada.head(repo)
    settings = {"protectedBranches": ["main"]}
    assert ada.http.put(f"/api/models/{repo}/settings", json=settings).status_code == 200
    main = "refs/heads/main"
    commands = [(head, first if new == "first" else new, main), (head, head, main)]
    refused = push(ada, repo, commands)
    assert refused.status_code == 400
    assert "names" in refused.text or "twice" in refused.text
    assert ada.head(repo) == head
    branches = ada.http.get(f"/api/models/{repo}/refs").json()["branches"]
    assert [branch["targetCommit"] for branch in branches] == [head]


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_no_ref_of_a_push_can_be_a_folder_of_another(ada: Person, names: tuple[str, str]) -> None:
    repo = ada.create(f"both-{len(names[0])}")
    head = ada.head(repo)
    refs = [f"refs/heads/{name}" for name in names]
    told = push(ada, repo, [(NO_OBJECT, head, ref) for ref in refs]).content
    assert f"ok {refs[0]}".encode() in told
    assert f"ng {refs[1]} The branch '{names[1]}' cannot exist beside '{names[0]}'".encode() in told


def test_what_is_refused_leaves_no_objects(ada: Person, bob: Person) -> None:
    """Whoever has a pull request may push to that, and bring nothing in by other ways."""
    repo = ada.create("proposed")
    opened = bob.http.post(
        f"/api/models/{repo}/discussions", json={"title": "Mine", "pullRequest": True}
    )
    assert opened.status_code == 200
    made, data = commit("Not asked for")
    tree = entry(_TREE, b"")
    refused = push(
        bob,
        repo,
        [(ada.head(repo), made, "refs/heads/main")],
        pack(tree, entry(_COMMIT, data)),
    )
    assert b"ng refs/heads/main" in refused.content
    assert ada.http.get(f"/api/models/{repo}/revision/{made}").status_code == 404
    # The same objects are good for the pull request.
    number = opened.json()["num"]
    refs = ada.http.get(f"/api/models/{repo}/refs", params={"include_prs": True}).json()
    old = refs["pullRequests"][0]["targetCommit"]
    child, data = commit("Asked for", old)
    taken = push(bob, repo, [(old, child, f"refs/pr/{number}")], pack(tree, entry(_COMMIT, data)))
    assert f"ok refs/pr/{number}".encode() in taken.content


@pytest.mark.parametrize("count", [2, 200])
def test_a_few_bytes_that_stand_for_gigabytes_are_refused(ada: Person, count: int) -> None:
    """Both ways to unpack: few objects each for itself, many as one pack."""
    repo = ada.create(f"unpacked-{count}")
    base = b"\0" * 0x10000
    others = [entry(_BLOB, b"%d" % index) for index in range(count - 2)]
    content = pack(entry(_BLOB, base), *others, repeated(base, 2**16))
    assert len(content) < 10_000
    refused = push(ada, repo, [(ada.head(repo), "1" * 40, "refs/heads/main")], content)
    assert b"ng refs/heads/main unpacker error" in refused.content
    assert b"limit" in refused.content


def test_what_pages_read_whole_has_a_limit(ada: Person) -> None:
    repo = ada.create("talkative")
    head = ada.head(repo)
    made, data = commit("x" * 2_000_000, head)
    content = pack(entry(_TREE, b""), entry(_COMMIT, data))
    refused = push(ada, repo, [(head, made, "refs/heads/main")], content)
    assert b"ng refs/heads/main" in refused.content
    assert ada.head(repo) == head
    made, data = commit("x" * 20_000, head)
    content = pack(entry(_TREE, b""), entry(_COMMIT, data))
    assert b"ok refs" in push(ada, repo, [(head, made, "refs/heads/main")], content).content


@pytest.mark.parametrize(("depth", "count"), [(10, 10), (600, 1), (1, 200_001)])
def test_folders_without_end_are_refused(ada: Person, depth: int, count: int) -> None:
    """Ten trees of ten entries would be ten thousand million files, of which lists are made."""
    repo = ada.create(f"endless-{depth}")
    head = ada.head(repo)
    tree, entries = folders_in_folders(depth, count)
    made, data = commit("Much", head, tree)
    for commands in (
        [(head, made, "refs/heads/main")],
        [(NO_OBJECT, made, "refs/heads/other"), (NO_OBJECT, made, "refs/tags/some")],
    ):
        refused = push(ada, repo, commands, pack(*entries, entry(_COMMIT, data)))
        assert b"ng " in refused.content
        assert b"ok refs" not in refused.content
    assert ada.head(repo) == head


def test_an_earlier_commit_of_a_push_has_an_end_too(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = ada.create("endless-before")
    head = ada.head(repo)
    tree, entries = folders_in_folders(3, 10)
    made, data = commit("Much", head, tree)
    last, end = commit("None", made)
    content = pack(*entries, entry(_COMMIT, data), entry(_TREE, b""), entry(_COMMIT, end))
    monkeypatch.setattr(quarantine, "MAX_PATHS", 1000)
    refused = push(ada, repo, [(head, last, "refs/heads/main")], content)
    assert b"more than 1000 files and folders" in refused.content
    assert ada.head(repo) == head
    monkeypatch.setattr(quarantine, "MAX_PATHS", 2000)
    assert b"ok refs" in push(ada, repo, [(head, last, "refs/heads/main")], content).content


def test_a_push_keeps_its_place_until_its_work_is_done(tmp_path: Path) -> None:
    """Its answer begins before, and the work goes on when nobody waits for it any more."""
    with RunningHub(tmp_path, max_changes=1, max_waiting=0) as hub:
        headers = {"Authorization": f"Bearer {hub.add_user('ada')}"}
        with httpx.Client(base_url=hub.url, headers=headers, timeout=30) as http:
            ada = Person("ada", "", http)
            repo, other = ada.create("pushed"), ada.create("other")
            head = ada.head(repo)
            made, data = commit("More", head)
            content = pack(entry(_TREE, b""), entry(_COMMIT, data))
            body = body_of([(head, made, "refs/heads/main")], content)
            repository = repos.find(hub.hub, Kind.MODEL, "ada", "pushed", None)
            with refchanges.locked(hub.hub, repository):
                with http.stream("POST", f"/{repo}.git/git-receive-pack", content=body) as begun:
                    assert begun.status_code == 200
                assert ada.commit(other, file("a.txt", "a")).status_code == 503
            changes = hub.app.state.traffic.changes
            wait_until(lambda: not changes.is_full, "the place was not given back")
            assert ada.head(repo) == made
            assert ada.commit(other, file("a.txt", "a")).status_code == 200
