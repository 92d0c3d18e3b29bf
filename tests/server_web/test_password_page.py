"""The page to change one's own password on."""

import itertools
from collections.abc import Callable

import httpx
import pytest

from graft.server.people import accounts
from graft.server.running import RunningHub

Browser = Callable[[str], httpx.Client]

OLD, NEW = "the old password", "the new password"
PAGE = "/settings/password"
_numbers = itertools.count()


@pytest.fixture
def enter(hub: RunningHub, browser: Browser) -> Callable[[str], httpx.Client]:
    """Opens browsers of one new person, who is logged in with a password or was refused."""
    name = f"eve-{next(_numbers)}"
    accounts.create_account(hub.hub, name, password=OLD)

    def open_with(password: str) -> httpx.Client:
        opened = browser("")
        opened.post("/login", data={"name": name, "password": password})
        return opened

    return open_with


def is_in(client: httpx.Client) -> bool:
    return client.get("/settings/tokens").url.path == "/settings/tokens"


def test_a_new_password_ends_all_other_sessions(enter: Callable[[str], httpx.Client]) -> None:
    here, elsewhere = enter(OLD), enter(OLD)
    assert f'href="{PAGE}"' in here.get("/settings/sessions").text
    before = dict(here.cookies)
    changed = here.post(PAGE, data={"current": OLD, "new": NEW, "again": NEW})
    assert changed.status_code == 200
    assert "You have a new password" in changed.text
    assert changed.headers["Cache-Control"] == "no-store"
    assert is_in(here)
    assert dict(here.cookies) != before
    assert not is_in(elsewhere)
    assert not is_in(enter(OLD))
    assert is_in(enter(NEW))


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"current": "another one", "new": NEW, "again": NEW}, 403, "not your current password"),
        ({"current": OLD, "new": NEW, "again": OLD}, 400, "passwords differ"),
        ({"current": OLD, "new": "short", "again": "short"}, 400, "5 characters"),
        ({}, 403, "not your current password"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    enter: Callable[[str], httpx.Client], given: dict[str, str], status: int, said: str
) -> None:
    here = enter(OLD)
    refused = here.post(PAGE, data=given)
    assert (refused.status_code, said in refused.text) == (status, True)
    assert is_in(here)
    assert is_in(enter(OLD))


def test_guessing_ends_soon(enter: Callable[[str], httpx.Client]) -> None:
    here = enter(OLD)
    wrong = {"current": "guessed", "new": NEW, "again": NEW}
    answers = [here.post(PAGE, data=wrong) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_nobody_is_led_to_the_login(browser: Browser) -> None:
    asked = browser("").get(PAGE).url
    assert (asked.path, asked.params["next_page"]) == ("/login", PAGE)
