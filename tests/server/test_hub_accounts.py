"""Who may do what: tokens that are right, wrong, expired or may only read; cookies of browsers."""

import base64
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import pytest
from person import PASSWORD, Person, file
from starlette.requests import Request
from starlette.responses import Response

from backends import dump
from graft.server.errors import BadRequestError, ConflictError
from graft.server.people import accounts, auth
from graft.server.records import Account
from graft.server.running import RunningHub
from graft.server.runtime.traffic import LOGINS_AT_ONCE


def make_token(hub: RunningHub, person: Person, **given: object) -> str:
    account = accounts.find_account(hub.hub, person.name)
    _, secret = accounts.create_token(hub.hub, account, name="another", **given)  # type: ignore[arg-type]
    return secret


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_whoami_says_whose_token_it_is_and_what_it_may_do(ada: Person) -> None:
    answer = ada.http.get("/api/whoami-v2").json()
    assert answer["name"] == ada.name
    assert answer["auth"]["accessToken"] == {"displayName": "first", "role": "write"}


def test_whoami_without_a_token_says_how_to_get_one(anyone: httpx.Client) -> None:
    answer = anyone.get("/api/whoami-v2")
    assert answer.status_code == 401
    assert "graft login" in answer.json()["error"]


def test_an_expired_token_is_refused_and_told_so(
    hub: RunningHub, ada: Person, anyone: httpx.Client
) -> None:
    token = make_token(hub, ada, expires_at=datetime.now(UTC) - timedelta(minutes=1))
    answer = anyone.get("/api/whoami-v2", headers=bearer(token))
    assert answer.status_code == 401
    assert "expired on" in answer.json()["error"]


