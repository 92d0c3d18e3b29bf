"""Locks on files, and the large files that a repository keeps in all its history."""

import io
import os
from datetime import UTC, datetime, timedelta

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, HfApi
from huggingface_hub.utils import EntryNotFoundError, HfHubHTTPError
from person import Person, deleted, file, large

from graft.server.content import links
from graft.server.errors import ConflictError
from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub
from graft.server.upkeep import fsck


def api_of(hub: RunningHub, person: Person) -> HfApi:
    return HfApi(endpoint=hub.url, token=person.token)


def lock(person: Person, repo: str, path: str) -> dict[str, object]:
    answer = person.http.post(f"/{repo}.git/info/lfs/locks", json={"path": path})
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()["lock"]
    return made


# --- locks ---------------------------------------------------------------------------------------


def test_a_lock_is_made_listed_verified_and_released(ada: Person) -> None:
    repo = ada.create("shared")
    root = f"/{repo}.git/info/lfs/locks"
    made = lock(ada, repo, "deep/w.bin")
    assert made["owner"] == {"name": ada.name}
    assert made["path"] == "deep/w.bin"
    at = datetime.fromisoformat(str(made["locked_at"]))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    again = ada.http.post(root, json={"path": "deep/w.bin"})
    assert again.status_code == 409
    assert again.json()["lock"] == made
    assert ada.name in again.json()["message"]
    assert ada.http.get(root).json() == {"locks": [made]}
    assert ada.http.get(root, params={"path": "other"}).json() == {"locks": []}
    assert ada.http.get(root, params={"id": made["id"]}).json() == {"locks": [made]}
    assert ada.http.post(f"{root}/verify", json={}).json() == {"ours": [made], "theirs": []}
    assert ada.http.post(f"{root}/{made['id']}/unlock", json={}).json() == {"lock": made}
    assert ada.http.post(f"{root}/{made['id']}/unlock", json={}).status_code == 404
    assert ada.http.get(root).json() == {"locks": []}


def test_locks_come_in_pages(ada: Person) -> None:
    repo = ada.create("many")
    root = f"/{repo}.git/info/lfs/locks"
    made = [lock(ada, repo, f"f{n}.bin") for n in range(5)]
    found, cursor = [], None
    while True:
        page = ada.http.get(root, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += page.json()["locks"]
        cursor = page.json().get("next_cursor")
        if not cursor:
            break
    assert found == made
    page = ada.http.post(f"{root}/verify", json={"limit": 3}).json()
    assert page["ours"] == made[:3]
    rest = ada.http.post(f"{root}/verify", json={"cursor": page["next_cursor"]}).json()
    assert rest == {"ours": made[3:], "theirs": []}


def test_locks_are_for_who_may_write_and_shown_to_who_may_read(ada: Person, bob: Person) -> None:
    repo = ada.create("mine")
    root = f"/{repo}.git/info/lfs/locks"
    made = lock(ada, repo, "w.bin")
    assert bob.http.get(root).json() == {"locks": [made]}
    for address in (root, f"{root}/verify", f"{root}/{made['id']}/unlock"):
        assert bob.http.post(address, json={"path": "a", "force": True}).status_code == 403
    hidden = ada.create("hidden", private=True)
    assert bob.http.get(f"/{hidden}.git/info/lfs/locks").status_code == 404


@pytest.mark.parametrize("path", ["../w.bin", "", "/w.bin", ".git/config", "a\0b"])
def test_what_cannot_be_locked(ada: Person, path: str) -> None:
    repo = ada.create("odd")
    refused = ada.http.post(f"/{repo}.git/info/lfs/locks", json={"path": path})
    assert refused.status_code == 422
    assert "path" in refused.json()["message"]


@pytest.mark.parametrize("number", ["x", "-1", "9" * 30, "٣"])
def test_what_is_no_lock(ada: Person, number: str) -> None:
    repo = ada.create("odd")
    root = f"/{repo}.git/info/lfs/locks"
    assert ada.http.post(f"{root}/{number}/unlock", json={}).status_code == 400
    assert ada.http.get(root, params={"id": number}).status_code == 400
    assert ada.http.get(root, params={"cursor": number}).status_code == 400


# --- files ---------------------------------------------------------------------------------------


def publish(hub: RunningHub, ada: Person) -> tuple[HfApi, str, dict[str, bytes]]:
    """A repository with large files on `main`, a branch and in the past."""
    api = api_of(hub, ada)
    repo = ada.create("thing")
    files = {name: os.urandom(5000) for name in ("w.bin", "deep/x.bin", "old.bin", "branch.bin")}
    for name in ("w.bin", "deep/x.bin", "old.bin"):
        api.create_commit(
            repo, [CommitOperationAdd(name, io.BytesIO(files[name]))], commit_message=name
        )
    ada.commit(repo, deleted("old.bin"), file("a.txt", "a"))
    api.create_branch(repo, branch="side")
    api.create_tag(repo, tag="v1", tag_message="First")
    side = [CommitOperationAdd("branch.bin", io.BytesIO(files["branch.bin"]))]
    api.create_commit(repo, side, commit_message="Side", revision="side")
    return api, repo, files


def test_all_large_files_are_listed_with_a_name_and_a_ref(hub: RunningHub, ada: Person) -> None:
    api, repo, files = publish(hub, ada)
    sent = ada.upload(repo, b"never committed" * 100)
    found = {each.filename: each for each in api.list_lfs_files(repo)}
    assert set(found) == {*files, sent}
    assert {name: each.ref for name, each in found.items()} == {
        "w.bin": "main",
        "deep/x.bin": "main",
        "old.bin": "main",
        "branch.bin": "side",
        sent: None,
    }
    assert {each.size for name, each in found.items() if name in files} == {5000}
    assert all(datetime.now(UTC) - each.pushed_at < timedelta(minutes=5) for each in found.values())


def test_files_are_deleted_from_all_commits(hub: RunningHub, ada: Person) -> None:
    api, repo, files = publish(hub, ada)
    before = len(api.list_repo_commits(repo))
    gone = [each for each in api.list_lfs_files(repo) if each.filename in ("w.bin", "old.bin")]
    api.permanently_delete_lfs_files(repo, gone)
    assert {each.filename for each in api.list_lfs_files(repo)} == {"deep/x.bin", "branch.bin"}
    assert set(api.list_repo_files(repo)) == {".gitattributes", "deep/x.bin", "a.txt"}
    assert len(api.list_repo_commits(repo)) == before
    for commit in api.list_repo_commits(repo):
        assert "w.bin" not in api.list_repo_files(repo, revision=commit.commit_id)
    assert set(api.list_repo_files(repo, revision="v1")) == set(api.list_repo_files(repo))
    assert ada.read(repo, "branch.bin", revision="side") == files["branch.bin"]
    assert ada.head(repo) == api.list_repo_commits(repo)[0].commit_id
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo, "w.bin", force_download=True)
    assert [p for p in fsck.check(hub.hub).problems if repo in p.where] == []


