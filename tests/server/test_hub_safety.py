"""Paths that lead out, names that hide `.git`, headers and pages that somebody tries to write in,
forms that other sites send, and bodies that make no sense, at every address that takes one."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import access_world
import httpx
import pytest
from access_rows import ROWS, Row
from access_world import World
from person import PASSWORD, Person, file
from test_hub_access_table import ask

from graft.server.errors import BadRequestError
from graft.server.names import check_file_path
from graft.server.people import accounts, organizations
from graft.server.running import RunningHub
from graft.server.runtime.shortcuts import plain_routes
from graft.server.web.routing import PageRoute

SCRIPT = '"><script>alert(1)</script>'


# --- paths ----------------------------------------------------------------------------------------

LEADING_OUT = [
    "../a",
    "/etc/passwd",
    "a/../../b",
    "a/./b",
    "a//b",
    "a\\..\\b",
    ".git/config",
    ".GIT/hooks/post-checkout",
    "a/.git/x",
    ".git",
    ".git /config",
    ".git./config",
    ".git::$INDEX_ALLOCATION/config",
    "git~1/config",
    ".g\u200cit/config",
    "\ufeff.git/config",
    "a\0b",
    "a\nb",
    "\x7f",
    "\x9b31m",
    "a\u202egpj.exe",
    "a\u2066b",
    "a\u2028b",
]


@pytest.mark.parametrize("path", LEADING_OUT)
def test_no_file_lies_outside_or_in_git(ada: Person, path: str) -> None:
    with pytest.raises(BadRequestError):
        check_file_path(path)
    repo = ada.create("inside")
    refused = ada.commit(repo, file(path, "x"))
    assert refused.status_code == 422, refused.text
    assert ada.files(repo) == set()


@pytest.mark.parametrize(
    "path", ["...", ".github/workflows/a.yml", ".gitignore", "git~2", "a.git", "\u05d0\u200f.txt"]
)
def test_names_that_only_look_alike_are_fine(path: str) -> None:
    assert check_file_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2fhub.sqlite3", "%2e%2e/%2e%2e/hub.sqlite3", "..%5c..%5chub.sqlite3", "%00", "a%0ab"],
)
@pytest.mark.parametrize("view", ["resolve", "tree", "blob", "commits", "commit"])
def test_no_address_leads_out_of_a_repository(ada: Person, path: str, view: str) -> None:
    repo = ada.create("walled")
    for prefix in ("", "/api/models"):
        for revision in ("main/", ""):
            answer = ada.http.get(f"{prefix}/{repo}/{view}/{revision}{path}")
            assert answer.status_code in (302, 400, 404, 405), answer.text
            assert b"SQLite" not in answer.content


@pytest.mark.parametrize(
    "name", ["../../x", "..", "-x", "x.lock", "a..b", "@{-1}", "a b", "a~1", "refs/../x", "\x07"]
)
def test_no_ref_is_named_out_of_the_repository(hub: RunningHub, ada: Person, name: str) -> None:
    repo = ada.create("refs")
    made = ada.http.post(f"/api/models/{repo}/tag/main", json={"tag": name})
    assert made.status_code == 400, made.text
    made = ada.http.post(f"/api/models/{repo}/branch/{quote(name, safe='')}", json={})
    assert made.status_code in (400, 404, 405), made.text
    refs = ada.http.get(f"/api/models/{repo}/refs").json()
    assert [branch["name"] for branch in refs["branches"]] == ["main"]
    assert refs["tags"] == []


@pytest.mark.parametrize("name", ["..", "a/../b", ".git", "a.git", "-a", "a\nb", "%2e%2e", "a b"])
def test_no_repository_is_named_out_of_its_folder(ada: Person, name: str) -> None:
    made = ada.http.post("/api/repos/create", json={"name": name, "organization": ada.name})
    assert made.status_code in (400, 403)
    moved = {"fromRepo": ada.create("fine"), "toRepo": f"{ada.name}/{name}"}
    assert ada.http.post("/api/repos/move", json=moved).status_code in (400, 403)


# --- git ------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def push(hub: RunningHub, person: Person, repo: str, folder: Path, tree: str) -> int:
    """Pushes a commit of a tree on top of `main`; answers git's exit status."""
    address = f"http://{person.name}:{person.token}@127.0.0.1:{hub.port}/{repo}"
    git(folder, "fetch", "-q", address, "main")
    commit = git(folder, "commit-tree", tree, "-p", "FETCH_HEAD", "-m", "x")
    command = [
        "git",
        "-c",
        "credential.helper=",
        "push",
        "-q",
        address,
        f"{commit}:refs/heads/main",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


@pytest.fixture
def work(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"git~1", b".git ", b"a\\b"])
def test_no_tree_with_a_name_that_leads_out_is_pushed(
    hub: RunningHub, ada: Person, work: Path, name: bytes
) -> None:
    repo = ada.create("pushed")
    blob = git(work, "hash-object", "-w", "--stdin", stdin=b"x")
    entry = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    hash_tree = ("hash-object", "-t", "tree", "-w", "--stdin", "--literally")
    inner = git(work, *hash_tree, stdin=entry)
    outer = git(work, *hash_tree, stdin=b"40000 folder\0" + bytes.fromhex(inner))
    before = ada.head(repo)
    assert push(hub, ada, repo, work, outer) != 0
    assert ada.head(repo) == before


