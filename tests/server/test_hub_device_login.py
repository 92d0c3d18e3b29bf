"""Logging programs in from a browser, as `hf auth login` does, and keeping them logged in."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from person import PASSWORD, Person
from sqlalchemy import update

from graft.server.db.tables import DeviceCodeRow, DeviceLoginRow, TokenRow
from graft.server.errors import RateLimitedError
from graft.server.people import accounts, attempts, device
from graft.server.running import RunningHub
from graft.server.runtime.limits import RateLimiter

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def begin(http: httpx.Client) -> dict[str, Any]:
    answer = http.post("/oauth/device", data={"client_id": "a program"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def poll(http: httpx.Client, codes: dict[str, Any]) -> httpx.Response:
    form = {"grant_type": DEVICE, "device_code": codes["device_code"], "client_id": "x"}
    return http.post("/oauth/token", data=form)


def refresh(http: httpx.Client, token: str) -> httpx.Response:
    return http.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token})


def allow(browser: httpx.Client, codes: dict[str, Any], **form: str) -> httpx.Response:
    data = {"code": codes["user_code"], "decision": "allow", **form}
    return browser.post("/device", data=data)


def logged_in(http: httpx.Client, browser: httpx.Client, **form: str) -> dict[str, Any]:
    codes = begin(http)
    assert allow(browser, codes, **form).status_code == 200
    found: dict[str, Any] = poll(http, codes).json()
    return found


def whoami(http: httpx.Client, token: str) -> httpx.Response:
    return http.get("/api/whoami-v2", headers={"Authorization": f"Bearer {token}"})


def test_a_program_gets_a_token_once_somebody_agrees(
    hub: RunningHub, ada: Person, anyone: httpx.Client, browser: httpx.Client
) -> None:
    codes = begin(anyone)
    assert re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", codes["user_code"])
    assert codes["verification_uri"] == f"{hub.url}/device"
    waiting = poll(anyone, codes)
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    page = browser.get(codes["verification_uri_complete"])
    assert codes["user_code"] in page.text
    assert ada.name in page.text
    assert allow(browser, codes).status_code == 200
    got = poll(anyone, codes).json()
    assert got["token_type"] == "bearer"
    assert got["expires_in"] == device.TOKEN_SECONDS
    who = whoami(anyone, got["access_token"]).json()
    assert who["name"] == ada.name
    assert who["auth"]["accessToken"] == {"role": "write"}
    assert poll(anyone, codes).json()["error"] == "invalid_grant"


def test_a_code_can_be_typed_in_however(anyone: httpx.Client, browser: httpx.Client) -> None:
    codes = begin(anyone)
    written = codes["user_code"].replace("-", " ").lower()
    assert codes["user_code"] in browser.get("/device", params={"code": written}).text


def test_who_refuses_gives_nothing(anyone: httpx.Client, browser: httpx.Client) -> None:
    codes = begin(anyone)
    assert allow(browser, codes, decision="refuse").status_code == 200
    assert poll(anyone, codes).json()["error"] == "access_denied"
    assert allow(browser, codes).status_code == 404


def test_to_open_the_page_agrees_to_nothing(anyone: httpx.Client, browser: httpx.Client) -> None:
    codes = begin(anyone)
    browser.get("/device", params={"code": codes["user_code"], "decision": "allow"})
    browser.post("/device", data={"code": codes["user_code"]})
    assert poll(anyone, codes).json()["error"] == "authorization_pending"


def test_another_sites_page_cannot_agree(anyone: httpx.Client, browser: httpx.Client) -> None:
    codes = begin(anyone)
    data = {"code": codes["user_code"], "decision": "allow"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert browser.post("/device", data=data, headers=headers).status_code == 403
    assert browser.get("/device").headers["X-Frame-Options"] == "DENY"
    assert poll(anyone, codes).json()["error"] == "authorization_pending"


def test_a_token_cannot_agree(ada: Person, anyone: httpx.Client) -> None:
    codes = begin(anyone)
    sent = ada.http.post("/device", data={"code": codes["user_code"], "decision": "allow"})
    assert sent.headers["Location"].startswith("/login")
    assert poll(anyone, codes).json()["error"] == "authorization_pending"


def test_a_stranger_logs_in_first_and_keeps_the_code(anyone: httpx.Client) -> None:
    codes = begin(anyone)
    sent = anyone.get(codes["verification_uri_complete"])
    assert sent.status_code == 303
    assert codes["user_code"] in sent.headers["Location"]


def test_polling_too_fast_is_slowed_down(anyone: httpx.Client, browser: httpx.Client) -> None:
    codes = begin(anyone)
    errors = [poll(anyone, codes).json()["error"] for _ in range(3)]
    assert errors == ["authorization_pending", "slow_down", "slow_down"]
    allow(browser, codes)
    assert "access_token" in poll(anyone, codes).json()


def test_a_code_expires(hub: RunningHub, anyone: httpx.Client, browser: httpx.Client) -> None:
    codes = begin(anyone)
    over = datetime.now(UTC) - timedelta(seconds=1)
    with hub.hub.database.writing() as session:
        session.execute(update(DeviceCodeRow).values(expires_at=over))
    assert poll(anyone, codes).json()["error"] == "expired_token"
    assert allow(browser, codes).status_code == 404


@pytest.mark.parametrize(
    ("path", "form", "error"),
    [
        ("/oauth/device", {}, "invalid_request"),
        ("/oauth/token", {}, "unsupported_grant_type"),
        ("/oauth/token", {"grant_type": "password"}, "unsupported_grant_type"),
        ("/oauth/token", {"grant_type": DEVICE}, "invalid_request"),
        ("/oauth/token", {"grant_type": DEVICE, "device_code": "made up"}, "invalid_grant"),
        ("/oauth/token", {"grant_type": "refresh_token"}, "invalid_request"),
        (
            "/oauth/token",
            {"grant_type": "refresh_token", "refresh_token": "made up"},
            "invalid_grant",
        ),
    ],
)
def test_errors_are_those_of_oauth(
    anyone: httpx.Client, path: str, form: dict[str, str], error: str
) -> None:
    answer = anyone.post(path, data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@pytest.mark.parametrize("body", [b"\xff=\xfe", b'{"grant_type": 3}', b"a" * 100_000])
def test_bodies_that_are_no_forms(anyone: httpx.Client, body: bytes) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
        sent = anyone.post("/oauth/token", content=body, headers={"Content-Type": kind})
        assert sent.status_code == 400


def test_a_token_for_reading_only_reads(anyone: httpx.Client, browser: httpx.Client) -> None:
    token = logged_in(anyone, browser, role="read")["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    refused = anyone.post("/api/repos/create", json={"name": "no"}, headers=headers)
    assert refused.status_code == 403


def test_a_refresh_gives_a_new_pair_and_the_old_token_lives_on(
    anyone: httpx.Client, browser: httpx.Client
) -> None:
    first = logged_in(anyone, browser)
    second = refresh(anyone, first["refresh_token"]).json()
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    for each in (first, second):
        assert whoami(anyone, each["access_token"]).status_code == 200


def test_a_lost_answer_can_be_asked_for_again(anyone: httpx.Client, browser: httpx.Client) -> None:
    first = logged_in(anyone, browser)
    refresh(anyone, first["refresh_token"])
    again = refresh(anyone, first["refresh_token"])
    assert whoami(anyone, again.json()["access_token"]).status_code == 200


def test_a_refresh_token_used_again_after_its_answer_arrived_ends_the_login(
    anyone: httpx.Client, browser: httpx.Client
) -> None:
    first = logged_in(anyone, browser)
    second = refresh(anyone, first["refresh_token"]).json()
    assert whoami(anyone, second["access_token"]).status_code == 200
    stolen = refresh(anyone, first["refresh_token"])
    assert stolen.json()["error"] == "invalid_grant"
    assert whoami(anyone, second["access_token"]).status_code == 401


def test_a_refresh_token_used_late_a_second_time_ends_the_login(
    hub: RunningHub, anyone: httpx.Client, browser: httpx.Client
) -> None:
    first = logged_in(anyone, browser)
    second = refresh(anyone, first["refresh_token"]).json()
    before = datetime.now(UTC) - timedelta(seconds=device.GRACE_SECONDS + 1)
    with hub.hub.database.writing() as session:
        session.execute(update(DeviceLoginRow).values(refreshed_at=before))
    assert refresh(anyone, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert whoami(anyone, second["access_token"]).status_code == 401
    assert refresh(anyone, second["refresh_token"]).json()["error"] == "invalid_grant"


def test_an_expired_token_can_be_refreshed(
    hub: RunningHub, anyone: httpx.Client, browser: httpx.Client
) -> None:
    first = logged_in(anyone, browser)
    digest = accounts.digest(first["access_token"])
    over = datetime.now(UTC) - timedelta(seconds=1)
    with hub.hub.database.writing() as session:
        session.execute(update(TokenRow).where(TokenRow.digest == digest).values(expires_at=over))
    assert whoami(anyone, first["access_token"]).status_code == 401
    fresh = refresh(anyone, first["refresh_token"]).json()["access_token"]
    assert whoami(anyone, fresh).status_code == 200


def test_programs_and_browsers_are_listed_and_logged_out(
    hub: RunningHub, ada: Person, anyone: httpx.Client, browser: httpx.Client
) -> None:
    token = logged_in(anyone, browser)["access_token"]
    page = browser.get("/settings/sessions").text
    assert "(this one)" in page
    (number,) = re.findall(r"/settings/devices/(\d+)/end", page)
    assert "login of" not in browser.get("/settings/tokens").text
    with httpx.Client(base_url=hub.url, timeout=60) as other:
        other.post("/login", data={"name": ada.name, "password": PASSWORD})
        keys = re.findall(r"/settings/sessions/(\w+)/end", other.get("/settings/sessions").text)
        assert len(keys) == 2
        assert browser.post(f"/settings/devices/{number}/end").status_code == 303
        assert whoami(anyone, token).status_code == 401
        assert browser.post(f"/settings/devices/{number}/end").status_code == 404
        for key in keys:
            browser.post(f"/settings/sessions/{key}/end")
        assert other.get("/api/whoami-v2").status_code == 401


def test_nobody_ends_anothers_logins(
    hub: RunningHub, bob: Person, anyone: httpx.Client, browser: httpx.Client
) -> None:
    token = logged_in(anyone, browser)["access_token"]
    page = browser.get("/settings/sessions").text
    (number,) = re.findall(r"/settings/devices/(\d+)/end", page)
    (key,) = re.findall(r"/settings/sessions/(\w+)/end", page)
    accounts.set_password(hub.hub, accounts.find_account(hub.hub, bob.name), PASSWORD)
    with httpx.Client(base_url=hub.url, timeout=60) as other:
        other.post("/login", data={"name": bob.name, "password": PASSWORD})
        assert other.post(f"/settings/devices/{number}/end").status_code == 404
        assert other.post(f"/settings/sessions/{key}/end").status_code == 404
    assert whoami(anyone, token).status_code == 200


def test_a_new_password_ends_all_logins(
    hub: RunningHub, ada: Person, anyone: httpx.Client, browser: httpx.Client
) -> None:
    got = logged_in(anyone, browser)
    account = accounts.find_account(hub.hub, ada.name)
    accounts.set_password(hub.hub, account, "quite another")
    assert browser.get("/api/whoami-v2").status_code == 401
    assert whoami(anyone, got["access_token"]).status_code == 401
    assert refresh(anyone, got["refresh_token"]).json()["error"] == "invalid_grant"
    assert whoami(anyone, ada.token).status_code == 200


def test_wrong_passwords_have_to_wait(hub: RunningHub, ada: Person) -> None:
    account = accounts.find_account(hub.hub, ada.name)
    accounts.set_password(hub.hub, account, PASSWORD)
    with httpx.Client(base_url=hub.url, timeout=60) as visitor:
        wrong = {"name": ada.name, "password": "not it at all"}
        for _ in range(attempts.WRONG_BY_PAIR):
            assert visitor.post("/login", data=wrong).status_code == 401
        right = {"name": ada.name.upper(), "password": PASSWORD}
        refused = visitor.post("/login", data=right)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 60
        assert "try again in" in refused.text


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2%eth0", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_limits_count_what_nobody_can_choose(address: str, network: str) -> None:
    assert attempts.network_of(address) == network


def test_other_addresses_of_the_same_network_are_no_other_askers(
    hub: RunningHub, ada: Person
) -> None:
    account = accounts.find_account(hub.hub, ada.name)
    accounts.set_password(hub.hub, account, PASSWORD)
    for number in range(attempts.WRONG_BY_PAIR):
        assert accounts.log_in(hub.hub, ada.name, "wrong", f"2001:db8::{number}") is None
    with pytest.raises(RateLimitedError):
        accounts.log_in(hub.hub, ada.name, PASSWORD, "2001:db8::aaaa")
    assert accounts.log_in(hub.hub, ada.name, PASSWORD, "2001:db8:1::1") == account
    limiter = RateLimiter(known=0, unknown=2)
    for number in range(2):
        limiter.take(None, f"2001:db8::{number}")
    with pytest.raises(RateLimitedError):
        limiter.take(None, "2001:db8::aaaa")


def test_codes_cannot_be_tried_out(browser: httpx.Client, anyone: httpx.Client) -> None:
    for number in range(attempts.WRONG_CODES):
        code = f"BBBB{number:04d}"
        assert browser.get("/device", params={"code": code}).status_code == 404
    codes = begin(anyone)
    assert browser.get("/device", params={"code": codes["user_code"]}).status_code == 429
    assert allow(browser, codes).status_code == 429


def test_wrong_tokens_wait_and_right_ones_never_do(
    hub: RunningHub, ada: Person, anyone: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "WRONG_TOKENS", 3)
    statuses = [whoami(anyone, "made up").status_code for _ in range(5)]
    assert set(statuses) <= {401, 429}
    assert statuses[-1] == 429
    assert whoami(anyone, ada.token).status_code == 200
    hub.hub.attempts.forget("token", "127.0.0.1")
