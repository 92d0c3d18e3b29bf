"""Repositories: creating, naming, hiding, renaming, deleting; branches, tags, history."""

import re
import shutil
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from person import CARD, Person, deleted, file, large

from graft.server.db.tables import ObjectRow
from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub
from graft.server.search import index
from graft.server.upkeep.garbage import collect


@pytest.mark.parametrize(
    "name",
    [
        "a/b/c",
        "..",
        "a..b",
        "../up",
        "a--b",
        ".hidden",
        "tail.",
        "x.git",
        "",
        "x" * 97,
        "a b",
        "ä",
        "a\\b",
    ],
)
def test_names_that_repositories_cannot_have(ada: Person, name: str) -> None:
    for body in ({"name": name}, {"name": f"{ada.name}/{name}"}):
        refused = ada.http.post("/api/repos/create", json=body)
        assert refused.status_code == 400
        assert re.search("(repository|account) name", refused.json()["error"])
    assert ada.http.get("/api/models", params={"author": ada.name}).json() == []


def test_creating_twice_answers_409_with_the_address(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("twice", "dataset")
    again = ada.http.post("/api/repos/create", json={"name": "Twice", "type": "dataset"})
    assert again.status_code == 409
    assert again.json()["url"].lower() == f"{hub.url}/datasets/{repo}"


def test_a_model_and_a_data_set_may_share_a_name(ada: Person) -> None:
    repo = ada.create("same")
    assert ada.create("same", "dataset") == repo
    ada.commit(repo, file("only-in-model.txt", "x"))
    assert ada.files(repo, "datasets") == set()


def test_a_private_repository_is_not_there_for_others(
    ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("secret", private=True)
    ada.commit(repo, file("README.md", CARD))
    paths = [
        f"/api/models/{repo}",
        f"/api/models/{repo}/tree/main",
        f"/api/models/{repo}/refs",
        f"/{repo}/resolve/main/README.md",
    ]
    for somebody in (bob.http, anyone):
        for path in paths:
            hidden = somebody.get(path)
            missing = somebody.get(path.replace("secret", "nothing"))
            assert hidden.status_code == missing.status_code == 404
            assert hidden.headers["X-Error-Code"] == "RepoNotFound"
            same = hidden.json()["error"].replace("secret", "nothing")
            assert same == missing.json()["error"]
        assert somebody.get("/api/models", params={"author": ada.name}).json() == []
    assert ada.http.get(paths[0]).json()["private"] is True


def test_making_a_repository_public(ada: Person, anyone: httpx.Client) -> None:
    repo = ada.create("soon", private=True)
    changed = ada.http.put(f"/api/models/{repo}/settings", json={"visibility": "public"})
    assert changed.json()["private"] is False
    assert anyone.get(f"/api/models/{repo}").status_code == 200


def test_renaming_keeps_files_and_history(ada: Person) -> None:
    repo = ada.create("before")
    ada.commit(repo, file("README.md", CARD))
    body = {"fromRepo": repo, "toRepo": f"{ada.name}/after", "type": "model"}
    assert ada.http.post("/api/repos/move", json=body).status_code == 200
    assert ada.files(f"{ada.name}/after") == {"README.md"}
    gone = ada.http.get(f"/api/models/{repo}")
    assert gone.status_code == 307
    assert gone.headers["Location"] == f"/api/models/{ada.name}/after"


def test_deleting_removes_everything_but_objects_that_others_use(
    hub: RunningHub, ada: Person
) -> None:
    one, two = ada.create("one"), ada.create("two")
    shared, own = b"shared by two" * 100, b"in one only" * 100
    for repo, data in ((one, shared), (one, own), (two, shared)):
        sha256 = ada.upload(repo, data)
        name = "shared.bin" if data is shared else "own.bin"
        assert ada.commit(repo, large(name, sha256, len(data))).status_code == 200
    folders = set(hub.settings.repositories_folder.glob("*/*"))
    gone = ada.http.request("DELETE", "/api/repos/delete", json={"name": one})
    assert gone.status_code == 200
    assert ada.http.get(f"/api/models/{one}").headers["X-Error-Code"] == "RepoNotFound"
    assert ada.read(two, "shared.bin") == shared
    assert len(folders - set(hub.settings.repositories_folder.glob("*/*"))) == 1


def test_what_a_deleted_repository_held_goes_with_the_next_collection(
    hub: RunningHub, ada: Person
) -> None:
    repo = ada.create("short-lived")
    sha256 = ada.upload(repo, b"soon gone" * 50)
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "short-lived"})
    collect(hub.hub, unused_for=timedelta(0), git=False)
    with hub.hub.database.reading() as session:
        assert session.get(ObjectRow, sha256) is None


def delete_once(hub: RunningHub, person: Person, name: str) -> httpx.Response:
    """Asks over a connection of its own: the server closes one on which it failed."""
    with httpx.Client(base_url=hub.url, headers=person.http.headers) as client:
        return client.request("DELETE", "/api/repos/delete", json={"name": name})


