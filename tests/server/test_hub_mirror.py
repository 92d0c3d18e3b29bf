"""A Hub that mirrors another one: what is not here comes from there, and stays."""

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import httpx
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError
from person import CARD, Person, file, large

from graft.server.mirror.asking import MOST_WAITING
from graft.server.running import RunningHub
from waiting import wait_until


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[RunningHub]:
    """The other hub."""
    with RunningHub(tmp_path / "origin") as hub:
        yield hub


@pytest.fixture
def ann(origin: RunningHub) -> Iterator[Person]:
    """Somebody with an account there."""
    yield from person(origin, "ann")


@pytest.fixture
def mirror(origin: RunningHub, tmp_path: Path) -> Iterator[RunningHub]:
    """The Hub that mirrors it, and looks for changes at every request."""
    with RunningHub(tmp_path / "mirror", upstream=origin.url, upstream_max_age=0) as hub:
        yield hub


@pytest.fixture
def ben(mirror: RunningHub) -> Iterator[Person]:
    """Somebody with an account here."""
    yield from person(mirror, "ben")


def person(hub: RunningHub, name: str) -> Iterator[Person]:
    token = hub.add_user(name)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=hub.url, headers=headers, timeout=60) as client:
        yield Person(name, token, client)


WEIGHTS = os.urandom(3_000_000)


@pytest.fixture
def model(ann: Person) -> str:
    """A model there, with a card and a large file."""
    repo = ann.create("model")
    sha256 = ann.upload(repo, WEIGHTS)
    made = ann.commit(
        repo, file("README.md", CARD), large("model.safetensors", sha256, len(WEIGHTS))
    )
    assert made.status_code == 200, made.text
    return repo


def requests(hub: RunningHub) -> list[str]:
    """The routes that the hub was asked for, once for each request."""
    text = httpx.get(f"{hub.url}/metrics").text
    counts = [line for line in text.splitlines() if line.startswith("graft_requests_total{")]
    routes = []
    for line in counts:
        name, _, count = line.rpartition(" ")
        routes += [name] * int(count)
    return routes


def count(hub: RunningHub, part: str) -> int:
    return sum(part in route for route in requests(hub))


def test_what_is_not_here_comes_from_there(
    origin: RunningHub, ann: Person, ben: Person, model: str
) -> None:
    there, here = (who.http.get(f"/api/models/{model}").json() for who in (ann, ben))
    assert here["sha"] == there["sha"]
    assert here["siblings"] == there["siblings"]
    assert here["pipeline_tag"] == "text-classification"
    assert here["mirroredFrom"] == f"{origin.url}/{model}"
    assert "mirroredFrom" not in there
    tree = f"/api/models/{model}/tree/main"
    oids = [[(e["path"], e["oid"]) for e in who.http.get(tree).json()] for who in (ann, ben)]
    assert oids[0] == oids[1]
    assert ben.read(model, "README.md").decode() == CARD
    assert ben.read(model, "model.safetensors") == WEIGHTS
    refs = ben.http.get(f"/api/models/{model}/refs").json()
    assert [ref["name"] for ref in refs["branches"]] == ["main"]
    commits = ben.http.get(f"/api/models/{model}/commits/main").json()
    assert [commit["title"] for commit in commits] == ["A change", "initial commit"]


def test_a_file_comes_once_however_many_ask(
    origin: RunningHub, mirror: RunningHub, ben: Person, model: str
) -> None:
    ben.http.get(f"/api/models/{model}")

    def read(number: int) -> bytes:
        start = 1000 * number
        headers = {"Range": f"bytes={start}-"}
        answer = httpx.get(f"{mirror.url}/{model}/resolve/main/model.safetensors", headers=headers)
        assert answer.status_code == 206 if start else 200
        return answer.content

    before = count(origin, "/info/lfs/objects/{repository_id}")
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(read, range(8)))
    assert all(part == WEIGHTS[1000 * number :] for number, part in enumerate(parts))
    assert read(9) == WEIGHTS[9000:]
    assert count(origin, "/info/lfs/objects/{repository_id}") == before + 1