def test_a_link_gives_its_own_text_and_leads_nowhere(
    hub: RunningHub, ada: Person, work: Path
) -> None:
    repo = ada.create("linked")
    target = str(hub.settings.data_folder / "hub.sqlite3")
    blob = git(work, "hash-object", "-w", "--stdin", stdin=target.encode())
    tree = git(work, "mktree", stdin=f"120000 blob {blob}\tREADME.md\n".encode())
    if push(hub, ada, repo, work, tree) == 0:
        assert ada.read(repo, "README.md").decode() == target
    for address in (f"/{repo}", f"/{repo}/blob/main/README.md", f"/api/models/{repo}"):
        answer = ada.http.get(address)
        assert answer.status_code in (200, 302, 404)
        assert b"SQLite format" not in answer.content


# --- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/a/b%0d%0aX-Evil:%201",
        "/a%0d%0aX-Evil:%201",
        "/a/b/resolve/main%0d%0aX-Evil:%201/c",
        "/login?next_page=/a%0d%0aX-Evil:%201",
        "/device?code=a%0d%0aX-Evil:%201",
        "/api/models?cursor=%0d%0aX-Evil:%201&search=%0aa",
    ],
)
def test_no_address_writes_a_header(anyone: httpx.Client, path: str) -> None:
    answer = anyone.get(path, headers={"Accept": "*/*"})
    assert answer.status_code < 500
    assert "x-evil" not in answer.headers


def test_what_errors_say_stays_in_one_header(ada: Person) -> None:
    repo = ada.create("said")
    told = ada.http.get(f"/{repo}/resolve/main/%C3%A9%22%27%3Cb%3E.txt")
    assert told.status_code == 404
    assert told.headers["X-Error-Code"] == "EntryNotFound"
    assert told.headers["X-Error-Message"].isascii()


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "javascript:x"],
)
def test_a_login_leads_to_pages_of_the_hub_only(hub: RunningHub, ada: Person, address: str) -> None:
    accounts.set_password(hub.hub, accounts.find_account(hub.hub, ada.name), PASSWORD)
    form = {"name": ada.name, "password": PASSWORD, "next_page": address}
    sent = httpx.post(f"{hub.url}/login", data=form)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/")


# --- pages ----------------------------------------------------------------------------------------


