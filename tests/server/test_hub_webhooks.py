"""Webhooks: the stock client, what is sent, and where nothing is sent."""

import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, WebhookPayload
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import WebhookWatchedItem
from person import Person, file

from graft.server.community import deliveries, sending
from graft.server.community.deliveries import PAUSES, Courier
from graft.server.community.sending import is_public
from graft.server.hub import Hub
from graft.server.running import RunningHub
from graft.server.settings import Settings
from waiting import wait_until

SECRET = "between us"


class Listener:
    """Somebody's server, which webhooks are sent to."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], dict[str, Any], bytes]] = []
        self.paths: set[str] = set()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.paths.add(self.path)
                listener.received.append((headers, json.loads(body), body))
                self.send_response(listener.status)
                self.send_header("Location", f"{listener.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests that pass say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, scope: str, action: str = "update") -> dict[str, Any]:
        """The body of the first message of that kind."""
        wanted = {"scope": scope, "action": action}

        def found() -> dict[str, Any] | None:
            bodies = [body for _, body, _ in list(self.received)]
            return next((body for body in bodies if body["event"] == wanted), None)

        return wait_until(found, f"no {scope} {action} came")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A Hub of its own, which may send to this machine."""
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(folder, webhook_private_addresses=True) as running:
        yield running


@pytest.fixture
def api(hub: RunningHub) -> Callable[[Person], HfApi]:
    return lambda person: HfApi(endpoint=hub.url, token=person.token)


Api = Callable[[Person], HfApi]


def test_the_stock_client_looks_after_webhooks(api: Api, ada: Person, bob: Person) -> None:
    mine = api(ada)
    made = mine.create_webhook(
        url="https://hooks.example/here",
        watched=[WebhookWatchedItem(type="user", name="ada"), {"type": "org", "name": "HF-X"}],
        domains=["repo", "discussion"],
        secret=SECRET,
    )
    assert (made.url, made.secret, made.disabled) == ("https://hooks.example/here", SECRET, False)
    assert [(w.type, w.name) for w in made.watched] == [("user", "ada"), ("org", "HF-X")]
    assert mine.get_webhook(made.id) == made
    assert mine.list_webhooks() == [made]
    assert api(bob).list_webhooks() == []
    changed = mine.update_webhook(made.id, url="https://hooks.example/there", domains=["repo"])
    assert (changed.url, changed.domains) == ("https://hooks.example/there", ["repo"])
    assert changed.watched == made.watched
    assert mine.disable_webhook(made.id).disabled
    assert not mine.enable_webhook(made.id).disabled
    for act in ("get_webhook", "disable_webhook", "delete_webhook"):
        with pytest.raises(HfHubHTTPError) as refused:
            getattr(api(bob), act)(made.id)
        assert refused.value.response.status_code == 404
    mine.delete_webhook(made.id)
    with pytest.raises(HfHubHTTPError):
        mine.get_webhook(made.id)


def test_a_commit_is_told_and_signed(api: Api, ada: Person, listener: Listener) -> None:
    repo = ada.create("watched")
    watched = [{"type": "model", "name": repo}]
    webhook = api(ada).create_webhook(url=f"{listener.url}/in?x=1", watched=watched, secret=SECRET)
    before = ada.head(repo)
    assert ada.commit(repo, file("a.txt", "a")).status_code == 200
    body = listener.wait("repo.content")
    payload = WebhookPayload.model_validate(body)
    assert payload.webhook.id == webhook.id
    assert (payload.repo.type, payload.repo.name, payload.repo.private) == ("model", repo, False)
    [moved] = payload.updatedRefs or []
    assert (moved.ref, moved.oldSha, moved.newSha) == ("refs/heads/main", before, ada.head(repo))
    assert body["repo"]["headSha"] == ada.head(repo)
    assert ada.http.get(payload.repo.url.api or "").json()["id"] == repo
    headers, _, raw = listener.received[0]
    assert headers["x-webhook-secret"] == SECRET
    expected = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == expected
    assert headers["content-type"] == "application/json"


