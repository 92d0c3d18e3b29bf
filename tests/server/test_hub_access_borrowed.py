"""Permissions that are for one thing and used for another: tokens for Xet, signed addresses."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from person import Person, file, large

from graft.server.people import accounts
from graft.server.running import RunningHub

BIG = b"\0 a large file of somebody's" * 5000


def with_file(person: Person, name: str, content: bytes, *, private: bool = True) -> str:
    repo = person.create(name, private=private)
    sha256 = person.upload(repo, content)
    assert person.commit(repo, large("b.bin", sha256, len(content))).status_code == 200
    return repo


def xet_hash(person: Person, repo: str) -> str:
    found = person.http.head(f"/{repo}/resolve/main/b.bin").headers["X-Xet-Hash"]
    assert re.fullmatch("[0-9a-f]{64}", found)
    return found


def xet_token(person: Person, repo: str, kind: str = "read") -> str:
    answer = person.http.get(f"/api/models/{repo}/xet-{kind}-token/main")
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["accessToken"]
    return token


def rebuild(hub: RunningHub, token: str, file_id: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{hub.url}/xet/0/v1/reconstructions/{file_id}", headers=headers)


def test_a_xet_token_of_one_repository_opens_no_file_of_another(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    hidden, mine = with_file(ada, "hidden", BIG), with_file(bob, "mine", b"x" + BIG)
    file_id, token = xet_hash(ada, hidden), xet_token(bob, mine)
    assert rebuild(hub, xet_token(ada, hidden), file_id).status_code == 200
    refused = rebuild(hub, token, file_id)
    assert refused.status_code == 404
    assert "fetch_info" not in refused.text
    assert rebuild(hub, token, xet_hash(bob, mine)).status_code == 200


def test_a_xet_token_of_one_repository_opens_no_other_of_the_same_owner(
    hub: RunningHub, ada: Person
) -> None:
    """A token may have been handed to a program for one repository alone."""
    one, other = with_file(ada, "one", BIG + b"1"), with_file(ada, "other", BIG * 2)
    assert rebuild(hub, xet_token(ada, one), xet_hash(ada, other)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/xet/0/v1/shards", "/xet/0/v2/shards", "/xet/0/v1/xorbs/default/" + "0" * 64]
)
def test_a_xet_token_for_reading_writes_nothing(hub: RunningHub, ada: Person, path: str) -> None:
    repo = ada.create("read-only")
    headers = {"Authorization": f"Bearer {xet_token(ada, repo)}"}
    sent = httpx.post(hub.url + path, content=b"x", headers=headers)
    assert sent.status_code == 403


def test_a_xet_token_ends_with_the_token_that_it_was_made_for(hub: RunningHub, ada: Person) -> None:
    repo = with_file(ada, "ending", BIG)
    token, file_id = xet_token(ada, repo), xet_hash(ada, repo)
    account = accounts.find_account(hub.hub, ada.name)
    accounts.delete_token(hub.hub, account, accounts.list_tokens(hub.hub, account)[0].id)
    assert rebuild(hub, token, file_id).status_code == 401


def test_a_xet_token_ends_with_the_right_to_see_the_repository(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    repo = with_file(ada, "closing", BIG, private=False)
    token, file_id = xet_token(bob, repo), xet_hash(bob, repo)
    assert rebuild(hub, token, file_id).status_code == 200
    ada.http.put(f"/api/models/{repo}/settings", json={"private": True})
    assert rebuild(hub, token, file_id).status_code == 404


@pytest.mark.parametrize("change", ["claims", "signature", "cut", "bearer", "none"])
def test_a_xet_token_that_somebody_changed_is_none(
    hub: RunningHub, ada: Person, bob: Person, change: str
) -> None:
    hidden, mine = with_file(ada, "secret", BIG), bob.create("mine-too")
    body, _, signature = xet_token(bob, mine).partition(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims[0] -= 1
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    token = {
        "claims": f"{forged}.{signature}",
        "signature": f"{body}.{'0' * len(signature)}",
        "cut": body,
        "bearer": bob.token,
        "none": "-",
    }[change]
    assert rebuild(hub, token, xet_hash(ada, hidden)).status_code == 401


def test_a_signed_address_is_for_one_object_and_one_deed(ada: Person) -> None:
    repo = with_file(ada, "signed", BIG)
    sha256, size = hashlib.sha256(BIG).hexdigest(), len(BIG)
    address = ada.lfs(repo, "download", sha256, size)["actions"]["download"]["href"]
    assert httpx.get(address).content == BIG
    other = hashlib.sha256(b"other").hexdigest()
    for wrong in (
        address.replace(sha256, other),
        address.replace(f"size={size}", "size=1"),
        re.sub(r"objects/\d+/", "objects/999999/", address),
        re.sub(r"expires=\d+", "expires=9999999999", address),
    ):
        assert httpx.get(wrong).status_code == 403
    assert httpx.put(address, content=BIG).status_code == 403


def test_what_an_address_gives_out_it_gives_for_an_hour(hub: RunningHub, ada: Person) -> None:
    """It serves whoever brings it, also after their access was withdrawn."""
    repo = with_file(ada, "hour", BIG + b"hour")
    sha256, size = hashlib.sha256(BIG + b"hour").hexdigest(), len(BIG) + 4
    action = ada.lfs(repo, "download", sha256, size)["actions"]["download"]
    plan = rebuild(hub, xet_token(ada, repo), xet_hash(ada, repo)).json()
    extents = [extent for found in plan["fetch_info"].values() for extent in found]
    assert action["expires_in"] <= 3600
    for address in (action["href"], *(extent["url"] for extent in extents)):
        expires = int(dict(parse_qsl(urlsplit(address).query))["expires"])
        assert datetime.fromtimestamp(expires, UTC) <= datetime.now(UTC) + timedelta(hours=1)


def test_an_expired_token_gives_no_xet_token(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("late")
    account = accounts.find_account(hub.hub, ada.name)
    over = datetime.now(UTC) - timedelta(minutes=1)
    _, late = accounts.create_token(hub.hub, account, name="late", expires_at=over)
    headers = {"Authorization": f"Bearer {late}"}
    for kind in ("read", "write"):
        address = f"{hub.url}/api/models/{repo}/xet-{kind}-token/main"
        assert httpx.get(address, headers=headers).status_code == 401


def test_a_pushed_pointer_needs_the_right_to_the_file(ada: Person, bob: Person) -> None:
    hidden, mine = with_file(ada, "pointed", BIG + b"at"), bob.create("pointing")
    content = BIG + b"at"
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n"
    )
    for operation in (file("a.bin", pointer), large("a.bin", sha256, len(content))):
        assert bob.commit(mine, operation).status_code == 400
    assert ada.read(hidden, "b.bin") == content
