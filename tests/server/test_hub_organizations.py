"""Organizations: who belongs to them, and what each member may do with what they own."""

from collections.abc import Callable

import httpx
import pytest
from huggingface_hub import HfApi
from person import Person, file

from graft.server.errors import ConflictError
from graft.server.people import accounts, organizations
from graft.server.running import RunningHub

ROLES = ("read", "contribute", "write", "admin")


def found(person: Person, name: str) -> None:
    made = person.http.post("/api/organizations/create", json={"name": name, "fullname": "A Lab"})
    assert made.status_code == 200, made.text


def put(admin: Person, name: str, person: Person, role: str) -> httpx.Response:
    address = f"/api/organizations/{name}/members/{person.name}"
    return admin.http.put(address, json={"role": role})


def create(person: Person, owner: str, name: str, **given: object) -> httpx.Response:
    body = {"name": name, "organization": owner, **given}
    return person.http.post("/api/repos/create", json=body)


@pytest.fixture
def lab(ada: Person) -> str:
    """An organization whose admin is Ada."""
    name = f"lab-{ada.name}"
    found(ada, name)
    return name


def test_whoami_names_the_organizations_and_the_role_in_each(
    hub: RunningHub, ada: Person, bob: Person, lab: str
) -> None:
    put(ada, lab, bob, "contribute")
    for person, role in ((ada, "admin"), (bob, "contribute")):
        (org,) = HfApi(endpoint=hub.url, token=person.token).whoami()["orgs"]
        assert (org["name"], org["fullname"], org["roleInOrg"]) == (lab, "A Lab", role)
        assert org["type"] == "org"


def test_a_name_is_one_accounts_or_one_organizations(ada: Person, bob: Person, lab: str) -> None:
    for name in (lab, lab.upper(), bob.name):
        refused = ada.http.post("/api/organizations/create", json={"name": name})
        assert refused.status_code == 409
    assert ada.http.post("/api/organizations/create", json={"name": "api"}).status_code == 400


@pytest.mark.parametrize(
    ("role", "sees", "creates", "writes_others", "writes_own"),
    [
        (None, False, False, False, False),
        ("read", True, False, False, False),
        ("contribute", True, True, False, True),
        ("write", True, True, True, True),
        ("admin", True, True, True, True),
    ],
)
def test_what_each_role_may(
    ada: Person,
    bob: Person,
    lab: str,
    role: str | None,
    sees: bool,
    creates: bool,
    writes_others: bool,
    writes_own: bool,
) -> None:
    if role:
        assert put(ada, lab, bob, role).status_code == 200
    assert create(ada, lab, "hers", private=True).status_code == 200
    hers = f"/api/models/{lab}/hers"
    assert bob.http.get(hers).status_code == (200 if sees else 404)
    listed = [m["id"] for m in bob.http.get("/api/models", params={"author": lab}).json()]
    assert listed == ([f"{lab}/hers"] if sees else [])
    assert create(bob, lab, "his").status_code == (200 if creates else 403)
    refused = 403 if sees else 404
    wrote = bob.commit(f"{lab}/hers", file("a.txt", "a")).status_code
    assert wrote == (200 if writes_others else refused)
    if creates:
        wrote = bob.commit(f"{lab}/his", file("a.txt", "a")).status_code
        assert wrote == (200 if writes_own else 403)
        assert bob.http.put(f"/api/models/{lab}/his/settings", json={"private": True}).is_success
    settings = bob.http.put(hers + "/settings", json={"private": True}).status_code
    assert settings == (200 if writes_others else refused)
    profile = bob.http.put(f"/api/organizations/{lab}/settings", json={"details": "Ours"})
    assert profile.status_code == (200 if role == "admin" else 403)
    assert put(bob, lab, bob, "admin").status_code == (200 if role == "admin" else 403)


def test_who_leaves_sees_nothing_any_more(ada: Person, bob: Person, lab: str) -> None:
    put(ada, lab, bob, "write")
    create(bob, lab, "ours", private=True)
    left = bob.http.delete(f"/api/organizations/{lab}/members/{bob.name}")
    assert left.status_code == 200
    assert bob.http.get(f"/api/models/{lab}/ours").status_code == 404
    assert bob.commit(f"{lab}/ours", file("a.txt", "a")).status_code == 404
    assert ada.http.get(f"/api/models/{lab}/ours").status_code == 200