def test_what_is_said_and_merged_is_told(
    api: Api, ada: Person, bob: Person, listener: Listener
) -> None:
    repo = ada.create("talked-over")
    watched = [{"type": "user", "name": ada.name.upper()}]
    api(ada).create_webhook(url=listener.url, watched=watched, domains=["discussion"])
    api(bob).create_discussion(repo, "A question", description="Why?")
    opened = WebhookPayload.model_validate(listener.wait("discussion", "create"))
    assert opened.discussion is not None
    assert opened.comment is not None
    assert (opened.discussion.num, opened.discussion.title) == (1, "A question")
    assert (opened.comment.content, opened.comment.hidden) == ("Why?", False)
    assert opened.discussion.author == opened.comment.author
    api(bob).comment_discussion(repo, 1, "Anybody?")
    said = WebhookPayload.model_validate(listener.wait("discussion.comment", "create"))
    assert said.comment is not None
    assert said.comment.content == "Anybody?"
    listener.received.clear()
    api(ada).create_commit(
        repo, [CommitOperationAdd("b.txt", b"b")], commit_message="Add b", create_pr=True
    )
    told = WebhookPayload.model_validate(listener.wait("discussion", "create"))
    assert told.discussion is not None
    assert told.discussion.isPullRequest
    assert told.discussion.changes is not None
    assert told.discussion.changes.base == "refs/heads/main"
    api(ada).merge_pull_request(repo, 2)
    merged = WebhookPayload.model_validate(listener.wait("discussion", "update"))
    assert merged.discussion is not None
    assert merged.discussion.status == "merged"
    assert merged.discussion.changes is not None
    assert merged.discussion.changes.mergeCommitId == ada.head(repo)
    assert {b["event"]["scope"].partition(".")[0] for _, b, _ in listener.received} == {
        "discussion"
    }


def test_a_private_repository_is_told_of_to_its_own_only(
    api: Api, ada: Person, bob: Person, listener: Listener
) -> None:
    secret, public = ada.create("inside", private=True), ada.create("outside")
    watched = [{"type": "user", "name": ada.name}, {"type": "model", "name": secret}]
    api(bob).create_webhook(url=listener.url, watched=watched)
    assert ada.commit(secret, file("a.txt", "a")).status_code == 200
    assert ada.commit(public, file("a.txt", "a")).status_code == 200
    assert listener.wait("repo.content")["repo"]["name"] == public
    assert {body["repo"]["name"] for _, body, _ in listener.received} == {public}


def test_each_change_of_settings_is_told_once(
    api: Api, ada: Person, bob: Person, listener: Listener
) -> None:
    repo = ada.create("configured")
    api(bob).create_webhook(url=listener.url, watched=[{"type": "model", "name": repo}])
    settings = f"/api/models/{repo}/settings"
    for _ in range(2):
        body = {"gated": "auto", "protectedBranches": ["main"]}
        assert ada.http.put(settings, json=body).status_code == 200
    listener.wait("repo.config")
    assert ada.commit(repo, file("a.txt", "a")).status_code == 200
    listener.wait("repo.content")
    told = [body["event"]["scope"] for _, body, _ in listener.received]
    assert told.count("repo.config") == 1


def test_a_new_name_is_known_to_those_only_who_may_see_it(
    api: Api, ada: Person, bob: Person, listener: Listener
) -> None:
    secret, public = ada.create("guessed", private=True), ada.create("known")
    watched = [{"type": "model", "name": secret}, {"type": "model", "name": public}]
    made = {
        person.name: api(person).create_webhook(url=listener.url, watched=watched)
        for person in (ada, bob)
    }
    for name in (secret, public):
        api(ada).move_repo(name, f"{name}-renamed")

    def watches(person: Person) -> list[str]:
        return [item.name for item in api(person).get_webhook(made[person.name].id).watched]

    assert watches(ada) == [f"{secret}-renamed", f"{public}-renamed"]
    assert watches(bob) == [secret, f"{public}-renamed"]


def test_where_a_private_repository_went_is_not_told_its_old_owners_members(
    api: Api, ada: Person, bob: Person, listener: Listener
) -> None:
    club = f"club-of-{ada.name}"
    assert ada.http.post("/api/organizations/create", json={"name": club}).status_code == 200
    member = f"/api/organizations/{club}/members/{bob.name}"
    assert ada.http.put(member, json={"role": "read"}).status_code == 200
    api(ada).create_repo(f"{club}/shared", private=True)
    api(bob).create_webhook(url=listener.url, watched=[{"type": "org", "name": club}])
    api(ada).move_repo(f"{club}/shared", f"{club}/named")
    assert listener.wait("repo", "move")["movedTo"]["name"] == f"{club}/named"
    listener.received.clear()
    api(ada).move_repo(f"{club}/named", f"{ada.name}/taken-home")
    assert "movedTo" not in listener.wait("repo", "move")


