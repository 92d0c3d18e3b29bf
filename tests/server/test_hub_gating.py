"""Gated repositories: all see them, and only those who were let in read their files."""

import base64
import hashlib
import subprocess
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
from person import Person, file, large

from graft.server.people import accounts
from graft.server.records import Grant, Scopes
from graft.server.running import RunningHub

BIG = b"\0 a large file " * 1000
CARD = """---
extra_gated_prompt: You agree to be kind.
extra_gated_fields:
  Company: text
  I am kind: checkbox
  Use:
    type: select
    options: [study, label: other]
---
# Closed
"""


def client(hub: RunningHub, person: Person | None) -> HfApi:
    return HfApi(endpoint=hub.url, token=person.token if person else False)


def gated(person: Person, name: str, gate: str = "manual", **given: object) -> str:
    repo = person.create(name, **given)  # type: ignore[arg-type]
    sha256 = person.upload(repo, BIG)
    made = person.commit(
        repo, file("README.md", CARD), file("a.txt", "secret"), large("b.bin", sha256, len(BIG))
    )
    assert made.status_code == 200, made.text
    changed = person.http.put(f"/api/models/{repo}/settings", json={"gated": gate})
    assert changed.status_code == 200, changed.text
    assert changed.json()["gated"] == gate
    return repo


def batch(http: httpx.Client, repo: str) -> httpx.Response:
    sha256 = hashlib.sha256(BIG).hexdigest()
    body = {"operation": "download", "objects": [{"oid": sha256, "size": len(BIG)}]}
    return http.post(f"/{repo}.git/info/lfs/objects/batch", json=body)


def every_way_in(http: httpx.Client, repo: str) -> dict[str, httpx.Response]:
    """All that gives out what is in the files, or lets one in to fetch it."""
    return {
        "small": http.get(f"/{repo}/resolve/main/a.txt"),
        "head": http.head(f"/{repo}/resolve/main/b.bin"),
        "large": http.get(f"/{repo}/resolve/main/b.bin"),
        "lfs": batch(http, repo),
        "git": http.get(f"/{repo}/info/refs", params={"service": "git-upload-pack"}),
        "fetch": http.post(f"/{repo}/git-upload-pack", content=b"0000"),
        "check": http.get(f"/api/models/{repo}/auth-check"),
        "page": http.get(f"/{repo}/blob/main/a.txt"),
        "model": http.post(f"/infer/models/{repo}", json={"inputs": "x"}),
        "xet": http.get(f"/api/models/{repo}/xet-read-token/main"),
    }