def test_the_last_admin_can_neither_leave_nor_step_down(ada: Person, bob: Person, lab: str) -> None:
    address = f"/api/organizations/{lab}/members/{ada.name}"
    assert ada.http.delete(address).status_code == 409
    assert put(ada, lab, ada, "write").status_code == 409
    put(ada, lab, bob, "admin")
    assert ada.http.delete(address).status_code == 200
    assert bob.http.delete(f"/api/organizations/{lab}/members/{bob.name}").status_code == 409


def test_only_admins_remove_others(
    ada: Person, bob: Person, lab: str, new_person: Callable[[], Person]
) -> None:
    carol = new_person()
    put(ada, lab, bob, "write")
    put(ada, lab, carol, "read")
    address = f"/api/organizations/{lab}/members/{carol.name}"
    assert bob.http.delete(address).status_code == 403
    assert ada.http.delete(address).status_code == 200
    assert ada.http.delete(address).status_code == 404


def test_a_role_that_there_is_not(ada: Person, bob: Person, lab: str) -> None:
    assert put(ada, lab, bob, "owner").status_code == 400
    missing = ada.http.put(f"/api/organizations/{lab}/members/nobody-here", json={"role": "read"})
    assert missing.status_code == 404
    nested = ada.http.put(f"/api/organizations/{lab}/members/{lab}", json={"role": "read"})
    assert nested.status_code == 404


def test_an_organization_goes_when_it_owns_nothing(ada: Person, bob: Person, lab: str) -> None:
    create(ada, lab, "last")
    address = f"/api/organizations/{lab}"
    assert bob.http.delete(address).status_code == 403
    refused = ada.http.delete(address)
    assert refused.status_code == 409
    assert "1 repositories" in refused.json()["error"]
    body = {"name": "last", "organization": lab}
    assert ada.http.request("DELETE", "/api/repos/delete", json=body).status_code == 200
    assert ada.http.delete(address).status_code == 200
    assert ada.http.get(f"/api/organizations/{lab}/overview").status_code == 404


def test_nobody_logs_in_to_an_organization(hub: RunningHub, lab: str, anyone: httpx.Client) -> None:
    account = organizations.find(hub.hub, lab)
    with pytest.raises(Exception, match="organization"):
        accounts.create_token(hub.hub, account, name="a token")
    with pytest.raises(Exception, match="organization"):
        accounts.set_password(hub.hub, account, "long enough")
    form = {"name": lab, "password": ""}
    assert anyone.post("/login", data=form).status_code == 401


def test_two_admins_cannot_both_leave(hub: RunningHub, ada: Person, bob: Person, lab: str) -> None:
    put(ada, lab, bob, "admin")
    organization = organizations.find(hub.hub, lab)
    organizations.drop_member(hub.hub, organization, accounts.find_account(hub.hub, ada.name))
    with pytest.raises(ConflictError, match="without an admin"):
        organizations.drop_member(hub.hub, organization, accounts.find_account(hub.hub, bob.name))


def test_the_stock_client_reads_the_overviews(
    hub: RunningHub, ada: Person, bob: Person, lab: str
) -> None:
    put(ada, lab, bob, "read")
    create(ada, lab, "seen")
    create(ada, lab, "hidden", private=True)
    api, stranger = HfApi(endpoint=hub.url, token=bob.token), HfApi(endpoint=hub.url, token=False)
    overview = api.get_organization_overview(lab)
    assert (overview.fullname, overview.num_users, overview.num_models) == ("A Lab", 2, 2)
    assert stranger.get_organization_overview(lab).num_models == 1
    assert {m.username for m in stranger.list_organization_members(lab)} == {ada.name, bob.name}
    assert list(stranger.list_organization_followers(lab)) == []
    person = stranger.get_user_overview(ada.name)
    assert (person.username, person.user_type, person.num_models) == (ada.name, "user", 0)
    assert [org.name for org in person.orgs] == [lab]
    assert list(stranger.list_user_followers(ada.name)) == []
    assert list(stranger.list_user_following(ada.name)) == []
    picture = httpx.get(person.avatar_url)
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert picture.content == httpx.get(person.avatar_url).content != b""


def test_a_long_list_of_members_comes_in_pages(
    ada: Person, lab: str, new_person: Callable[[], Person]
) -> None:
    names = {ada.name} | {new_person().name for _ in range(4)}
    for name in names - {ada.name}:
        ada.http.put(f"/api/organizations/{lab}/members/{name}", json={"role": "read"})
    address, seen = f"/api/organizations/{lab}/members?limit=2", []
    while address:
        page = ada.http.get(address)
        assert len(page.json()) <= 2
        seen += [item["user"] for item in page.json()]
        address = page.links.get("next", {}).get("url", "")
    assert sorted(seen) == sorted(names)
