"""What a browser is told not to do, and who may change what."""

from pathlib import Path

import httpx
import pytest

from graft.server.people import accounts
from graft.server.records import Role
from graft.server.running import RunningHub
from hub_samples import OWNER, PASSWORD, Garden

PAGES = ["/", "/models", f"/{OWNER}/questions-tiny", "/login", "/nobody/nothing"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_run_no_foreign_code_and_stand_in_no_frame(visitor: httpx.Client, path: str) -> None:
    reply = visitor.get(path)
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "same-origin"
    assert "<script>" not in reply.text
    assert " style=" not in reply.text


def test_an_uploaded_page_cannot_act_in_the_hubs_name(
    visitor: httpx.Client, garden: Garden
) -> None:
    repo = f"{OWNER}/trap"
    garden.push(repo, {"trap.html": b"<script>fetch('/settings/tokens')</script>"}, "dataset")
    reply = visitor.get(f"/datasets/{repo}/resolve/main/trap.html", follow_redirects=True)
    assert "sandbox" in reply.headers["content-security-policy"]
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_static_files_are_kept_by_browsers_and_nothing_else_is_served(
    visitor: httpx.Client,
) -> None:
    reply = visitor.get("/static/style.css")
    assert reply.headers["content-type"].startswith("text/css")
    assert "immutable" in reply.headers["cache-control"]
    for path in ("/static/nothing.css", "/static/..%2fpages.py", "/static/../pages.py"):
        assert visitor.get(path).status_code == 404


def test_another_sites_form_changes_nothing(owner: httpx.Client) -> None:
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path, data in [
        ("/new", {"name": "forged", "kind": "model"}),
        ("/settings/tokens", {"name": "forged", "role": "write"}),
        ("/logout", {}),
    ]:
        assert owner.post(path, data=data, headers=elsewhere).status_code == 403
    assert owner.get(f"/{OWNER}/forged").status_code == 404
    tokens = owner.get("/settings/tokens")
    assert tokens.status_code == 200
    assert "forged" not in tokens.text


def test_another_site_cannot_log_a_visitor_in(visitor: httpx.Client) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    reply = visitor.post("/login", data={"name": OWNER, "password": PASSWORD}, headers=elsewhere)
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/settings/tokens", "/settings/tokens"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("///evil.example/x", "/"),
        ("/\\/evil.example/x", "/"),
        ("/\t/evil.example/x", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_logging_in_leads_only_to_the_hubs_own_pages(
    visitor: httpx.Client, wanted: str, given: str
) -> None:
    form = {"name": OWNER, "password": PASSWORD, "next_page": wanted}
    assert visitor.post("/login", data=form).headers["location"] == given


def test_a_wrong_password_is_refused_without_saying_which_part(visitor: httpx.Client) -> None:
    replies = [
        visitor.post("/login", data={"name": name, "password": "wrong password"})
        for name in (OWNER, "nobody-at-all")
    ]
    assert {reply.status_code for reply in replies} == {401}
    texts = {reply.text.replace(OWNER, "").replace("nobody-at-all", "") for reply in replies}
    assert len(texts) == 1


def test_the_session_ends_with_logging_out(owner: httpx.Client) -> None:
    cookies = dict(owner.cookies)
    assert owner.get("/settings/tokens").status_code == 200
    assert owner.post("/logout").status_code == 303
    owner.cookies.update(cookies)
    assert owner.get("/settings/tokens").status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts(visitor: httpx.Client) -> None:
    reply = visitor.post("/login", data={"name": OWNER, "password": PASSWORD})
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_the_session_cookie_stays_on_encrypted_connections_where_the_hub_has_them(
    visitor: httpx.Client, tmp_path: Path
) -> None:
    form = {"name": OWNER, "password": PASSWORD}
    assert "secure" not in visitor.post("/login", data=form).headers["set-cookie"].lower()
    with RunningHub(tmp_path, public_url="https://hub.example") as hub:
        hub.add_user(OWNER, password=PASSWORD)
        reply = httpx.post(f"{hub.url}/login", data=form)
    assert "secure" in reply.headers["set-cookie"].lower()


@pytest.mark.parametrize("role", ["read", "write"])
def test_a_token_cannot_make_another_or_change_the_account(
    visitor: httpx.Client, owner: httpx.Client, garden: Garden, role: Role
) -> None:
    secret = accounts.create_token(
        garden.hub.hub, accounts.find_account(garden.hub.hub, OWNER), name=f"t-{role}", role=role
    )[1]
    visitor.headers["Authorization"] = f"Bearer {secret}"
    before = owner.get("/settings/tokens").text
    for path, form in [
        ("/settings/tokens", {"name": "minted", "role": "write", "days": ""}),
        ("/settings/tokens/1/delete", {}),
        ("/new", {"name": "minted"}),
    ]:
        reply = visitor.post(path, data=form)
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("/login")
    assert visitor.get("/settings/tokens").status_code == 303
    assert owner.get("/settings/tokens").text == before
    assert owner.get(f"/{OWNER}/minted").status_code == 404


def test_a_token_beside_the_session_opens_no_way_for_another_site(owner: httpx.Client) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Authorization": "Basic bWFyZW46eA=="}
    forged = owner.post("/settings/tokens", data={"name": "forged"}, headers=elsewhere)
    assert forged.status_code == 403
    assert "forged" not in owner.get("/settings/tokens").text


def test_tokens_and_new_need_an_account(visitor: httpx.Client) -> None:
    for path in ("/settings/tokens", "/new"):
        reply = visitor.get(path)
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("/login?next_page=")


@pytest.mark.parametrize("name", ["", "..", "a/b", "has space", "ends.git"])
def test_a_bad_name_is_refused_with_the_rule(owner: httpx.Client, name: str) -> None:
    reply = owner.post("/new", data={"name": name, "kind": "model", "visibility": "public"})
    assert reply.status_code == 400
    assert 'role="alert"' in reply.text
    assert "The repository name" in reply.text


def test_joining_is_closed_unless_the_hub_allows_it(visitor: httpx.Client) -> None:
    assert visitor.get("/join").status_code == 404
    reply = visitor.post("/join", data={"name": "intruder", "password": PASSWORD})
    assert reply.status_code == 404
    assert visitor.get("/intruder").status_code == 404
