"""Keeping a Hub in order: the checks find what is broken, and only garbage is collected."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pygit2
import pytest
from person import Person, deleted, file, large
from sqlalchemy import delete, select, update

from graft.server.db.tables import ObjectRow, RepositoryObjectRow, RepositoryRow
from graft.server.running import RunningHub
from graft.server.storage.blobs import Blob
from graft.server.upkeep import fsck, garbage, stats
from graft.server.upkeep.fsck import Report

AT_ONCE = timedelta(0)


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub that no other test uses."""
    with RunningHub(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def eve(own_hub: RunningHub) -> Iterator[Person]:
    """Somebody with an account on it."""
    token = own_hub.add_user("eve")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=own_hub.url, headers=headers, timeout=30) as client:
        yield Person("eve", token, client)


@pytest.fixture
def repo(eve: Person) -> str:
    """A repository with a small and a large file."""
    name = eve.create("thing")
    sha256 = eve.upload(name, WEIGHTS)
    made = eve.commit(name, file("a.txt", "a"), large("w.bin", sha256, len(WEIGHTS)))
    assert made.status_code == 200
    return name


WEIGHTS = os.urandom(300_000)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def kinds(report: Report) -> set[str]:
    return {problem.kind for problem in report.problems if not problem.repaired}


def xorbs(hub: RunningHub) -> list[Blob]:
    return list(hub.hub.content.blobs.entries("xorbs"))


def overwrite(hub: RunningHub, key: str, data: bytes) -> None:
    """Puts other bytes into storage, past all checks."""
    blobs = hub.hub.content.blobs
    with blobs.spool() as spool:
        spool.write([data])
        blobs.keep(key, spool)


def git_folder(hub: RunningHub) -> Path:
    return next(hub.settings.repositories_folder.glob("*/*.git"))


def test_a_sound_hub_is_clean(own_hub: RunningHub, repo: str) -> None:
    report = fsck.check(own_hub.hub, deep=True)
    assert report.is_clean
    assert report.problems == []
    assert (report.repositories, report.pointers, report.objects, report.xorbs) == (1, 1, 1, 1)
    assert report.bytes_read > len(WEIGHTS)


def test_lost_bytes_are_found_with_who_loses_them(own_hub: RunningHub, repo: str) -> None:
    for blob in xorbs(own_hub):
        own_hub.hub.content.blobs.remove(blob.key)
    report = fsck.check(own_hub.hub)
    assert kinds(report) == {"xorb-damaged"}
    assert repo in report.problems[0].text
    assert kinds(fsck.check(own_hub.hub, repair=True)) == {"xorb-damaged"}  # nothing can help


@pytest.mark.parametrize("place", [100, 200_000, -20])
def test_a_changed_byte_is_found_by_the_deep_check(
    own_hub: RunningHub, repo: str, place: int
) -> None:
    key = xorbs(own_hub)[0].key
    data = bytearray(own_hub.hub.content.blobs.read(key))
    data[place] ^= 1
    overwrite(own_hub, key, data)
    assert fsck.check(own_hub.hub).is_clean
    assert "xorb-damaged" in kinds(fsck.check(own_hub.hub, deep=True))


def test_an_index_that_is_behind_is_repaired(own_hub: RunningHub, repo: str) -> None:
    with own_hub.hub.database.writing() as session:
        session.execute(update(RepositoryRow).values(head="0" * 40))
    assert kinds(fsck.check(own_hub.hub)) == {"index-behind"}
    assert fsck.check(own_hub.hub, repair=True).is_clean
    assert fsck.check(own_hub.hub).problems == []


def test_a_branch_that_is_gone_is_made_again(
    own_hub: RunningHub, eve: Person, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "update-ref", "-d", "refs/heads/main"], cwd=git_folder(own_hub))
    report = fsck.check(own_hub.hub)
    assert kinds(report) == {"branch-lost"}
    assert "refs/heads/main is gone" in report.problems[0].text
    monkeypatch.setattr(garbage, "LOOSE_OBJECTS", 1)
    freed = garbage.collect(own_hub.hub, unused_for=AT_ONCE)  # leaves what can be put back
    assert (freed.links, freed.packed) == (0, 0)
    assert "refs/heads/main is gone" in freed.damaged[0]
    assert fsck.check(own_hub.hub, repair=True).is_clean
    assert fsck.check(own_hub.hub).problems == []
    assert eve.read(repo, "w.bin") == WEIGHTS


def test_a_branch_that_is_gone_with_what_it_led_to_is_told(own_hub: RunningHub, repo: str) -> None:
    folder = git_folder(own_hub)
    found = pygit2.Repository(folder)
    tree = str(found.references["refs/heads/main"].peel(pygit2.Tree).id)
    subprocess.run(["git", "update-ref", "-d", "refs/heads/main"], cwd=folder)
    for path in (folder / "objects").rglob("*"):
        if path.suffix in (".pack", ".idx") or path.name == tree[2:]:
            path.unlink()
    report = fsck.check(own_hub.hub, repair=True)
    assert [(problem.kind, problem.repaired) for problem in report.problems] == [
        ("branch-lost", False)
    ]


