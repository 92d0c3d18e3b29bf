"""Large files: what is stored is what was announced, whole, and only for those who may have it."""

import hashlib
import io
import logging
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from person import Person, large

from graft.server.git import repository as git
from graft.server.git.build import CommitBuilder
from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub


def kept(hub: RunningHub, sha256: str) -> list[str]:
    """Everything in the store that could be part of the object, finished or not."""
    objects = hub.settings.data_folder / "objects"
    return [p.name for p in objects.rglob("*") if p.is_file() and p.name == sha256] + [
        p.name for p in (objects / "incoming").glob("*") if p.is_file()
    ]


def announce(person: Person, repo: str, data: bytes) -> tuple[str, str]:
    """(the SHA-256, the address to send to) for data about to be uploaded."""
    sha256 = hashlib.sha256(data).hexdigest()
    return sha256, person.lfs(repo, "upload", sha256, len(data))["actions"]["upload"]["href"]


def test_what_was_uploaded_comes_back(ada: Person) -> None:
    repo = ada.create("weights")
    data = bytes(range(256)) * 12_345  # more than one piece
    sha256 = ada.upload(repo, data)
    assert ada.commit(repo, large("w.bin", sha256, len(data))).status_code == 200
    assert ada.read(repo, "w.bin") == data
    href = ada.lfs(repo, "download", sha256, len(data))["actions"]["download"]["href"]
    assert httpx.get(href).content == data


def test_what_is_there_need_not_be_sent_again(ada: Person, bob: Person) -> None:
    data = b"once is enough" * 100
    repo = ada.create("first")
    sha256 = ada.upload(repo, data)
    ada.commit(repo, large("w.bin", sha256, len(data)))
    assert "actions" not in ada.lfs(repo, "upload", sha256, len(data))
    other = bob.create("second", "dataset")
    assert "actions" not in bob.lfs(other, "upload", sha256, len(data), prefix="datasets/")
    bob.commit(other, large("copy.bin", sha256, len(data)), kind="datasets")
    assert bob.read(other, "copy.bin", prefix="datasets/") == data


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"WRONG bytes", "have the SHA-256"),
        (b"too short", "shorter (9 bytes) than the 11 bytes announced"),
        (b"far too long", "longer than the 11 bytes"),
        (b"", "shorter (0 bytes)"),
        (b"x" * 3_000_000, "longer than the 11 bytes"),
    ],
)
def test_bytes_that_are_not_what_was_announced(
    hub: RunningHub, ada: Person, sent: bytes, said: str
) -> None:
    repo = ada.create("wrong", private=True)
    right = ada.name.rjust(11).encode()[-11:]  # nobody has uploaded these before
    sha256, href = announce(ada, repo, right)
    refused = httpx.put(href, content=sent)
    assert refused.status_code == 422
    assert said in refused.json()["error"]
    assert kept(hub, sha256) == []
    assert ada.commit(repo, large("w.bin", sha256, 11)).status_code == 400
    assert httpx.put(href, content=right).status_code == 200  # sending again mends it