def test_all_see_a_gated_repository_and_none_reads_its_files(
    hub: RunningHub, ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = gated(ada, "closed")
    info = client(hub, None).model_info(repo)
    assert info.gated == "manual"
    assert "a.txt" in {s.rfilename for s in info.siblings or []}
    listed = anyone.get("/api/models", params={"author": ada.name, "gated": "true"}).json()
    assert [model["id"] for model in listed] == [repo]
    for http, status in ((bob.http, 403), (anyone, 401)):
        assert http.get(f"/api/models/{repo}/tree/main").status_code == 200
        for way, answer in every_way_in(http, repo).items():
            assert answer.status_code == status, (way, answer.text)
            assert answer.headers["X-Error-Code"] == "GatedRepo", way
            assert b"secret" not in answer.content
    assert "www-authenticate" in every_way_in(anyone, repo)["git"].headers
    assert ada.read(repo, "a.txt") == b"secret"


def test_the_client_says_that_the_repository_is_gated(
    hub: RunningHub, ada: Person, bob: Person, tmp_path: Path
) -> None:
    repo = gated(ada, "told")
    for person in (bob, None):
        with pytest.raises(GatedRepoError, match="restricted"):
            client(hub, person).hf_hub_download(repo, "a.txt", cache_dir=tmp_path)
        with pytest.raises(GatedRepoError):
            client(hub, person).auth_check(repo)
    client(hub, ada).auth_check(repo)


def test_whoever_asks_is_let_in_by_an_automatic_gate(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    repo = gated(ada, "automatic", "auto")
    assert bob.http.get(f"/{repo}/resolve/main/a.txt").status_code == 403
    asked = bob.http.post(f"/api/models/{repo}/ask-access")
    assert asked.json() == {"status": "accepted"}
    for way, answer in every_way_in(bob.http, repo).items():
        assert answer.headers.get("X-Error-Code") != "GatedRepo", way
    assert bob.read(repo, "a.txt") == b"secret"
    assert [r.username for r in client(hub, ada).list_accepted_access_requests(repo)] == [bob.name]


def test_an_owner_decides_at_a_manual_gate(hub: RunningHub, ada: Person, bob: Person) -> None:
    repo, api = gated(ada, "manual"), client(hub, ada)
    asked = bob.http.post(f"/api/models/{repo}/ask-access", json={"fields": {"Company": "B"}})
    assert asked.json() == {"status": "pending"}
    assert bob.http.post(f"/api/models/{repo}/ask-access").json() == {"status": "pending"}
    (request,) = api.list_pending_access_requests(repo)
    assert (request.username, request.fields) == (bob.name, {"Company": "B"})
    assert "not been answered" in bob.http.get(f"/{repo}/resolve/main/a.txt").json()["error"]
    api.accept_access_request(repo, bob.name)
    assert bob.read(repo, "a.txt") == b"secret"
    api.reject_access_request(repo, bob.name, rejection_reason="Too late")
    assert "rejected" in bob.http.get(f"/{repo}/resolve/main/a.txt").json()["error"]
    (request,) = api.list_rejected_access_requests(repo)
    api.accept_access_request(repo, request_id=request.request_id)
    assert bob.read(repo, "a.txt") == b"secret"
    api.cancel_access_request(repo, bob.name)
    assert bob.http.get(f"/{repo}/resolve/main/a.txt").status_code == 403
    assert [r.username for r in api.list_pending_access_requests(repo)] == [bob.name]


def test_access_is_granted_without_asking_but_not_twice(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    repo, api = gated(ada, "granted"), client(hub, ada)
    api.grant_access(repo, bob.name)
    assert bob.read(repo, "a.txt") == b"secret"
    for again in (
        lambda: api.grant_access(repo, bob.name),
        lambda: api.accept_access_request(repo, bob.name),
        lambda: api.accept_access_request(repo, "nobody-here"),
        lambda: api.accept_access_request(repo, request_id="f" * 24),
    ):
        with pytest.raises(HfHubHTTPError):
            again()


def test_only_those_who_may_change_it_see_and_decide(
    hub: RunningHub, ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = gated(ada, "discreet")
    bob.http.post(f"/api/models/{repo}/ask-access")
    root = f"/api/models/{repo}/user-access-request"
    for http, status in ((bob.http, 403), (anyone, 401)):
        assert http.get(f"{root}/pending").status_code == status
        body = {"user": bob.name, "status": "accepted"}
        assert http.post(f"{root}/handle", json=body).status_code == status
        assert http.post(f"{root}/grant", json={"user": bob.name}).status_code == status
        assert http.put(f"/api/models/{repo}/settings", json={"gated": False}).status_code == status
    assert bob.http.get(f"/{repo}/resolve/main/a.txt").status_code == 403


def test_what_is_not_gated_has_no_requests(hub: RunningHub, ada: Person, bob: Person) -> None:
    repo = ada.create("open")
    with pytest.raises(HfHubHTTPError, match="not gated"):
        list(client(hub, ada).list_pending_access_requests(repo))
    assert bob.http.post(f"/api/models/{repo}/ask-access").status_code == 400


def test_an_opened_gate_lets_everybody_in(ada: Person, anyone: httpx.Client) -> None:
    repo = gated(ada, "opened")
    ada.http.put(f"/api/models/{repo}/settings", json={"gated": False})
    assert anyone.get(f"/{repo}/resolve/main/a.txt").text == "secret"


def test_settings_change_together_or_not_at_all(ada: Person, anyone: httpx.Client) -> None:
    repo = ada.create("all-or-nothing", private=True)
    settings = f"/api/models/{repo}/settings"
    wanted = {"visibility": "public", "gated": "manual", "protectedBranches": ["a..b"]}
    refused = ada.http.put(settings, json=wanted)
    assert refused.status_code == 400
    assert "a..b" in refused.json()["error"]
    info = ada.http.get(f"/api/models/{repo}").json()
    assert (info["private"], info["gated"]) == (True, False)
    assert anyone.get(f"/api/models/{repo}").status_code == 404
    changed = ada.http.put(settings, json=wanted | {"protectedBranches": ["main"]})
    assert changed.json() == {"private": False, "gated": "manual", "protectedBranches": ["main"]}
    assert ada.http.put(settings, json={}).json() == changed.json()


def test_a_gated_files_hash_is_not_the_file(ada: Person, bob: Person) -> None:
    repo, mine = gated(ada, "hashed"), bob.create("mine")
    sha256 = hashlib.sha256(BIG).hexdigest()
    other = large("stolen.bin", hashlib.sha256(b"x" + BIG).hexdigest(), len(BIG) + 1)
    assert bob.commit(mine, other).status_code == 400
    unique = b"only here" + BIG
    key = ada.upload(repo, unique)
    assert ada.commit(repo, large("c.bin", key, len(unique))).status_code == 200
    assert bob.commit(mine, large("stolen.bin", key, len(unique))).status_code == 400
    assert bob.lfs(mine, "upload", key, len(unique))["actions"]["upload"]
    assert sha256 != key


def test_git_clones_a_gated_repository_only_when_let_in(
    hub: RunningHub, ada: Person, bob: Person, tmp_path: Path
) -> None:
    repo = gated(ada, "cloned", "auto")
    address = f"http://{bob.name}:{bob.token}@127.0.0.1:{hub.port}/{repo}"
    command = ["git", "-c", "credential.helper=", "clone", "-q", address, str(tmp_path / "c")]
    environment = {"PATH": "/usr/bin:/bin", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    refused = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert refused.returncode != 0
    bob.http.post(f"/api/models/{repo}/ask-access")
    subprocess.run(command, env=environment, capture_output=True, check=True)
    assert (tmp_path / "c" / "a.txt").read_text() == "secret"


def test_a_fine_grained_token_needs_leave_for_gated_files(
    hub: RunningHub, ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = gated(ada, "fine", "auto")
    bob.http.post(f"/api/models/{repo}/ask-access")
    account = accounts.find_account(hub.hub, bob.name)
    for index, (scopes, status) in enumerate(
        [
            (Scopes(), 403),
            (Scopes(gated=True), 200),
            (Scopes(grants=(Grant("user", account.id, frozenset({"repo.write"})),)), 403),
        ]
    ):
        _, token = accounts.create_token(
            hub.hub, account, name=f"fine {index}", role="fine-grained", scopes=scopes
        )
        pair = base64.b64encode(f"x:{token}".encode()).decode()
        answer = anyone.get(
            f"/{repo}/resolve/main/a.txt", headers={"Authorization": f"Basic {pair}"}
        )
        assert answer.status_code == status, answer.text


def test_an_owners_token_without_leave_is_told_so(
    hub: RunningHub, ada: Person, anyone: httpx.Client
) -> None:
    repo = gated(ada, "own-fine")
    account = accounts.find_account(hub.hub, ada.name)
    _, token = accounts.create_token(
        hub.hub, account, name="nothing", role="fine-grained", scopes=Scopes()
    )
    headers = {"Authorization": f"Bearer {token}"}
    refused = anyone.get(f"/{repo}/resolve/main/a.txt", headers=headers)
    assert refused.status_code == 403
    assert "the token 'nothing' has no permission" in refused.json()["error"]


def test_the_pages_ask_and_decide(hub: RunningHub, ada: Person, bob: Person) -> None:
    repo = gated(ada, "paged")
    for person in (ada, bob):
        account = accounts.find_account(hub.hub, person.name)
        accounts.set_password(hub.hub, account, "long enough")
    with httpx.Client(base_url=hub.url, timeout=60) as visitor:
        asked = visitor.get(f"/{repo}/ask-access")
        assert asked.headers["Location"].startswith("/login?next_page=")
        visitor.post("/login", data={"name": bob.name, "password": "long enough"})
        page = visitor.get(f"/{repo}/ask-access").text
        assert "You agree to be kind." in page
        assert "Company" in page
        assert "<option>other</option>" in page
        short = visitor.post(f"/{repo}/ask-access", data={"field-0": "B & Sons"})
        assert short.status_code == 400
        answers = {"field-0": "B <b>& Sons", "field-1": "yes", "field-2": "other"}
        sent = visitor.post(f"/{repo}/ask-access", data=answers)
        assert sent.status_code == 303
        assert "have not answered" in visitor.get(f"/{repo}").text
        assert visitor.get(f"/{repo}/access-requests").status_code == 403
    with httpx.Client(base_url=hub.url, timeout=60) as owner:
        owner.post("/login", data={"name": ada.name, "password": "long enough"})
        page = owner.get(f"/{repo}/access-requests").text
        assert "B &lt;b&gt;&amp; Sons" in page
        number = page.partition('name="number" value="')[2].partition('"')[0]
        forged = owner.post(
            f"/{repo}/access-requests",
            data={"number": number, "status": "accepted"},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert forged.status_code == 403
        done = owner.post(f"/{repo}/access-requests", data={"number": number, "status": "accepted"})
        assert done.status_code == 303
    assert bob.read(repo, "a.txt") == b"secret"


def test_who_may_propose_reads_no_files(ada: Person, bob: Person) -> None:
    """A token for uploads opens what is there, too: it is for those who were let in."""
    repo = gated(ada, "proposing", "auto")
    token = f"/api/models/{repo}/xet-write-token/main"
    for asked in (token, f"/api/models/{repo}/xet-write-token/refs/pr/1"):
        refused = bob.http.get(asked, params={"create_pr": 1})
        assert refused.status_code == 403
        assert refused.headers["X-Error-Code"] == "GatedRepo"
    bob.http.post(f"/api/models/{repo}/ask-access")
    given = bob.http.get(token, params={"create_pr": 1}).json()
    files = ada.http.get(f"/api/models/{repo}/tree/main").json()
    (key,) = {entry["xetHash"] for entry in files if "xetHash" in entry}
    rebuilt = f"{given['casUrl']}/v1/reconstructions/{key}"
    headers = {"Authorization": f"Bearer {given['accessToken']}"}
    assert httpx.get(rebuilt, headers=headers).status_code == 200
    decision = {"user": bob.name, "status": "rejected"}
    address = f"/api/models/{repo}/user-access-request/handle"
    assert ada.http.post(address, json=decision).status_code == 200
    assert httpx.get(rebuilt, headers=headers).status_code == 403
