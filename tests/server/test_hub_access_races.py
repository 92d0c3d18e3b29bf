"""What two people or programs do at the same moment."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from person import Person, file

from graft.server.errors import ConflictError, RefusedError
from graft.server.git.packets import Command, PushRequest
from graft.server.people import accounts, device, gating, identity, organizations
from graft.server.people.device import Issued
from graft.server.records import Kind, User
from graft.server.repositories import commits, pushes, repos
from graft.server.running import RunningHub

THREADS = 6


def at_once(act: Callable[[int], Any]) -> list[Any]:
    """Calls `act` in several threads at the same moment; answers what each got, or its error."""
    barrier = Barrier(THREADS)

    def one(number: int) -> Any:
        barrier.wait()
        try:
            return act(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(THREADS)))


def user_of(hub: RunningHub, person: Person) -> User:
    account = accounts.find_account(hub.hub, person.name)
    with hub.hub.database.reading() as session:
        user = identity.again(session, account.id, None)
    assert user is not None
    return user


def test_a_code_is_redeemed_once(hub: RunningHub, ada: Person) -> None:
    codes = device.begin(hub.hub, agent="a program", address="")
    account = accounts.find_account(hub.hub, ada.name)
    device.answer(hub.hub, codes.user_code, account, role="write")
    found = at_once(lambda _: device.redeem(hub.hub, codes.device_code))
    assert len([each for each in found if isinstance(each, Issued)]) == 1, found
    assert len(device.logins(hub.hub, account)) == 1


def test_whoever_refreshes_at_the_same_moment_gets_a_token(hub: RunningHub, ada: Person) -> None:
    codes = device.begin(hub.hub, agent="a program", address="")
    account = accounts.find_account(hub.hub, ada.name)
    device.answer(hub.hub, codes.user_code, account, role="write")
    first = device.redeem(hub.hub, codes.device_code)
    assert isinstance(first, Issued)
    found = at_once(lambda _: device.refresh(hub.hub, first.refresh_token))
    assert all(isinstance(each, Issued) for each in found), found
    assert len({each.refresh_token for each in found}) == THREADS
    assert len(device.logins(hub.hub, account)) == 1


def test_of_two_admins_who_leave_one_stays(
    hub: RunningHub, new_person: Callable[[], Person]
) -> None:
    admins = [accounts.find_account(hub.hub, new_person().name) for _ in range(THREADS)]
    lab = organizations.create(hub.hub, f"race-{admins[0].name}", founder=admins[0])
    for account in admins[1:]:
        organizations.put_member(hub.hub, lab, account, "admin")
    found = at_once(lambda n: organizations.drop_member(hub.hub, lab, admins[n]))
    assert [type(each) for each in found if each is not None] == [ConflictError], found
    assert len(organizations.members(hub.hub, lab)) == 1


def test_a_name_is_given_once(hub: RunningHub, ada: Person) -> None:
    founder = accounts.find_account(hub.hub, ada.name)
    name = f"one-{ada.name}"

    def make(number: int) -> str:
        if number % 2:
            return accounts.create_account(hub.hub, name).name
        return organizations.create(hub.hub, name, founder=founder).name

    found = at_once(make)
    assert len([each for each in found if each == name]) == 1, found
    assert len([each for each in found if isinstance(each, ConflictError)]) == THREADS - 1


def test_who_asks_twice_asked_once(hub: RunningHub, ada: Person, bob: Person) -> None:
    repo = ada.create("gated")
    ada.http.put(f"/api/models/{repo}/settings", json={"gated": "manual"})
    asker, owner = user_of(hub, bob), user_of(hub, ada)
    repository = repos.find(hub.hub, Kind.MODEL, ada.name, "gated", owner)
    found = at_once(lambda _: gating.ask(hub.hub, repository, asker))
    assert found == ["pending"] * THREADS
    assert len(gating.requests(hub.hub, repository, "pending", owner, limit=10)) == 1


@pytest.mark.parametrize("role", ["write", "admin"])
def test_a_member_is_added_once(hub: RunningHub, ada: Person, bob: Person, role: str) -> None:
    founder = accounts.find_account(hub.hub, ada.name)
    lab = organizations.create(hub.hub, f"add-{role}-{ada.name}", founder=founder)
    member = accounts.find_account(hub.hub, bob.name)
    found = at_once(lambda _: organizations.put_member(hub.hub, lab, member, role).role)
    assert found == [role] * THREADS
    assert len(organizations.members(hub.hub, lab)) == 2


@pytest.mark.parametrize("gone", ["token", "membership", "repository", "owner"])
def test_a_long_body_outlives_no_rights(
    hub: RunningHub, ada: Person, bob: Person, gone: str
) -> None:
    """Who sends slowly sends for hours: what they may is asked when all of it is here."""
    guild = f"guild-{bob.name}"
    ada.http.post("/api/organizations/create", json={"name": guild}).raise_for_status()
    member = f"/api/organizations/{guild}/members/{bob.name}"
    ada.http.put(member, json={"role": "write"}).raise_for_status()
    name = {"name": "shared", "organization": guild}
    bob.http.post("/api/repos/create", json=name).raise_for_status()
    full_name = f"{guild}/shared"
    bob.http.post(f"/api/models/{full_name}/branch/side", json={}).raise_for_status()
    account = accounts.find_account(hub.hub, bob.name)
    (token,) = accounts.list_tokens(hub.hub, account)
    with hub.hub.database.reading() as session:
        user = identity.again(session, account.id, token.id)
    assert user is not None
    repository = repos.find(hub.hub, Kind.MODEL, guild, "shared", user)
    head = repository.head
    assert head is not None
    if gone == "token":
        accounts.delete_token(hub.hub, account, token.id)
    elif gone == "membership":
        ada.http.delete(member).raise_for_status()
    elif gone == "repository":
        ada.http.request("DELETE", "/api/repos/delete", json=name).raise_for_status()
        ada.http.post("/api/repos/create", json=name).raise_for_status()
    else:
        move = {"fromRepo": full_name, "toRepo": f"{ada.name}/shared"}
        ada.http.post("/api/repos/move", json=move).raise_for_status()
        full_name = f"{ada.name}/shared"

    lines = [{"key": "header", "value": {"summary": "Late"}}, file("late.txt", "late")]
    with pytest.raises(RefusedError):
        commits.commit(
            hub.hub, repository, "main", [json.dumps(line).encode() for line in lines], user
        )
    push = PushRequest((Command("refs/heads/side", head, None),), frozenset({"report-status"}))
    told = pushes.receive(hub.hub, repository, user, push, io.BytesIO())
    assert b"ng refs/heads/side" in told
    assert "late.txt" not in ada.files(full_name)
    refs = ada.http.get(f"/api/models/{full_name}/refs").json()["branches"]
    assert ("side" in {ref["name"] for ref in refs}) is (gone != "repository")