def test_a_deletion_cut_short_leaves_no_repository_that_cannot_be_read(
    hub: RunningHub, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = ada.create("cut-short")

    def fail(path: Path, target: Path) -> Path:
        raise OSError("the machine stopped here")

    with monkeypatch.context() as stopped:
        stopped.setattr(Path, "rename", fail)
        delete_once(hub, ada, "cut-short")
    assert ada.http.get(f"/api/models/{repo}").headers["X-Error-Code"] == "RepoNotFound"
    assert ada.files(ada.create("cut-short")) == set()


def test_a_deletion_that_the_database_refuses_changes_nothing(
    hub: RunningHub, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = ada.create("stays")
    ada.commit(repo, file("a.txt", "a"))

    def fail(session: object, repository_id: int) -> None:
        raise OSError("the machine stopped here")

    with monkeypatch.context() as stopped:
        stopped.setattr(index, "remove", fail)
        gone = delete_once(hub, ada, "stays")
    assert gone.status_code == 500
    assert ada.files(repo) == {"a.txt"}


def test_a_repository_that_vanishes_does_not_take_the_list_along(
    hub: RunningHub, ada: Person
) -> None:
    stays, goes = ada.create("stays-listed"), ada.create("goes")
    found = repos.find(hub.hub, Kind.MODEL, *goes.split("/"), None)
    shutil.rmtree(repos.repository_path(hub.hub, found))
    listed = ada.http.get("/api/models", params={"author": ada.name, "full": True})
    assert stays in [item["id"] for item in listed.json()]


def test_deleting_what_is_not_there_is_404(ada: Person) -> None:
    answer = ada.http.request("DELETE", "/api/repos/delete", json={"name": "never-was"})
    assert answer.status_code == 404
    assert answer.headers["X-Error-Code"] == "RepoNotFound"


def test_branches(ada: Person) -> None:
    repo = ada.create("branchy")
    ada.commit(repo, file("a.txt", "a"))
    root = f"/api/models/{repo}"
    assert ada.http.post(f"{root}/branch/feature%2Fx", json={}).status_code == 200
    assert ada.http.post(f"{root}/branch/feature%2Fx", json={}).status_code == 409
    ada.commit(repo, file("b.txt", "b"))
    for address in (f"{root}/tree/feature%2Fx", f"{root}/tree/feature/x"):
        assert "b.txt" not in {e["path"] for e in ada.http.get(address).json()}
    assert ada.read(repo, "a.txt", "feature%2Fx") == b"a"
    names = [ref["name"] for ref in ada.http.get(f"{root}/refs").json()["branches"]]
    assert names == ["feature/x", "main"]
    assert ada.http.delete(f"{root}/branch/feature%2Fx").status_code == 200
    missing = ada.http.get(f"{root}/tree/feature%2Fx")
    assert missing.headers["X-Error-Code"] == "RevisionNotFound"


def test_main_cannot_be_deleted(ada: Person) -> None:
    repo = ada.create("rooted")
    assert ada.http.delete(f"/api/models/{repo}/branch/main").status_code == 400


@pytest.mark.parametrize("name", ["a..b", "a b", "x~1", "ends.lock", "0" * 40])
def test_names_that_branches_and_tags_cannot_have(ada: Person, name: str) -> None:
    repo = ada.create("named")
    assert ada.http.post(f"/api/models/{repo}/branch/{name}", json={}).status_code == 400
    tag = ada.http.post(f"/api/models/{repo}/tag/main", json={"tag": name})
    assert tag.status_code == 400
    assert name in tag.json()["error"]


def test_tags_stay_where_they_are(ada: Person) -> None:
    repo = ada.create("tagged")
    ada.commit(repo, file("v.txt", "one"))
    root = f"/api/models/{repo}"
    body = {"tag": "v1", "message": "The first"}
    assert ada.http.post(f"{root}/tag/main", json=body).status_code == 200
    assert ada.http.post(f"{root}/tag/main", json=body).status_code == 409
    assert ada.http.post(f"{root}/tag/main", json={"tag": "light"}).status_code == 200
    ada.commit(repo, file("v.txt", "two"))
    assert ada.read(repo, "v.txt", "v1") == b"one"
    assert ada.read(repo, "v.txt", "light") == b"one"
    assert ada.http.delete(f"{root}/tag/v1").status_code == 200
    assert ada.http.delete(f"{root}/tag/v1").status_code == 404


@pytest.mark.parametrize("message", ["", "with words"])
def test_a_tag_cannot_lie_below_another(ada: Person, message: str) -> None:
    repo = ada.create("tag-in-tag")
    tag = {"tag": "a", "message": message}
    assert ada.http.post(f"/api/models/{repo}/tag/main", json=tag).status_code == 200
    below = ada.http.post(f"/api/models/{repo}/tag/main", json={**tag, "tag": "a/b"})
    assert below.status_code == 409
    assert "'a/b'" in below.json()["error"]


def test_a_tag_of_a_folder_is_no_revision(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("tagged-folder")
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    opened = repos.open_git(hub.hub, found)
    opened.references.create("refs/tags/folder", opened.revparse_single("main^{tree}").id)
    assert ada.http.get(f"/api/models/{repo}/refs").json()["tags"] == []
    assert ada.http.get(f"/{repo}/tree/main").status_code == 200
    missing = ada.http.get(f"/api/models/{repo}/tree/folder")
    assert missing.headers["X-Error-Code"] == "RevisionNotFound"


def test_history_comes_newest_first_in_pages(ada: Person) -> None:
    repo = ada.create("long")
    for number in range(4):
        ada.commit(repo, file("n.txt", str(number)), summary=f"Number {number}")
    titles, address = [], f"/api/models/{repo}/commits/main?limit=2"
    while address:
        page = ada.http.get(address)
        titles += [commit["title"] for commit in page.json()]
        address = page.links.get("next", {}).get("url", "")
    assert titles == ["Number 3", "Number 2", "Number 1", "Number 0", "initial commit"]


def test_the_last_commit_of_each_file(ada: Person) -> None:
    repo = ada.create("aged")
    ada.commit(repo, file("old.txt", "o"), file("folder/x.txt", "x"), summary="Old")
    ada.commit(repo, file("folder/x.txt", "y"), summary="New")
    entries = ada.http.get(f"/api/models/{repo}/tree/main", params={"expand": True}).json()
    titles = {entry["path"]: entry["lastCommit"]["title"] for entry in entries}
    assert titles == {"old.txt": "Old", "folder": "New", ".gitattributes": "initial commit"}


def test_a_tree_comes_in_pages_and_whole(ada: Person) -> None:
    repo = ada.create("wide")
    wanted = {f"folder/{number:02}.txt" for number in range(7)}
    ada.commit(repo, *(file(path, path) for path in wanted))
    found, address = [], f"/api/models/{repo}/tree/main/folder?limit=3"
    while address:
        page = ada.http.get(address)
        found += [entry["path"] for entry in page.json()]
        address = page.links.get("next", {}).get("url", "")
    assert found == sorted(wanted)


def test_paths_info_leaves_out_what_is_not_there(ada: Person) -> None:
    repo = ada.create("asked")
    data = b"large" * 1000
    ada.commit(repo, file("a/b.txt", "b"), large("w.bin", ada.upload(repo, data), len(data)))
    form = {"paths": ["a/b.txt", "a", "w.bin", "nope"], "expand": "true"}
    found = ada.http.post(f"/api/models/{repo}/paths-info/main", data=form).json()
    assert [(e["path"], e["type"]) for e in found] == [
        ("a/b.txt", "file"),
        ("a", "directory"),
        ("w.bin", "file"),
    ]
    assert found[2]["size"] == found[2]["lfs"]["size"] == len(data)


def test_information_counts_weights_and_sizes(ada: Person, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save

    data = save({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)})
    repo = ada.create("weighed")
    ada.commit(
        repo,
        file("README.md", CARD),
        file("config.json", '{"architectures": ["BertModel"], "model_type": "bert"}'),
        large("model.safetensors", ada.upload(repo, data), len(data)),
    )
    info = ada.http.get(f"/api/models/{repo}", params={"blobs": True}).json()
    assert info["safetensors"] == {"parameters": {"F32": 12, "F16": 5}, "total": 17}
    assert info["library_name"] == "transformers"
    assert info["pipeline_tag"] == "text-classification"
    assert info["cardData"] == {
        "pipeline_tag": "text-classification",
        "language": "en",
        "license": "mit",
    }
    sizes = {sibling["rfilename"]: sibling["size"] for sibling in info["siblings"]}
    assert sizes["model.safetensors"] == len(data)
    assert info["usedStorage"] == sum(sizes.values())


def test_a_broken_safetensors_file_is_kept_but_not_counted(ada: Person) -> None:
    repo = ada.create("broken-weights")
    for data in (b"abc", b"\xff" * 64, (20).to_bytes(8, "little") + b'{"a": {"dtype": 1}} '):
        sha256 = ada.upload(repo, data)
        assert ada.commit(repo, large("model.safetensors", sha256, len(data))).status_code == 200
        assert "safetensors" not in ada.http.get(f"/api/models/{repo}").json()


def test_an_earlier_revision_is_still_there(ada: Person) -> None:
    repo = ada.create("remembered")
    ada.commit(repo, file("a.txt", "a"))
    before = ada.head(repo)
    ada.commit(repo, deleted("a.txt"))
    info = ada.http.get(f"/api/models/{repo}/revision/{before}").json()
    assert info["sha"] == before
    assert "a.txt" in {sibling["rfilename"] for sibling in info["siblings"]}
    assert ada.read(repo, "a.txt", before) == b"a"