def test_the_first_who_ask_at_once_fetch_once(
    origin: RunningHub, mirror: RunningHub, model: str
) -> None:
    def ask(_: int) -> int:
        return httpx.get(f"{mirror.url}/api/models/{model}", timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {200}
    assert count(origin, "info/refs") == 1


def test_changes_there_are_seen_here(ann: Person, ben: Person, model: str) -> None:
    ben.http.get(f"/api/models/{model}")
    ann.commit(model, file("new.txt", "new"))
    ann.http.post(f"/api/models/{model}/tag/main", json={"tag": "v1"})
    assert ben.read(model, "new.txt") == b"new"
    assert ben.head(model) == ann.head(model)
    assert ben.read(model, "new.txt", "v1") == b"new"


def test_what_is_here_is_served_while_the_other_hub_is_away(
    origin: RunningHub, ben: Person, model: str
) -> None:
    assert ben.read(model, "model.safetensors") == WEIGHTS
    origin.stop()
    assert ben.read(model, "model.safetensors") == WEIGHTS
    assert ben.http.get(f"/api/models/{model}").status_code == 200
    unknown = ben.http.get("/api/models/ann/other")
    assert unknown.status_code == 503
    assert "does not answer" in unknown.json()["error"]


def test_a_large_file_that_cannot_be_fetched_is_told_before_any_byte(
    origin: RunningHub, ben: Person, model: str
) -> None:
    ben.http.get(f"/api/models/{model}")
    origin.stop()
    answer = ben.http.get(f"/{model}/resolve/main/model.safetensors")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]