def test_one_that_is_off_is_not_told(api: Api, ada: Person, listener: Listener) -> None:
    repo = ada.create("quiet")
    watched = [{"type": "model", "name": repo}]
    off = api(ada).create_webhook(url=f"{listener.url}/off", watched=watched)
    api(ada).disable_webhook(off.id)
    api(ada).create_webhook(url=f"{listener.url}/on", watched=watched)
    assert ada.commit(repo, file("a.txt", "a")).status_code == 200
    listener.wait("repo.content")
    log = ada.http.get(f"/api/settings/webhooks/{off.id}/deliveries").json()
    assert log == []


def test_the_log_says_what_became_of_it(api: Api, ada: Person, listener: Listener) -> None:
    listener.status = 302
    repo = ada.create("logged")
    made = api(ada).create_webhook(url=listener.url, watched=[{"type": "model", "name": repo}])
    assert ada.commit(repo, file("a.txt", "a")).status_code == 200
    listener.wait("repo.content")
    address = f"/api/settings/webhooks/{made.id}/deliveries"

    def newest() -> dict[str, Any]:
        found: dict[str, Any] = ada.http.get(address).json()[0]
        return found

    wait_until(lambda: newest()["error"])
    assert newest()["status"] == "waiting"
    assert "redirects are not followed" in newest()["error"]
    assert listener.paths == {"/"}
    listener.status = 200
    api(ada).disable_webhook(made.id)
    assert newest()["status"] == "failed"
    assert ada.http.post(f"{address}/{newest()['id']}/replay").status_code == 400
    api(ada).enable_webhook(made.id)
    assert ada.http.post(f"{address}/{newest()['id']}/replay").status_code == 200
    wait_until(lambda: newest()["status"] != "waiting")
    assert (newest()["status"], newest()["responseStatus"]) == ("delivered", 200)


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Hub]:
    """A Hub whose courier works only when it is told to."""
    hub = Hub(Settings(data_folder=tmp_path / "still", webhook_private_addresses=True))
    yield hub
    hub.close()


def _prepare(hub: Hub, url: str) -> None:
    """An account with a webhook for its own, and a repository: one message to send."""
    from graft.server.community import webhooks
    from graft.server.events import Event, emit
    from graft.server.people import accounts
    from graft.server.records import Kind, User
    from graft.server.repositories import lifecycle

    user = User(accounts.create_account(hub, "ada"), "write", "a test")
    watched = [webhooks.Watched("user", "ada")]
    webhooks.create(hub, user, url=url, watched=watched, domains=["repo"])
    repository = lifecycle.create(hub, Kind.MODEL, "ada", "model", private=False, user=user)
    with hub.database.writing() as session:
        session.execute(deliveries.delete(deliveries.EventRow))
        emit(session, Event("repo.config", "update", repository))


def test_it_is_tried_again_later_and_later_then_given_up(still: Hub, listener: Listener) -> None:
    _prepare(still, listener.url)
    listener.status = 503
    courier, now = Courier(), datetime.now(UTC)
    assert courier.work(still, now)
    assert len(listener.received) == 1
    for pause in PAUSES:
        assert not courier.work(still, now + pause - timedelta(seconds=1))
        now += pause
        assert courier.work(still, now)
    assert len(listener.received) == 1 + len(PAUSES)
    assert len({headers["x-webhook-delivery"] for headers, _, _ in listener.received}) == 1
    assert not courier.work(still, now + timedelta(days=10))
    with still.database.reading() as session:
        row = session.scalars(deliveries.select(deliveries.DeliveryRow)).one()
        assert (row.status, row.response_status) == ("failed", 503)
    courier.work(still, now + timedelta(days=40))
    with still.database.reading() as session:
        assert session.scalars(deliveries.select(deliveries.DeliveryRow)).all() == []


