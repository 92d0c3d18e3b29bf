"""Repositories under other names, of other owners, and twice."""

import subprocess
from pathlib import Path

import httpx
import pytest
from person import CARD, Person, file, large

from graft.server.running import RunningHub


def move(person: Person, old: str, new: str, kind: str = "model") -> httpx.Response:
    body = {"fromRepo": old, "toRepo": new, "type": kind}
    return person.http.post("/api/repos/move", json=body)


def organization(person: Person, name: str) -> str:
    """A new organization that the person looks after."""
    made = person.http.post("/api/organizations/create", json={"name": name})
    assert made.status_code == 200, made.text
    return name


@pytest.fixture
def follower(hub: RunningHub, ada: Person) -> Person:
    """Ada with a client that goes where it is led, as stock clients do."""
    headers = dict(ada.http.headers)
    client = httpx.Client(base_url=hub.url, headers=headers, follow_redirects=True, timeout=30)
    return Person(ada.name, ada.token, client)


def test_an_old_name_leads_to_the_new_one(ada: Person, follower: Person) -> None:
    repo = ada.create("old-name")
    ada.commit(repo, file("README.md", CARD))
    assert move(ada, repo, f"{ada.name}/new-name").status_code == 200
    assert follower.http.get(f"/api/models/{repo}").json()["id"] == f"{ada.name}/new-name"
    assert follower.read(repo, "README.md") == CARD.encode()
    assert follower.commit(repo, file("more.txt", "x")).status_code == 200
    assert ada.files(f"{ada.name}/new-name") == {"README.md", "more.txt"}
    led = ada.http.get(f"/{repo}/resolve/main/a%20b.txt", params={"download": "true"})
    assert led.status_code == 307
    assert led.headers["Location"] == f"/{ada.name}/new-name/resolve/main/a%20b.txt?download=true"


def test_only_the_name_is_replaced_in_an_address(ada: Person) -> None:
    repo = ada.create("twice-named")
    move(ada, repo, f"{ada.name}/once")
    led = ada.http.get(f"/{repo}/resolve/main/{repo}/x.txt")
    assert led.headers["Location"] == f"/{ada.name}/once/resolve/main/{repo}/x.txt"
    led = ada.http.get(f"/{repo}.git/info/refs", params={"service": "git-upload-pack"})
    assert led.headers["Location"].startswith(f"/{ada.name}/once.git/info/refs?")


def test_names_lead_on_over_several_moves_and_back(ada: Person) -> None:
    one = ada.create("one-name")
    two, three = f"{ada.name}/two-name", f"{ada.name}/three-name"
    for old, new in ((one, two), (two, three)):
        assert move(ada, old, new).status_code == 200
    for old in (one, two):
        assert ada.http.get(f"/api/models/{old}").headers["Location"] == f"/api/models/{three}"
    assert move(ada, three, one).status_code == 200
    assert ada.http.get(f"/api/models/{one}").json()["id"] == one
    assert ada.http.get(f"/api/models/{two}").headers["Location"] == f"/api/models/{one}"


def test_a_new_repository_may_take_an_old_name(ada: Person) -> None:
    repo = ada.create("taken-again")
    move(ada, repo, f"{ada.name}/away")
    assert ada.create("taken-again") == repo
    assert ada.http.get(f"/api/models/{repo}").json()["id"] == repo
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "taken-again"})
    assert ada.http.get(f"/api/models/{repo}").status_code == 404