class Listener(ThreadingHTTPServer):
    """A hub that has nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        super().__init__(("127.0.0.1", 0), Nothing)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Nothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.headers.append(f"{self.path}\n{self.headers}")
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("token", ["", "the-operators-own"])
def test_no_token_of_this_hub_is_sent_there(listener: Listener, tmp_path: Path, token: str) -> None:
    settings = {"upstream": listener.url, "upstream_token": token}
    with RunningHub(tmp_path / "hub", **settings) as hub:
        for ben in person(hub, "ben"):
            ben.http.cookies.set("graft_session", "a-cookie")
            assert ben.http.get("/api/models/a/b").status_code == 404
            assert ben.http.get("/datasets/a/b/resolve/main/x").status_code == 404
            assert ben.http.get("/a/b/info/refs?service=git-upload-pack").status_code == 404
            assert len(listener.headers) == 2  # the git address names the model, asked for before
            told = "".join(listener.headers)
            assert ben.token not in told
            assert "a-cookie" not in told
            assert "ben" not in told
            assert ("Bearer the-operators-own" in told) == bool(token)


class Silent(BaseHTTPRequestHandler):
    """Answers when the server is told that it may."""

    may_answer = Event()
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.may_answer.wait(60)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


def test_a_hub_that_does_not_answer_holds_up_nothing_else(tmp_path: Path) -> None:
    """Each who asks for what is not here waits in a thread."""
    Silent.may_answer.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server, ThreadPoolExecutor(200) as pool:
        Thread(target=server.serve_forever, daemon=True).start()
        upstream = f"http://127.0.0.1:{server.server_port}"
        with RunningHub(tmp_path / "hub", upstream=upstream) as hub:
            for ben in person(hub, "ben"):
                here = ben.create("here")
                address = f"{hub.url}/api/models/there/{{}}"
                asked = [
                    pool.submit(httpx.get, address.format(number), timeout=90)
                    for number in range(200)
                ]
                done = 0
                while done < 200 - MOST_WAITING:
                    assert ben.http.get(f"/api/models/{here}/tree/main").status_code == 200
                    done = sum(each.done() for each in asked)
                busy = [each.result() for each in asked if each.done()]
                assert {(a.status_code, a.headers["Retry-After"]) for a in busy} == {(503, "5")}
                Silent.may_answer.set()
                assert {each.result().status_code for each in asked} == {404, 503}
        server.shutdown()


def test_a_class_may_ask_for_the_same_at_once(tmp_path: Path) -> None:
    Silent.may_answer.clear()
    Silent.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server, ThreadPoolExecutor(30) as pool:
        Thread(target=server.serve_forever, daemon=True).start()
        upstream = f"http://127.0.0.1:{server.server_port}"
        with RunningHub(tmp_path / "hub", upstream=upstream) as hub:
            address = f"{hub.url}/api/models/there/lesson"
            asked = [pool.submit(httpx.get, address, timeout=90) for _ in range(30)]
            metrics = hub.app.state.traffic.metrics
            wait_until(lambda: metrics.in_flight == 30 or any(each.done() for each in asked))
            Silent.may_answer.set()
            assert {each.result().status_code for each in asked} == {404}
            assert len(Silent.asked) == 1
        server.shutdown()


def test_nobody_changes_what_is_mirrored(ben: Person, model: str) -> None:
    ben.http.get(f"/api/models/{model}")
    assert ben.commit(model, file("a.txt", "a")).status_code == 403
    settings = ben.http.put(f"/api/models/{model}/settings", json={"private": True})
    assert settings.status_code == 403


def test_what_is_nowhere_is_asked_for_once(origin: RunningHub, ben: Person) -> None:
    for _ in range(3):
        missing = ben.http.get("/api/models/ann/none")
        assert (missing.status_code, missing.headers["X-Error-Code"]) == (404, "RepoNotFound")
    assert count(origin, 'route="/api/{kind}/{owner}/{name}",status="404"') == 1


def test_names_of_accounts_here_are_not_looked_for_there(
    origin: RunningHub, mirror: RunningHub, ben: Person
) -> None:
    for impostor in person(origin, "ben"):
        impostor.create("wanted")
    missing = httpx.get(f"{mirror.url}/api/models/ben/wanted")
    assert missing.status_code == 404


def test_private_repositories_stay_there(ann: Person, ben: Person) -> None:
    ann.create("secret", private=True)
    assert ben.http.get("/api/models/ann/secret").status_code == 404


def test_what_became_private_there_is_shown_to_nobody_here(
    ann: Person, ben: Person, model: str
) -> None:
    assert ben.http.get(f"/api/models/{model}").status_code == 200
    ann.http.put(f"/api/models/{model}/settings", json={"private": True}).raise_for_status()
    for _ in range(3):
        assert ben.http.get(f"/api/models/{model}").status_code == 404


def test_files_that_wait_for_others_hold_up_nothing(
    mirror: RunningHub, ann: Person, ben: Person
) -> None:
    """More large files are asked for than come at once, and than there are threads."""
    repo = ann.create("many")
    files = {f"{number}.bin": os.urandom(50_000) for number in range(60)}
    changes = [large(name, ann.upload(repo, data), len(data)) for name, data in files.items()]
    assert ann.commit(repo, *changes).status_code == 200
    ben.http.get(f"/api/models/{repo}")
    with ThreadPoolExecutor(len(files)) as pool:
        for name, data in zip(
            files, pool.map(lambda name: ben.read(repo, name), files), strict=True
        ):
            assert data == files[name]


def test_stock_clients(mirror: RunningHub, ben: Person, model: str, tmp_path: Path) -> None:
    given = {"endpoint": mirror.url, "token": ben.token, "cache_dir": tmp_path / "cache"}
    path = hf_hub_download(model, "model.safetensors", **given)
    assert hashlib.sha256(Path(path).read_bytes()).digest() == hashlib.sha256(WEIGHTS).digest()
    folder = snapshot_download(model, **given)
    assert {p.name for p in Path(folder).iterdir()} == {
        ".gitattributes",
        "README.md",
        "model.safetensors",
    }
    api = HfApi(endpoint=mirror.url, token=ben.token)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("ann/none")


def test_git_clones_a_mirrored_repository(
    mirror: RunningHub, ben: Person, model: str, tmp_path: Path
) -> None:
    command = ["git", "clone", "--quiet", f"{mirror.url}/{model}", str(tmp_path / "clone")]
    environment = os.environ | {"GIT_LFS_SKIP_SMUDGE": "1"}
    subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "clone" / "README.md").read_text() == CARD
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    for _ in range(2):  # while it comes from there, and once it is here
        action = ben.lfs(model, "download", sha256, len(WEIGHTS))["actions"]["download"]
        assert httpx.get(action["href"]).content == WEIGHTS
    wrong = ben.lfs(model, "download", "0" * 64, 5)["actions"]["download"]
    assert httpx.get(wrong["href"]).status_code == 503


def test_hubs_that_mirror_each_other_stop_asking(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = f"http://127.0.0.1:{port}"
    with (
        RunningHub(tmp_path / "one", upstream=other) as first,
        RunningHub(tmp_path / "two", port=port, upstream=first.url) as second,
    ):
        answer = httpx.get(f"{second.url}/api/models/nobody/nothing", timeout=60)
        assert answer.status_code == 404
        assert count(first, 'status="404"') + count(second, 'status="404"') == 3