def test_a_change_that_fails_is_not_told(still: Hub, listener: Listener) -> None:
    from graft.server.events import Event, emit

    _prepare(still, listener.url)
    Courier().work(still)
    listener.received.clear()
    with still.database.reading() as session:
        row = session.scalars(deliveries.select(deliveries.DeliveryRow)).one()
        assert json.loads(row.body)["event"]["scope"] == "repo.config"
    from graft.server.records import Kind
    from graft.server.repositories import repos

    repository = repos.find(still, Kind.MODEL, "ada", "model", None)

    def fail() -> None:
        with still.database.writing() as session:
            emit(session, Event("repo", "delete", repository))
            raise RuntimeError("after all not")

    with pytest.raises(RuntimeError):
        fail()
    assert not Courier().work(still, datetime.now(UTC))
    assert listener.received == []


def test_two_couriers_send_it_once(still: Hub, listener: Listener) -> None:
    _prepare(still, listener.url)
    couriers = [Thread(target=Courier().work, args=[still]) for _ in range(4)]
    for courier in couriers:
        courier.start()
    for courier in couriers:
        courier.join()
    Courier().work(still)
    assert len(listener.received) == 1


def test_one_that_never_answers_is_given_up(still: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _prepare(still, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert Courier().work(still)
    with still.database.reading() as session:
        row = session.scalars(deliveries.select(deliveries.DeliveryRow)).one()
        assert (row.status, row.attempts) == ("waiting", 1)
        assert "did not answer" in row.error


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost:8080",
        "http://db.internal/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.8/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.8]/",
        "http://[64:ff9b::a00:8]/",
        "http://[2002:a00:8::]/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://ada:secret@example.com/",
        "https://",
        "https://exa mple.com/",
        "https://example.com:99999/",
        "",
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, url: str) -> None:
    from graft.server.community import webhooks
    from graft.server.errors import BadRequestError

    hub = Hub(Settings(data_folder=tmp_path))
    with pytest.raises(BadRequestError):
        webhooks.check_address(hub, url)
    hub.close()


def test_a_name_that_leads_inside_is_not_sent_to(tmp_path: Path, listener: Listener) -> None:
    hub = Hub(Settings(data_folder=tmp_path, webhook_private_addresses=True))
    _prepare(hub, listener.url)
    object.__setattr__(hub.settings, "webhook_private_addresses", False)
    Courier().work(hub)
    assert listener.received == []
    with hub.database.reading() as session:
        row = session.scalars(deliveries.select(deliveries.DeliveryRow)).one()
        assert "own network" in row.error
    hub.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("::", False),
        ("::7f00:1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", False),
        ("192.0.0.192", False),
        ("fec0::1", False),
        ("3fff::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://a.example", "watched": []},
        {"url": "https://a.example", "watched": [{"type": "planet", "name": "x"}]},
        {"url": "https://a.example", "watched": [{"type": "user", "name": "x"}], "domains": []},
        {"url": "https://a.example", "watched": [{"type": "user", "name": "x"}], "secret": "é\n"},
        {"jobSourceId": "1", "watched": [{"type": "user", "name": "x"}]},
    ],
)
def test_settings_that_make_no_sense(ada: Person, body: dict[str, object]) -> None:
    answer = ada.http.post("/api/settings/webhooks", json=body)
    assert answer.status_code == 400, answer.text


def test_a_read_token_may_look_and_not_change(hub: RunningHub, ada: Person) -> None:
    reader = HfApi(endpoint=hub.url, token=hub.add_user(f"{ada.name}-reads", role="read"))
    assert reader.list_webhooks() == []
    for who, status in ((reader, 403), (HfApi(endpoint=hub.url, token=False), 401)):
        with pytest.raises(HfHubHTTPError) as refused:
            who.create_webhook(url="https://a.example", watched=[{"type": "user", "name": "x"}])
        assert refused.value.response.status_code == status


def test_the_command_line(hub: RunningHub, ada: Person, hf: Callable[[str], str]) -> None:
    hf(f"webhooks create --url https://a.example/in --watch user:{ada.name}")
    [made] = HfApi(endpoint=hub.url, token=ada.token).list_webhooks()
    assert made.id in hf("webhooks ls --format json")
    hf(f"webhooks disable {made.id}")
    assert "https://a.example/in" in hf(f"webhooks info {made.id} --format json")
    hf(f"webhooks update {made.id} --url https://b.example/in")
    hf(f"webhooks enable {made.id}")
    hf(f"webhooks delete {made.id} --yes")
    assert HfApi(endpoint=hub.url, token=ada.token).list_webhooks() == []
