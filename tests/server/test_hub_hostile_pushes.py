"""Pushes that no `git` sends: made by hand, to get by what a Hub checks."""

import hashlib
import zlib
from collections.abc import Sequence

import httpx
import pytest
from person import Person, file

from graft.server.git.packets import NO_OBJECT, packet

NO_FILES = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The id of the tree that holds nothing, which every git knows."""
_COMMIT, _TREE = 1, 2


def entry(kind: int, data: bytes) -> bytes:
    """An object as it stands in a pack."""
    size, head = len(data) >> 4, [kind << 4 | len(data) & 15]
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + zlib.compress(data)


def pack(*entries: bytes) -> bytes:
    made = b"PACK" + (2).to_bytes(4, "big") + len(entries).to_bytes(4, "big") + b"".join(entries)
    return made + hashlib.sha1(made).digest()


def commit(message: str, parent: str | None = None) -> tuple[str, bytes]:
    """The id and the bytes of a commit without files."""
    who = "Mallory <m@example.invalid> 1700000000 +0000"
    lines = [f"tree {NO_FILES}", *([f"parent {parent}"] if parent else [])]
    data = "\n".join([*lines, f"author {who}", f"committer {who}", "", message]).encode()
    return hashlib.sha1(b"commit %d\0%s" % (len(data), data)).hexdigest(), data


def push(
    person: Person, repo: str, commands: Sequence[tuple[str, str, str]], content: bytes = b""
) -> httpx.Response:
    """Sends (old, new, ref) of each ref, and a pack."""
    lines = [f"{old} {new} {ref}".encode() for old, new, ref in commands]
    lines[0] += b"\0report-status"
    body = b"".join(map(packet, lines)) + b"0000" + (content or pack())
    return person.http.post(f"/{repo}.git/git-receive-pack", content=body)


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
