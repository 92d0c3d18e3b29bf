"""Pages for people who have logged in lead all others to the login page, and back from there."""

import httpx
import pytest

OWN = "/maren/questions-tiny"


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/settings/tokens", "/settings/tokens"),
        ("/new?kind=dataset", "/new?kind=dataset"),
        ("/device?code=BCDF-GHJK", "/device?code=BCDF-GHJK"),
        (f"{OWN}/settings", f"{OWN}/settings"),
        ("/maren/nothing/settings", "/maren/nothing/settings"),
    ],
)
def test_a_page_is_come_back_to_as_it_was_asked_for(
    visitor: httpx.Client, path: str, back: str
) -> None:
    led = visitor.get(path)
    assert led.status_code == 303
    where = httpx.URL(led.headers["location"])
    assert (where.path, where.params["next_page"]) == ("/login", back)


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("{hub}/maren/questions-tiny?x=1", "/maren/questions-tiny?x=1"),
        (None, "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
def test_a_form_leads_back_to_the_page_that_it_stands_on(
    visitor: httpx.Client, referer: str | None, back: str
) -> None:
    """Its own address is often none that a browser could open."""
    hub = str(visitor.base_url).rstrip("/")
    headers = {} if referer is None else {"Referer": referer.format(hub=hub)}
    for path in (f"{OWN}/like", "/settings/tokens/1/delete", f"{OWN}/discussions/1/comment"):
        led = visitor.post(path, headers=headers)
        assert led.status_code == 303
        where = httpx.URL(led.headers["location"])
        assert (where.path, where.params["next_page"]) == ("/login", back)


def test_who_may_not_be_told_of_a_repository_is_led_there_too(
    visitor: httpx.Client, owner: httpx.Client
) -> None:
    """Whether there is one, and it is private, shows from nothing."""
    made = {"name": "unseen", "visibility": "private"}
    assert owner.post("/new", data=made).status_code == 303
    answers = [visitor.post(f"/maren/{name}/like") for name in ("unseen", "nothing")]
    assert {(one.status_code, one.headers["location"]) for one in answers} == {
        (303, "/login?next_page=%2F")
    }