def test_a_protected_branch_keeps_the_files_of_its_history(hub: RunningHub, ada: Person) -> None:
    api, repo, files = publish(hub, ada)
    settings = f"/api/models/{repo}/settings"
    assert ada.http.put(settings, json={"protectedBranches": ["main"]}).status_code == 200
    head = ada.head(repo)
    gone = [each for each in api.list_lfs_files(repo) if each.filename == "old.bin"]
    with pytest.raises(HfHubHTTPError, match="protected"):
        api.permanently_delete_lfs_files(repo, gone)
    assert ada.head(repo) == head
    assert "old.bin" in {each.filename for each in api.list_lfs_files(repo)}
    only_there = [each for each in api.list_lfs_files(repo) if each.filename == "branch.bin"]
    api.permanently_delete_lfs_files(repo, only_there)
    assert ada.head(repo) == head
    assert ada.http.put(settings, json={"protectedBranches": []}).status_code == 200
    api.permanently_delete_lfs_files(repo, gone)
    assert ada.read(repo, "w.bin") == files["w.bin"]


def test_files_are_deleted_with_their_pointers_left(hub: RunningHub, ada: Person) -> None:
    api, repo, _ = publish(hub, ada)
    head = ada.head(repo)
    gone = [each for each in api.list_lfs_files(repo) if each.filename == "w.bin"]
    api.permanently_delete_lfs_files(repo, gone, rewrite_history=False)
    assert ada.head(repo) == head
    assert "w.bin" in api.list_repo_files(repo)
    assert ada.http.get(f"/{repo}/resolve/main/w.bin").status_code == 404
    report = fsck.check(hub.hub)
    assert [p for p in report.problems if repo in p.where] == []  # it was meant so
    assert any(repo in note and "on purpose" in note for note in report.notes)


def test_who_may_list_and_delete_files(ada: Person, bob: Person) -> None:
    repo = ada.create("mine")
    sha256 = ada.upload(repo, ada.name.encode() * 50)
    address = f"/api/models/{repo}/lfs-files"
    body = {"deletions": {"sha": [sha256]}}
    assert bob.http.get(address).status_code == 403
    assert bob.http.post(f"{address}/batch", json=body).status_code == 403
    unknown = {"deletions": {"sha": ["0" * 64]}}
    assert ada.http.post(f"{address}/batch", json=unknown).status_code == 400
    for bad in ("x", "0" * 63, None):
        broken = {"deletions": {"sha": [bad]}}
        assert ada.http.post(f"{address}/batch", json=broken).status_code == 400


def test_a_copy_from_another_repository_sends_nothing(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    _, repo, files = publish(hub, ada)
    api = api_of(hub, bob)
    other = bob.create("copies")
    copy = CommitOperationCopy("w.bin", "taken.bin", src_repo_id=repo, src_repo_type="model")
    api.create_commit(other, [copy], commit_message="Copy")
    assert bob.read(other, "taken.bin") == files["w.bin"]


def test_what_is_not_ones_own_cannot_be_given_away(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    vault = ada.create("vault", private=True)
    secret = ada.upload(vault, ada.name.encode() * 100)
    public = ada.create("public")
    mine = bob.create("mine")
    body = {
        "target": {"type": "model", "name": mine},
        "files": [{"sha256": secret, "xetHash": "", "filename": "w.bin"}],
    }
    assert bob.http.post(f"/api/models/{vault}/lfs-files/duplicate", json=body).status_code == 404
    tried = bob.http.post(f"/api/models/{public}/lfs-files/duplicate", json=body).json()
    assert [each["sha256"] for each in tried["failed"]] == [secret]
    into_hers = {**body, "target": {"type": "model", "name": public}}
    refused = bob.http.post(f"/api/models/{mine}/lfs-files/duplicate", json=into_hers)
    assert refused.status_code == 403
    assert bob.commit(mine, large("w.bin", secret, 1)).status_code == 400
    with pytest.raises(HfHubHTTPError):
        list(api_of(hub, bob).list_lfs_files(vault))


def test_an_object_that_is_gone_is_not_linked(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("late")
    sha256 = ada.upload(repo, ada.name.encode() * 30)
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    with (
        pytest.raises(ConflictError, match="upload it again"),
        hub.hub.database.writing() as session,
    ):
        links.link_all(session, found.id, [sha256, "0" * 64])