def test_nothing_that_people_write_becomes_markup(
    hub: RunningHub, ada: Person, browser: httpx.Client
) -> None:
    account = accounts.find_account(hub.hub, ada.name)
    accounts.change(hub.hub, account, full_name=SCRIPT, details=SCRIPT)
    lab = organizations.create(
        hub.hub, f"x-{ada.name}", founder=account, full_name=SCRIPT, details=SCRIPT
    )
    repo = ada.create("closed")
    card = "---\n" + json.dumps(
        {
            "extra_gated_prompt": SCRIPT,
            "extra_gated_heading": SCRIPT,
            "extra_gated_fields": {SCRIPT: {"type": "select", "options": [SCRIPT]}},
        }
    )
    assert ada.commit(repo, file("README.md", card + "\n---\n# x")).status_code == 200
    ada.http.put(f"/api/models/{repo}/settings", json={"gated": "manual"})
    ada.http.post(f"/api/models/{repo}/ask-access", json={"fields": {SCRIPT: SCRIPT}})
    ada.http.post(f"/api/models/{repo}/discussions", json={"title": SCRIPT, "description": SCRIPT})
    agent = {"User-Agent": SCRIPT}
    code = httpx.post(f"{hub.url}/oauth/device", data={"client_id": "x"}, headers=agent).json()
    with httpx.Client(base_url=hub.url, headers=agent) as other:
        other.post("/login", data={"name": ada.name, "password": PASSWORD})
    for page in (
        f"/{ada.name}",
        f"/{lab.name}",
        f"/organizations/{lab.name}",
        "/settings/organizations",
        f"/{repo}",
        f"/{repo}/ask-access",
        f"/{repo}/access-requests",
        f"/{repo}/discussions",
        f"/{repo}/discussions/1",
        f"/device?code={code['user_code']}",
        "/device?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/settings/password",
        "/settings/sessions",
        "/settings/tokens",
        "/login?next_page=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/models?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        answer = browser.get(page, headers={"Accept": "text/html"})
        assert answer.status_code in (200, 404), (page, answer.text)
        assert "<script>alert" not in answer.text, page
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


# --- other sites ----------------------------------------------------------------------------------


def test_no_form_of_another_site_is_taken(hub: RunningHub, browser: httpx.Client) -> None:
    """Every page that a browser can send something to, asked as another site's page would."""
    asked = 0
    for route in plain_routes(hub.app.routes):
        if not isinstance(route, PageRoute):
            continue
        for method in (route.methods or set()) - {"GET", "HEAD"}:
            address = route.path.replace("{", "").replace(":path}", "").replace("}", "")
            for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
                answer = browser.request(method, address, headers=headers)
                assert answer.status_code == 403, (method, address, answer.status_code)
                asked += 1
    assert asked > 40


@pytest.mark.parametrize(
    "path", ["/api/whoami-v2", "/api/models", "/api/models/{}", "/api/models/{}/tree/main", "/nope"]
)
def test_no_answer_is_kept_for_others(ada: Person, path: str) -> None:
    """By what stands between: it knows neither tokens nor cookies."""
    repo = f"{ada.name}/kept"
    ada.http.post("/api/repos/create", json={"name": "kept", "visibility": "private"})
    answer = ada.http.get(path.format(repo))
    assert "private" in answer.headers["Cache-Control"]


def test_no_answer_may_be_read_by_another_site(ada: Person) -> None:
    repo = ada.create("shared")
    for path in ("/", f"/{repo}", "/api/models", f"/{repo}/resolve/main/.gitattributes"):
        answer = ada.http.get(path, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


# --- bodies ---------------------------------------------------------------------------------------

SENSELESS: dict[str, bytes] = {
    "nothing": b"",
    "half": b"{",
    "list": b"[]",
    "number": b"3",
    "null": b"null",
    "not text": b"\xff\xfe\x00",
    "half a pair": b'{"name": "\\ud800", "title": "\\ud800", "tag": "\\ud800", "user": "\\ud800"}',
    "deep": b"[" * 50_000,
    "zeros": b'{"name": "\\u0000", "title": "\\u0000", "tag": "\\u0000", "user": "\\u0000"}',
    "large numbers": b'{"size": 1e999, "limit": 99999999999999999999999}',
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with RunningHub(tmp_path_factory.mktemp("senseless")) as hub:
        built = access_world.build(hub)
        yield built
        built.close()


WITH_BODIES = [row for row in ROWS if row.method in ("POST", "PUT", "PATCH", "DELETE")]


@pytest.mark.parametrize("row", WITH_BODIES, ids=lambda row: f"{row.method} {row.path}")
def test_a_body_that_makes_no_sense_breaks_nothing(world: World, row: Row) -> None:
    for name, body in SENSELESS.items():
        asked = Row(row.method, row.path, row.needs, content=body, query=row.query)
        answer = ask(world, asked, "admin", "public")
        assert answer.status_code < 500, (name, answer.status_code, answer.text)


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=99999999999999999999",
        "cursor=%ff",
        "cursor=-1",
        "p=99999999999",
        "page=x",
    ],
)
def test_parameters_that_make_no_sense_break_nothing(world: World, query: str) -> None:
    for row in ROWS:
        if row.method == "GET":
            answer = ask(world, Row("GET", row.path, row.needs, query=query), "admin", "public")
            assert answer.status_code < 500, (row.path, answer.text)


def test_long_headers_are_refused(anyone: httpx.Client) -> None:
    for headers in ({"X-Long": "x" * 200_000}, {"Authorization": "Bearer " + "x" * 60_000}):
        try:
            answer = anyone.get("/api/models", headers=headers)
        except httpx.TransportError:
            continue  # cut off before it was read whole
        assert 400 <= answer.status_code < 500


def test_a_form_with_many_fields_is_refused(anyone: httpx.Client) -> None:
    form: dict[str, Any] = {f"field-{number}": "x" for number in range(5000)}
    for path in ("/login", "/oauth/token", "/oauth/device"):
        assert 400 <= anyone.post(path, data=form).status_code < 500
