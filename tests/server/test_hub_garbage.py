"""Garbage is collected while people upload: nothing that they refer to goes."""

import io
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from person import Person, file, large

from graft.server.running import RunningHub
from graft.server.upkeep import fsck, garbage

ROUNDS = 4
# What an upload here takes at the very most, on a machine that has much else to do.
GRACE = timedelta(seconds=20)


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path / "hub", max_part_bytes=100_000) as running:
        yield running


def committer(hub: RunningHub, name: str, shared: bytes, failures: list[str]) -> Callable[[], None]:
    """Somebody who commits by LFS, in parts and by Xet, deletes repositories, and checks what
    comes back."""
    token = hub.add_user(name)
    api = HfApi(endpoint=hub.url, token=token)

    def work() -> None:
        try:
            for number in range(ROUNDS):
                repo = api.create_repo(f"{name}/model-{number}").repo_id
                own = os.urandom(150_000)
                files = {"shared.bin": shared, "own.bin": own, "mixed.bin": shared + own}
                added: list[CommitOperationAdd] = [
                    CommitOperationAdd(path, io.BytesIO(data) if number % 2 else data)
                    for path, data in files.items()
                ]
                api.create_commit(repo, added, commit_message=f"Round {number}")
                for path, data in files.items():
                    url = f"{hub.url}/{repo}/resolve/main/{path}"
                    if httpx.get(url).content != data:
                        failures.append(f"{repo}/{path} came back otherwise")
                if number % 3 == 2:
                    api.delete_repo(repo)
        except Exception as error:
            failures.append(f"{name}: {error!r}")

    return work


def test_uploads_while_garbage_is_collected_over_and_over(own_hub: RunningHub) -> None:
    failures: list[str] = []
    shared = os.urandom(400_000)
    names = ("ada", "bob", "eve")
    people = [Thread(target=committer(own_hub, name, shared, failures)) for name in names]
    stop = Event()
    rounds = 0
    for person in people:
        person.start()
    while any(person.is_alive() for person in people):
        garbage.collect(own_hub.hub, unused_for=GRACE)
        rounds += 1
        stop.wait(0.05)
    assert failures == []
    assert rounds > 1
    assert fsck.check(own_hub.hub, deep=True).problems == []


def test_a_shared_chunk_stays_while_anybody_uses_it(own_hub: RunningHub) -> None:
    """The file that brought a xorb goes; another that refers to it stays whole."""
    token = own_hub.add_user("ada")
    api = HfApi(endpoint=own_hub.url, token=token)
    base = os.urandom(500_000)
    first, second = (api.create_repo(f"ada/{name}").repo_id for name in ("first", "second"))
    api.upload_file(path_or_fileobj=base, path_in_repo="w.bin", repo_id=first)
    longer = base + os.urandom(100_000)
    api.upload_file(path_or_fileobj=longer, path_in_repo="w.bin", repo_id=second)
    api.delete_repo(first)
    garbage.collect(own_hub.hub, unused_for=timedelta(0))
    assert httpx.get(f"{own_hub.url}/{second}/resolve/main/w.bin").content == longer
    assert fsck.check(own_hub.hub, deep=True).problems == []
    api.upload_file(path_or_fileobj=base, path_in_repo="again.bin", repo_id=second)
    assert httpx.get(f"{own_hub.url}/{second}/resolve/main/again.bin").content == base


def test_what_clients_remember_is_kept_as_long_as_they_do(own_hub: RunningHub) -> None:
    """Xet clients keep lists of what they sent, and refer to it without asking."""
    api = HfApi(endpoint=own_hub.url, token=own_hub.add_user("ada"))
    data = os.urandom(600_000)
    gone = api.create_repo("ada/gone").repo_id
    repo = api.create_repo("ada/new").repo_id
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=gone)
    api.delete_repo(gone)
    assert garbage.collect(own_hub.hub).xorbs == 0
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
    assert httpx.get(f"{own_hub.url}/{repo}/resolve/main/w.bin").content == data
    api.delete_repo(repo)
    assert garbage.collect(own_hub.hub, unused_for=timedelta(0)).xorbs > 0  # too early
    api.create_repo(repo)
    with pytest.raises(RuntimeError, match="which you did not send"):
        api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
    assert api.list_repo_files(repo) == [".gitattributes"]
    api.upload_file(path_or_fileobj=io.BytesIO(data), path_in_repo="w.bin", repo_id=repo)
    assert httpx.get(f"{own_hub.url}/{repo}/resolve/main/w.bin").content == data


def test_git_repositories_are_packed_without_what_no_ref_leads_to(
    own_hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "LOOSE_OBJECTS", 20)
    token = own_hub.add_user("ada")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=own_hub.url, headers=headers, timeout=30) as http:
        ada = Person("ada", token, http)
        repo = ada.create("busy")
        for number in range(10):
            ada.commit(repo, file(f"f{number}.txt", str(number)))
        head = ada.head(repo)
        old = HfApi(endpoint=own_hub.url, token=token).list_repo_commits(repo)[3].commit_id
        HfApi(endpoint=own_hub.url, token=token).super_squash_history(repo)
        folder = next(own_hub.settings.repositories_folder.glob("*/*.git"))
        before = sum(1 for path in (folder / "objects").rglob("*") if path.is_file())
        assert garbage.collect(own_hub.hub, unused_for=timedelta(0)).packed == 1
        after = sum(1 for path in (folder / "objects").rglob("*") if path.is_file())
        assert after < before / 3
        assert len(ada.files(repo)) == 10
        for gone in (head, old):
            assert ada.http.get(f"/api/models/{repo}/tree/{gone}").status_code == 404
        assert ada.commit(repo, file("new.txt", "n")).status_code == 200
        data = os.urandom(50_000)
        sha256 = ada.upload(repo, data)
        assert ada.commit(repo, large("w.bin", sha256, len(data))).status_code == 200
    assert fsck.check(own_hub.hub, deep=True).problems == []
