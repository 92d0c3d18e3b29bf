"""What changed: between revisions, in a commit, line by line; squashed histories, protected
branches, refs of every kind."""

import pytest
from person import Person, file, large


@pytest.fixture
def repo(ada: Person) -> str:
    """A repository with three commits, the last on a branch of its own."""
    made = ada.create("changing")
    ada.commit(made, file("a.txt", "one\ntwo\nthree\n"), summary="First")
    ada.http.post(f"/api/models/{made}/branch/side", json={})
    ada.commit(made, file("a.txt", "one\nTWO\nthree\n"), file("b.txt", "b\n"), summary="Second")
    return made


def test_what_two_revisions_differ_in(ada: Person, repo: str) -> None:
    found = ada.http.get(f"/api/models/{repo}/compare/side..main").json()
    assert [commit["title"] for commit in found["commits"]] == ["Second"]
    files = {change["path"]: change for change in found["files"]}
    assert (files["a.txt"]["status"], files["a.txt"]["added"], files["a.txt"]["removed"]) == (
        "modified",
        1,
        1,
    )
    assert files["b.txt"]["status"] == "added"
    raw = ada.http.get(f"/api/models/{repo}/compare/side...main", params={"raw": True})
    assert "-two\n+TWO\n" in raw.text
    parted = ada.http.get(f"/api/models/{repo}/compare/main...side").json()
    assert parted["files"] == []


@pytest.mark.parametrize("revisions", ["main", "main..", "..main", "...", "main....side"])
def test_what_names_no_two_revisions(ada: Person, repo: str, revisions: str) -> None:
    answer = ada.http.get(f"/api/models/{repo}/compare/{revisions}")
    assert answer.status_code in (400, 404)


def test_one_commit(ada: Person, repo: str) -> None:
    head = ada.head(repo)
    found = ada.http.get(f"/api/models/{repo}/commit/{head}").json()
    assert found["title"] == "Second"
    assert len(found["parents"]) == 1
    assert [change["path"] for change in found["files"]] == ["a.txt", "b.txt"]
    text = ada.http.get(f"/api/models/{repo}/commit/{head}.diff").text
    assert text.startswith("diff --git a/a.txt b/a.txt\n")


def test_who_wrote_each_line(ada: Person, repo: str) -> None:
    found = ada.http.get(f"/api/models/{repo}/blame/main/a.txt").json()
    said = [(part["start"], part["lines"], part["commit"]["title"]) for part in found["parts"]]
    assert said == [
        (1, ["one"], "First"),
        (2, ["TWO"], "Second"),
        (3, ["three"], "First"),
    ]
    ada.commit(repo, file("empty.txt", ""), file("bytes.txt", b"a\0b"))
    assert ada.http.get(f"/api/models/{repo}/blame/main/empty.txt").json()["parts"] == []
    assert ada.http.get(f"/api/models/{repo}/blame/main/bytes.txt").status_code == 400
    missing = ada.http.get(f"/api/models/{repo}/blame/main/nope.txt")
    assert missing.headers["X-Error-Code"] == "EntryNotFound"


def test_a_squashed_history_has_one_commit_and_the_same_files(ada: Person, repo: str) -> None:
    old = ada.head(repo)
    made = ada.http.post(f"/api/models/{repo}/super-squash/main", json={"message": "All"})
    assert made.json()["commitOid"] == ada.head(repo) != old
    commits = ada.http.get(f"/api/models/{repo}/commits/main").json()
    assert [commit["title"] for commit in commits] == ["All"]
    assert ada.files(repo) == {"a.txt", "b.txt"}
    side = ada.http.get(f"/api/models/{repo}/commits/side").json()
    assert [commit["title"] for commit in side] == ["First", "initial commit"]
    missing = ada.http.post(f"/api/models/{repo}/super-squash/nowhere", json={})
    assert missing.headers["X-Error-Code"] == "RevisionNotFound"


def test_protected_branches_are_neither_deleted_nor_squashed(ada: Person, repo: str) -> None:
    settings = f"/api/models/{repo}/settings"
    assert ada.http.put(settings, json={"protectedBranches": ["si*"]}).json()[
        "protectedBranches"
    ] == ["si*"]
    assert ada.http.delete(f"/api/models/{repo}/branch/side").status_code == 403
    assert ada.http.post(f"/api/models/{repo}/super-squash/side", json={}).status_code == 403
    assert ada.http.put(settings, json={"protectedBranches": ["a..b"]}).status_code == 400
    ada.http.put(settings, json={"protectedBranches": []})
    assert ada.http.delete(f"/api/models/{repo}/branch/side").status_code == 200


@pytest.mark.parametrize("name", ["refs%2Fpr%2F5", "refs%2Fheads%2Fx", "HEAD"])
def test_branches_cannot_be_called_like_other_refs(ada: Person, repo: str, name: str) -> None:
    refused = ada.http.post(f"/api/models/{repo}/branch/{name}", json={})
    assert refused.status_code == 400
    assert "Invalid reference for a branch" in refused.json()["error"]


def test_a_large_file_is_copied_without_its_size(ada: Person, repo: str) -> None:
    data = b"weights " * 500
    sha256 = ada.upload(repo, data)
    ada.commit(repo, large("w.bin", sha256, len(data)))
    copy = large("copy.bin", sha256, len(data))
    del copy["value"]["size"]
    assert ada.commit(repo, copy).status_code == 200
    assert ada.read(repo, "copy.bin") == data


def test_two_thousand_files_in_one_commit(ada: Person) -> None:
    made = ada.create("many-files")
    wanted = {f"folder-{n % 20}/{n}.txt": f"{n}\n" for n in range(2000)}
    assert ada.commit(made, *(file(p, t) for p, t in wanted.items())).status_code == 200
    assert ada.read(made, "folder-7/1987.txt") == b"1987\n"
    found, address = 0, f"/api/models/{made}/tree/main?recursive=true"
    while address:
        page = ada.http.get(address)
        found += sum(entry["type"] == "file" for entry in page.json())
        address = page.links.get("next", {}).get("url", "")
    assert found == 2001