def test_a_file_that_the_repository_may_not_use_is_given_to_it_if_its_owner_has_it(
    own_hub: RunningHub, eve: Person, repo: str
) -> None:
    other = eve.create("other")
    eve.commit(other, large("w.bin", SHA256, len(WEIGHTS)))
    with own_hub.hub.database.writing() as session:
        first = session.scalars(select(RepositoryRow.id).order_by(RepositoryRow.id)).first()
        mine = RepositoryObjectRow.repository_id == first
        session.execute(delete(RepositoryObjectRow).where(mine))
    assert kinds(fsck.check(own_hub.hub)) == {"object-not-given"}
    assert fsck.check(own_hub.hub, repair=True).is_clean
    assert eve.read(repo, "w.bin") == WEIGHTS


def test_an_object_without_a_row_is_missing(own_hub: RunningHub, repo: str) -> None:
    with own_hub.hub.database.writing() as session:
        session.execute(delete(RepositoryObjectRow))
        session.execute(delete(ObjectRow))
    report = fsck.check(own_hub.hub, repair=True)
    assert kinds(report) == {"object-missing"}
    assert "w.bin" in report.problems[0].text


def test_a_lost_repository_and_a_lost_git_object_are_found(own_hub: RunningHub, repo: str) -> None:
    folder = git_folder(own_hub)
    blob = subprocess.run(
        ["git", "rev-parse", "main:w.bin"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()
    loose = folder / "objects" / blob[:2] / blob[2:]
    if loose.exists():
        loose.unlink()
        assert kinds(fsck.check(own_hub.hub)) == {"git-damaged"}
    shutil.rmtree(folder)
    report = fsck.check(own_hub.hub)
    assert kinds(report) == {"repository-missing"}
    assert f"no git repository {folder}" in report.problems[0].text


def test_what_no_row_tells_of_is_a_note_and_collected(own_hub: RunningHub, repo: str) -> None:
    kept = xorbs(own_hub)
    overwrite(own_hub, f"xorbs/ff/ff/{'f' * 64}", b"cut off")
    overwrite(own_hub, "xorbs/notes.txt", b"?")
    report = fsck.check(own_hub.hub)
    assert report.is_clean
    assert "2 files of 8 bytes" in report.notes[0]
    assert garbage.collect(own_hub.hub, unused_for=AT_ONCE).stray == 2
    assert xorbs(own_hub) == kept
    assert fsck.check(own_hub.hub, deep=True).notes == []


def test_garbage_is_collected_and_nothing_else(own_hub: RunningHub, eve: Person, repo: str) -> None:
    unused = os.urandom(100_000)
    eve.upload(repo, unused)
    eve.commit(repo, deleted("w.bin"))  # stays in the history
    gone = eve.create("gone")
    only_there = os.urandom(100_000)
    eve.commit(gone, large("x.bin", eve.upload(gone, only_there), len(only_there)))
    eve.http.request("DELETE", "/api/repos/delete", json={"name": "gone"})
    planned = garbage.collect(own_hub.hub, unused_for=AT_ONCE, dry_run=True)
    before = len(xorbs(own_hub))
    freed = garbage.collect(own_hub.hub, unused_for=AT_ONCE)
    assert (planned.links, planned.xorbs) == (freed.links, freed.xorbs)
    assert freed.links == 1
    assert before - len(xorbs(own_hub)) == freed.xorbs == 2
    assert fsck.check(own_hub.hub, deep=True).problems == []
    assert eve.http.get(f"/{repo}/resolve/main~1/w.bin").status_code == 404
    first = eve.http.get(f"/api/models/{repo}/commits/main").json()[1]["id"]
    assert eve.read(repo, "w.bin", revision=first) == WEIGHTS
    assert garbage.collect(own_hub.hub, unused_for=AT_ONCE) == garbage.Freed(packed=freed.packed)


def test_what_was_sent_lately_stays(own_hub: RunningHub, eve: Person, repo: str) -> None:
    data = os.urandom(50_000)
    sha256 = eve.upload(repo, data)
    freed = garbage.collect(own_hub.hub, unused_for=timedelta(hours=1))
    assert (freed.links, freed.objects, freed.xorbs) == (0, 0, 0)
    assert eve.commit(repo, large("new.bin", sha256, len(data))).status_code == 200


def test_figures_of_a_hub(own_hub: RunningHub, eve: Person, repo: str) -> None:
    for name in ("one", "two"):
        copy = eve.create(name, "dataset")
        eve.commit(copy, large("w.bin", SHA256, len(WEIGHTS)), kind="datasets")
    found = stats.collect(own_hub.hub, git=True)
    assert found.repositories == {"models": 1, "datasets": 2}
    assert found.accounts == 1
    assert found.unique_bytes == len(WEIGHTS)
    assert found.logical_bytes == 3 * len(WEIGHTS)
    assert found.dedup_ratio == pytest.approx(3, rel=0.01)
    assert found.git_bytes is not None
    assert found.git_bytes > 1000
    assert {each.stored for each in found.largest} == {len(WEIGHTS)}


def test_folders_of_repositories_that_are_no_more(own_hub: RunningHub, repo: str) -> None:
    folder = git_folder(own_hub)
    for name in ("0" * 32 + ".git", ".deleted-" + "1" * 32 + ".git"):
        shutil.copytree(folder, folder.with_name(name))
        os.utime(folder.with_name(name), (0, 0))
    report = fsck.check(own_hub.hub)
    assert report.is_clean
    assert "2 git repositories" in report.notes[0]
    assert garbage.collect(own_hub.hub, dry_run=True).folders == 2
    assert garbage.collect(own_hub.hub).folders == 2
    assert list(own_hub.settings.repositories_folder.glob("*/*.git")) == [folder]
    assert fsck.check(own_hub.hub).notes == []
