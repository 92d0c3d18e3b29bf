"""Fine-grained tokens, and the pages where people make tokens and organizations."""

import httpx
import pytest
from huggingface_hub import HfApi
from person import Person, file

from graft.server.errors import BadRequestError, RefusedError
from graft.server.people import accounts, organizations, tokens
from graft.server.running import RunningHub


def fine(hub: RunningHub, person: Person, *allowed: str) -> Person:
    """The person with a token that may do only this."""
    account = accounts.find_account(hub.hub, person.name)
    scopes = tokens.parse_for(hub.hub, account, allowed)
    name = f"fine {len(accounts.list_tokens(hub.hub, account))}"
    _, token = accounts.create_token(
        hub.hub, account, name=name, role="fine-grained", scopes=scopes
    )
    headers = {"Authorization": f"Bearer {token}"}
    return Person(person.name, token, httpx.Client(base_url=hub.url, headers=headers, timeout=30))


def test_whoami_tells_what_a_fine_grained_token_may(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("named")
    token = fine(
        hub, ada, f"{repo}: repo.write", f"{ada.name}: repo.content.read", "*: gated"
    ).token
    found = HfApi(endpoint=hub.url, token=token).whoami()["auth"]["accessToken"]
    assert found["role"] == "fineGrained"
    told = found["fineGrained"]
    assert told["canReadGatedRepos"] is True
    assert [
        (s["entity"]["type"], s["entity"]["name"], s["permissions"]) for s in told["scoped"]
    ] == [
        ("model", repo, ["repo.write"]),
        ("user", ada.name, ["repo.content.read"]),
    ]


def test_a_token_for_one_repository_writes_there_and_nowhere_else(
    hub: RunningHub, ada: Person
) -> None:
    here, there = ada.create("here", private=True), ada.create("there", private=True)
    only = fine(hub, ada, f"{here}: repo.write")
    assert only.commit(here, file("a.txt", "a")).status_code == 200
    assert only.read(here, "a.txt") == b"a"
    assert only.http.get(f"/api/models/{there}").status_code == 404
    assert only.commit(there, file("a.txt", "a")).status_code == 404
    assert only.http.post("/api/repos/create", json={"name": "new"}).status_code == 403
    listed = only.http.get("/api/models", params={"author": ada.name}).json()
    assert [model["id"] for model in listed] == [here]
    public = ada.create("public")
    assert only.http.get(f"/api/models/{public}").status_code == 200
    refused = only.commit(public, file("a.txt", "a"))
    assert refused.status_code == 403
    assert "lacks the permission repo.write" in refused.json()["error"]


def test_a_token_for_an_owner_covers_what_comes_later(hub: RunningHub, ada: Person) -> None:
    whole = fine(hub, ada, f"{ada.name}: repo.write")
    made = whole.http.post("/api/repos/create", json={"name": "later", "private": True})
    assert made.status_code == 200, made.text
    assert whole.commit(f"{ada.name}/later", file("a.txt", "a")).status_code == 200
    talk = {"title": "A title", "description": "Words"}
    address = f"/api/models/{ada.name}/later/discussions"
    assert whole.http.post(address, json=talk).status_code == 403
    talker = fine(hub, ada, f"{ada.name}: repo.content.read, discussion.write")
    assert talker.http.post(address, json=talk).status_code == 200
    assert talker.commit(f"{ada.name}/later", file("b.txt", "b")).status_code == 403


def test_a_renamed_repository_stays_the_tokens_and_a_deleted_one_is_left_out(
    hub: RunningHub, ada: Person
) -> None:
    repo = ada.create("before")
    only = fine(hub, ada, f"{repo}: repo.write")
    moved = {"fromRepo": repo, "toRepo": f"{ada.name}/after", "type": "model"}
    assert ada.http.post("/api/repos/move", json=moved).status_code == 200
    assert only.commit(f"{ada.name}/after", file("a.txt", "a")).status_code == 200
    account = accounts.find_account(hub.hub, ada.name)
    (token,) = [t for t in accounts.list_tokens(hub.hub, account) if t.scopes]
    assert token.scopes is not None
    assert tokens.describe(hub.hub, token.scopes) == [f"{ada.name}/after: repo.write"]
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "after"})
    assert tokens.describe(hub.hub, token.scopes) == []