def test_a_foreign_token_is_refused_even_for_public_things(
    ada: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("open")
    foreign = bearer("graft_" + "0" * 40)
    for path in ("/api/whoami-v2", f"/api/models/{repo}", f"/{repo}/resolve/main/.gitattributes"):
        answer = anyone.get(path, headers=foreign)
        assert answer.status_code == 401
        assert "does not know the token" in answer.json()["error"]


@pytest.mark.parametrize(
    "header", ["Bearer", "Basic %%%", "Digest abc", "Basic /w==", "Basic \xe9"]
)
def test_an_unreadable_authorization_header_is_refused(header: str, anyone: httpx.Client) -> None:
    answer = anyone.get("/api/models", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert "Authorization" in answer.json()["error"]


def test_a_token_works_as_a_basic_password(ada: Person, anyone: httpx.Client) -> None:
    pair = base64.b64encode(f"anybody:{ada.token}".encode()).decode()
    answer = anyone.get("/api/whoami-v2", headers={"Authorization": f"Basic {pair}"})
    assert answer.json()["name"] == ada.name


def test_a_read_token_may_read_but_not_change(
    hub: RunningHub, ada: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("mine", private=True)
    reader = bearer(make_token(hub, ada, role="read"))
    assert anyone.get(f"/api/models/{repo}", headers=reader).status_code == 200
    refused = anyone.post("/api/repos/create", json={"name": "more"}, headers=reader)
    assert refused.status_code == 403
    assert "may only read" in refused.json()["error"]


def test_a_deleted_token_stops_working_at_once(hub: RunningHub, ada: Person) -> None:
    account = accounts.find_account(hub.hub, ada.name)
    accounts.delete_token(hub.hub, account, accounts.list_tokens(hub.hub, account)[0].id)
    assert ada.http.get("/api/whoami-v2").status_code == 401


def test_the_secret_of_a_token_is_nowhere_in_the_data(
    hub: RunningHub, ada: Person, tmp_path: Path
) -> None:
    ada.http.get("/api/whoami-v2")
    # Another process has to look: closing the database's file in this one would drop the locks
    # that SQLite holds for the Hub, and its write-ahead log would be deleted under it.
    folder = dump(hub.settings, tmp_path)
    for secret, found in ((ada.name, 0), (ada.token, 1)):
        command = ["grep", "--recursive", "--quiet", "--text", "--fixed-strings", secret]
        assert subprocess.run([*command, str(folder)], check=False).returncode == found


def test_passwords(hub: RunningHub) -> None:
    accounts.create_account(hub.hub, "with-password", password="correct horse")
    accounts.create_account(hub.hub, "without-password")
    found = accounts.check_password(hub.hub, "With-Password", "correct horse")
    assert found is not None
    assert found.name == "with-password"
    assert accounts.check_password(hub.hub, "with-password", "wrong horse") is None
    assert accounts.check_password(hub.hub, "without-password", "") is None
    assert accounts.check_password(hub.hub, "nobody-at-all", "correct horse") is None


def test_a_short_password_is_refused(hub: RunningHub) -> None:
    with pytest.raises(BadRequestError, match="8 to 1000"):
        accounts.create_account(hub.hub, "shorty", password="1234567")


@pytest.mark.parametrize("name", ["", "a/b", "..", "a..b", ".a", "a-", "x" * 65, "ä", "api", "API"])
def test_names_that_accounts_cannot_have(hub: RunningHub, name: str) -> None:
    with pytest.raises(BadRequestError, match="account name"):
        accounts.create_account(hub.hub, name)


def test_account_names_differ_by_more_than_case(hub: RunningHub) -> None:
    accounts.create_account(hub.hub, "Grace")
    with pytest.raises(ConflictError, match="taken"):
        accounts.create_account(hub.hub, "grace")


def log_in(hub: RunningHub, person: Person) -> dict[str, str]:
    response = Response()
    account = accounts.find_account(hub.hub, person.name)
    request = Request({"type": "http", "app": hub.app, "headers": [(b"host", b"h")], "path": "/"})
    auth.start_session(hub.hub, request, response, account)
    header = response.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    name, _, value = header.partition(";")[0].partition("=")
    return {name: value}


def test_a_session_cookie_stands_for_its_account(hub: RunningHub, ada: Person) -> None:
    with httpx.Client(base_url=hub.url, cookies=log_in(hub, ada)) as browser:
        assert browser.get("/api/whoami-v2").json()["name"] == ada.name


def test_after_logging_out_a_copied_cookie_is_worth_nothing(hub: RunningHub, ada: Person) -> None:
    cookies = log_in(hub, ada)
    cookie = f"{auth.SESSION_COOKIE}={cookies[auth.SESSION_COOKIE]}".encode()
    request = Request({"type": "http", "headers": [(b"cookie", cookie)]})
    auth.end_session(hub.hub, request, Response())
    with httpx.Client(base_url=hub.url, cookies=cookies) as browser:
        assert browser.get("/api/whoami-v2").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil"}],
)
def test_another_sites_page_cannot_use_the_cookie(
    hub: RunningHub, ada: Person, headers: dict[str, str]
) -> None:
    with httpx.Client(base_url=hub.url, cookies=log_in(hub, ada)) as browser:
        refused = browser.post("/api/repos/create", json={"name": "forged"}, headers=headers)
        assert refused.status_code == 403
        assert "another site" in refused.json()["error"]
        fine = {"Sec-Fetch-Site": "same-origin"}
        assert (
            browser.post("/api/repos/create", json={"name": "own"}, headers=fine).status_code == 200
        )


def test_only_the_owner_may_change_a_repository(ada: Person, bob: Person) -> None:
    repo = ada.create("hers")
    refused = bob.commit(repo, file("a.txt", "a"))
    assert refused.status_code == 403
    assert bob.name in refused.json()["error"]
    assert ada.files(repo) == set()


def test_nobody_may_create_under_anothers_name(ada: Person, bob: Person) -> None:
    body = {"name": "planted", "organization": ada.name}
    refused = bob.http.post("/api/repos/create", json=body)
    assert refused.status_code == 403
    assert f"{bob.name}/planted" in refused.json()["error"]


def test_a_whole_class_may_log_in_at_once(
    hub: RunningHub, ada: Person, anyone: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each password takes 64 MiB for a moment: a few at a time, and the others wait."""
    accounts.set_password(hub.hub, accounts.find_account(hub.hub, ada.name), PASSWORD)
    counting, at_once = Lock(), [0]
    check = accounts.check_password

    def counted(*given: Any) -> Account | None:
        with counting:
            at_once.append(at_once[-1] + 1)
        try:
            return check(*given)
        finally:
            with counting:
                at_once.append(at_once[-1] - 1)

    monkeypatch.setattr(accounts, "check_password", counted)
    form = {"name": ada.name, "password": PASSWORD}
    people = 3 * LOGINS_AT_ONCE
    with ThreadPoolExecutor(people) as pool:
        answers = list(pool.map(lambda _: anyone.post("/login", data=form), range(people)))
    assert [answer.status_code for answer in answers] == [303] * people
    assert 1 < max(at_once) <= LOGINS_AT_ONCE