def test_an_old_name_tells_nobody_of_a_private_repository(
    ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("was-here", private=True)
    move(ada, repo, f"{ada.name}/hidden-now")
    for somebody in (bob.http, anyone):
        hidden = somebody.get(f"/api/models/{repo}")
        missing = somebody.get(f"/api/models/{ada.name}/never-was")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.text.replace("was-here", "never-was") == missing.text
    assert ada.http.get(f"/api/models/{repo}").status_code == 307


def test_an_old_name_in_a_body_is_a_missing_repository(ada: Person) -> None:
    repo = ada.create("bodied")
    move(ada, repo, f"{ada.name}/disembodied")
    gone = ada.http.request("DELETE", "/api/repos/delete", json={"name": repo})
    assert gone.status_code == 404
    assert gone.headers["X-Error-Code"] == "RepoNotFound"
    assert "is called" in gone.text


def test_moving_to_an_organization_and_back(ada: Person, bob: Person) -> None:
    repo = ada.create("travels")
    ada.commit(repo, file("a.txt", "a"))
    team = organization(ada, f"team-{ada.name}")
    assert move(ada, repo, f"{team}/travels").status_code == 200
    info = ada.http.get(f"/api/models/{team}/travels").json()
    assert info["author"] == team
    assert ada.http.get("/api/models", params={"author": ada.name}).json() == []
    assert move(bob, f"{team}/travels", f"{bob.name}/mine").status_code == 403
    assert move(ada, f"{team}/travels", f"{bob.name}/gift").status_code == 403
    assert move(ada, f"{team}/travels", repo).status_code == 200
    assert ada.files(repo) == {"a.txt"}


@pytest.mark.parametrize("name", ["a b", "x.git", "..", "a--b", ""])
def test_names_that_nothing_can_be_moved_to(ada: Person, name: str) -> None:
    repo = ada.create("stays-put")
    assert move(ada, repo, f"{ada.name}/{name}").status_code == 400
    assert ada.http.get(f"/api/models/{repo}").status_code == 200


def test_moving_onto_another_changes_nothing(ada: Person) -> None:
    one, two = ada.create("first-one"), ada.create("second-one")
    assert move(ada, one, two).status_code == 409
    assert ada.http.get(f"/api/models/{one}").json()["id"] == one


def test_only_the_case_of_a_name_changes(ada: Person) -> None:
    repo = ada.create("lower")
    assert move(ada, repo, f"{ada.name}/Lower").status_code == 200
    assert ada.http.get(f"/api/models/{repo}").json()["id"] == f"{ada.name}/Lower"


def test_a_duplicate_has_files_history_branches_and_tags(ada: Person, bob: Person) -> None:
    data = b"weights " * 1000
    repo = ada.create("original")
    ada.commit(repo, file("README.md", CARD), large("w.bin", ada.upload(repo, data), len(data)))
    ada.http.post(f"/api/models/{repo}/branch/side", json={})
    ada.http.post(f"/api/models/{repo}/tag/main", json={"tag": "v1", "message": "First"})
    ada.http.post(
        f"/api/models/{repo}/commit/main?create_pr=1",
        content='{"key": "header", "value": {"summary": "s"}}\n',
    )
    made = bob.http.post(f"/api/models/{repo}/duplicate", json={"repository": f"{bob.name}/copy"})
    assert made.status_code == 200, made.text
    assert made.json()["url"].endswith(f"/{bob.name}/copy")
    copy = f"{bob.name}/copy"
    assert bob.head(copy) == ada.head(repo)
    assert bob.read(copy, "w.bin", "v1") == data
    refs = bob.http.get(f"/api/models/{copy}/refs?include_prs=1").json()
    assert [ref["name"] for ref in refs["branches"]] == ["main", "side"]
    assert [ref["name"] for ref in refs["tags"]] == ["v1"]
    assert refs["pullRequests"] == []
    assert bob.http.get(f"/api/models/{copy}").json()["pipeline_tag"] == "text-classification"
    assert bob.commit(copy, file("own.txt", "x")).status_code == 200
    assert ada.files(repo) == {"README.md", "w.bin"}
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "original"})
    assert bob.read(copy, "w.bin") == data


def test_a_duplicate_is_as_private_as_is_asked(ada: Person, bob: Person) -> None:
    repo = ada.create("secret-source", private=True)
    address = f"/api/models/{repo}/duplicate"
    assert bob.http.post(address, json={"repository": f"{bob.name}/x"}).status_code == 404
    ada.http.post(address, json={"repository": "kept"})
    ada.http.post(address, json={"repository": "shown", "visibility": "public"})
    assert ada.http.get(f"/api/models/{ada.name}/kept").json()["private"] is True
    assert ada.http.get(f"/api/models/{ada.name}/shown").json()["private"] is False
    again = ada.http.post(address, json={"repository": "kept"})
    assert again.status_code == 409
    assert again.json()["url"].endswith(f"/{ada.name}/kept")
    assert ada.http.post(address, json={"repository": f"{bob.name}/x"}).status_code == 403


def test_git_follows_an_old_name(hub: RunningHub, ada: Person, tmp_path: Path) -> None:
    repo = ada.create("cloned-late")
    ada.commit(repo, file("a.txt", "a"))
    move(ada, repo, f"{ada.name}/moved-early")
    address = f"http://{ada.name}:{ada.token}@127.0.0.1:{hub.port}/{repo}"
    subprocess.run(["git", "clone", "-q", address, "c"], cwd=tmp_path, check=True)
    (tmp_path / "c" / "b.txt").write_text("b")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for step in (["add", "b.txt"], [*who, "commit", "-qm", "b"], ["push", "-q"]):
        subprocess.run(["git", *step], cwd=tmp_path / "c", check=True)
    assert ada.files(f"{ada.name}/moved-early") == {"a.txt", "b.txt"}