def test_a_broken_off_upload_leaves_nothing(
    hub: RunningHub, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    repo = ada.create("cut")
    sha256, href = announce(ada, repo, b"x" * 5_000_000)

    def half() -> object:
        yield b"x" * 2_500_000
        raise ConnectionError("the cable was pulled")

    with pytest.raises(ConnectionError):
        httpx.put(href, content=half(), headers={"Content-Length": "5000000"})  # type: ignore[arg-type]
    assert ada.lfs(repo, "download", sha256, 5_000_000)["error"]["code"] == 404
    for _ in range(50):
        if not kept(hub, sha256):
            break
        ada.http.get("/api/whoami-v2")
    assert kept(hub, sha256) == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_an_object_named_twice_is_asked_for_once(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("twins")
    data = b"the same in train and test " * 100
    api = HfApi(endpoint=hub.url, token=ada.token)
    files = ("train.parquet", "test.parquet")
    operations = [CommitOperationAdd(file, io.BytesIO(data)) for file in files]
    api.preupload_lfs_files(repo, operations)
    sha256 = hashlib.sha256(data).hexdigest()
    assert ada.lfs(repo, "download", sha256, len(data))["actions"]
    both = {"operation": "download", "objects": [{"oid": sha256, "size": len(data)}] * 2}
    answer = ada.http.post(f"/{repo}.git/info/lfs/objects/batch", json=both).json()
    assert [found["oid"] for found in answer["objects"]] == [sha256]


def test_an_address_permits_only_what_it_was_made_for(ada: Person) -> None:
    repo = ada.create("signed", private=True)
    _, href = announce(ada, repo, b"right bytes")
    parts = urlsplit(href)
    query = dict(parse_qsl(parts.query))
    other = hashlib.sha256(b"other bytes").hexdigest()
    forged = [
        urlunsplit(parts._replace(query=urlencode(query | {"size": "12"}))),
        urlunsplit(parts._replace(query=urlencode(query | {"expires": "99999999999"}))),
        urlunsplit(parts._replace(path=parts.path.rpartition("/")[0] + f"/{other}")),
    ]
    for address in forged:
        assert httpx.put(address, content=b"other bytes").status_code == 403
    assert httpx.get(href).status_code == 403  # it was made for sending


def test_an_announced_size_must_be_the_objects_own(ada: Person) -> None:
    repo = ada.create("sized")
    sha256 = ada.upload(repo, b"eleven byte")
    for operation in ("upload", "download"):
        answer = ada.lfs(repo, operation, sha256, 12)
        assert answer["error"]["code"] == 422
        assert "has 11 bytes" in answer["error"]["message"]


@pytest.mark.parametrize("sha256", ["0" * 63, "g" * 64, "../../etc/passwd", "A" * 64])
def test_what_is_no_hash(ada: Person, sha256: str) -> None:
    repo = ada.create("hashes")
    assert ada.lfs(repo, "upload", sha256, 1)["error"]["code"] == 422


def test_verify_says_whether_the_object_arrived(ada: Person) -> None:
    repo = ada.create("verified", private=True)
    data = ada.name.rjust(11).encode()[-11:]
    sha256 = hashlib.sha256(data).hexdigest()
    actions = ada.lfs(repo, "upload", sha256, 11)["actions"]
    address, body = actions["verify"]["href"], {"oid": sha256, "size": 11}
    assert httpx.post(address, json=body).status_code == 404
    httpx.put(actions["upload"]["href"], content=data)
    assert httpx.post(address, json=body).status_code == 200
    assert httpx.post(address, json=body | {"size": 12}).status_code == 422


def test_an_upload_to_a_repository_deleted_meanwhile(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("fleeting", private=True)
    sha256, href = announce(ada, repo, ada.name.encode())
    ada.http.request("DELETE", "/api/repos/delete", json={"name": "fleeting"})
    gone = httpx.put(href, content=ada.name.encode())
    assert gone.headers["X-Error-Code"] == "RepoNotFound"
    assert kept(hub, sha256) == []


def test_who_may_propose_changes_may_upload(ada: Person, bob: Person, anyone: httpx.Client) -> None:
    repo = ada.create("mine")
    body = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}]}
    address = f"/{repo}.git/info/lfs/objects/batch"
    assert "actions" in bob.http.post(address, json=body).json()["objects"][0]
    settings = f"/api/models/{repo}/settings"
    assert ada.http.put(settings, json={"gated": "manual"}).status_code == 200
    assert bob.http.post(address, json=body).status_code == 403
    assert ada.http.put(settings, json={"private": True}).status_code == 200
    assert bob.http.post(address, json=body).status_code == 404
    unknown = anyone.post(address, json=body)
    assert unknown.status_code == 401
    assert "Basic" in unknown.headers["WWW-Authenticate"]


def test_an_object_over_the_limit_is_refused_before_it_is_sent(
    hub: RunningHub, ada: Person
) -> None:
    repo = ada.create("greedy")
    answer = ada.lfs(repo, "upload", "0" * 64, hub.settings.max_object_bytes + 1)
    assert answer["error"]["code"] == 413
    assert "GRAFT_MAX_OBJECT_BYTES" in answer["error"]["message"]


def test_an_object_is_verified_at_its_own_address_only(ada: Person) -> None:
    repo = ada.create("verified")
    first, second = b"first" * 100, b"second" * 100
    other = ada.upload(repo, first)
    sha256 = hashlib.sha256(second).hexdigest()
    href = ada.lfs(repo, "upload", sha256, len(second))["actions"]["verify"]["href"]
    refused = httpx.post(href, json={"oid": other, "size": len(first)})
    assert refused.status_code == 422
    assert httpx.post(href, json={"oid": sha256, "size": len(second)}).status_code == 404
    strange = href.replace("signature=", "signature=%C3%A9")
    assert httpx.post(strange, json={"oid": sha256, "size": 1}).status_code == 403


def test_a_pointer_that_came_past_the_checks_opens_nothing(
    hub: RunningHub, ada: Person, bob: Person
) -> None:
    secret = b"nobody else's" * 100
    vault = ada.create("vault", private=True)
    sha256 = ada.upload(vault, secret)
    ada.commit(vault, large("w.safetensors", sha256, len(secret)))
    repo = bob.create("open")
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    opened = repos.open_git(hub.hub, found)
    builder = CommitBuilder(opened, git.find_commit(opened, "main"))
    for path in ("w.safetensors", "README.md", "config.json"):
        builder.add_large_file(path, sha256, len(secret))
    opened.references["refs/heads/main"].set_target(builder.commit(bob.name, "Pointers"))
    repos.reindex(hub.hub, found)
    refused = bob.http.get(f"/{repo}/resolve/main/w.safetensors")
    assert refused.status_code == 404
    assert "does not hold" in refused.json()["error"]
    for page in (f"/{repo}", f"/{repo}/tree/main", f"/api/models/{repo}"):
        shown = bob.http.get(page)
        assert shown.status_code == 200
        assert "nobody else" not in shown.text
    assert bob.http.get(f"/{repo}/blob/main/README.md").status_code == 404