def test_a_token_may_no_more_than_its_account_also_later(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    account = accounts.find_account(hub.hub, ada.name)
    lab = organizations.create(hub.hub, f"t-{ada.name}", founder=account)
    member = accounts.find_account(hub.hub, bob.name)
    organizations.put_member(hub.hub, lab, member, "write")
    body = {"name": "shared", "organization": lab.name, "private": True}
    assert ada.http.post("/api/repos/create", json=body).status_code == 200
    repo = f"{lab.name}/shared"
    tokens_of_bob = [fine(hub, bob, f"{place}: repo.write") for place in (repo, lab.name)]
    for token in tokens_of_bob:
        assert token.http.get(f"/api/models/{repo}/auth-check/write").status_code == 200
    organizations.put_member(hub.hub, lab, member, "read")
    for token in tokens_of_bob:
        assert token.http.get(f"/api/models/{repo}").status_code == 200
        assert token.http.get(f"/api/models/{repo}/auth-check/write").status_code == 403
    organizations.drop_member(hub.hub, lab, member)
    for token in tokens_of_bob:
        assert token.http.get(f"/api/models/{repo}").status_code == 404
        listed = token.http.get("/api/models", params={"author": lab.name})
        assert listed.json() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no permissions", "cannot be read"),
        ("*:", "cannot be read"),
        ("*: repo.write", "cannot be given everywhere"),
        ("*: fly", "There is no permission 'fly'"),
        ("nobody-here: repo.write", "no account"),
        ("a/b/c: repo.write", "no model"),
    ],
)
def test_scopes_that_make_no_sense(hub: RunningHub, ada: Person, line: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        fine(hub, ada, line)


def test_a_role_and_its_scopes_belong_together(hub: RunningHub, ada: Person) -> None:
    account = accounts.find_account(hub.hub, ada.name)
    with pytest.raises(BadRequestError, match="needs scopes"):
        accounts.create_token(hub.hub, account, name="none", role="fine-grained")
    with pytest.raises(BadRequestError, match="'read', 'write' or"):
        accounts.create_token(hub.hub, account, name="all", role="admin")  # type: ignore[arg-type]


def test_the_page_makes_a_fine_grained_token(
    hub: RunningHub, ada: Person, browser: httpx.Client
) -> None:
    repo = ada.create("by-page")
    form = {"name": "fine", "role": "fine-grained", "days": "30", "allow": f"{repo}: repo.write\n"}
    made = browser.post("/settings/tokens", data=form)
    assert made.status_code == 200
    token = made.text.partition("<pre>")[2].partition("</pre>")[0]
    assert f"{repo}: repo.write" in made.text
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{hub.url}/api/models/{repo}/auth-check/write", headers=headers).is_success
    wrong = browser.post("/settings/tokens", data=form | {"name": "x", "allow": "nonsense"})
    assert wrong.status_code == 400
    assert "nonsense</textarea>" in wrong.text


def test_the_pages_of_an_organization(
    hub: RunningHub, ada: Person, bob: Person, browser: httpx.Client
) -> None:
    name = f"p-{ada.name}"
    assert browser.post("/settings/organizations", data={"name": "api"}).status_code == 400
    made = browser.post("/settings/organizations", data={"name": name, "full_name": "The Lab"})
    assert made.headers["Location"] == f"/organizations/{name}"
    assert name in browser.get("/settings/organizations").text
    page = f"/organizations/{name}"
    added = browser.post(f"{page}/members", data={"name": bob.name, "role": "contribute"})
    assert added.status_code == 303
    assert browser.post(f"{page}/members", data={"name": "nobody-here"}).status_code == 404
    shown = httpx.get(hub.url + page).text
    assert bob.name in shown
    assert "contribute" not in shown, "roles are for members to see"
    assert f">{name}</option>" in browser.get("/new").text
    created = browser.post("/new", data={"name": "ours", "owner": name, "visibility": "private"})
    assert created.headers["Location"] == f"/{name}/ours"
    assert bob.http.get(f"/api/models/{name}/ours").status_code == 200
    last = browser.post(f"{page}/members/{ada.name}/remove")
    assert last.status_code == 409
    assert "without an admin" in last.text
    assert browser.post(f"{page}/delete").status_code == 409
    removed = browser.post(f"{page}/members/{bob.name}/remove")
    assert removed.status_code == 303
    assert bob.http.get(f"/api/models/{name}/ours").status_code == 404
    changed = browser.post(page, data={"full_name": "The Other Lab", "details": "Ours"})
    assert changed.status_code == 303
    assert "The Other Lab" in browser.get(f"/{name}").text
