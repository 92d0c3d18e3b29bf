"""Downloads: headers that clients rely on, ranges, conditions, errors, the count."""

import hashlib

import httpx
import pytest
from person import Person, file, large

from graft.server.repositories import contents
from graft.server.repositories.downloads import DownloadCounter
from graft.server.running import RunningHub

DATA = bytes(range(256)) * 40


@pytest.fixture(params=["git", "store"])
def stored(request: pytest.FixtureRequest, ada: Person) -> str:
    """The address of a file of 10240 bytes, kept in git or in the large-object store."""
    repo = ada.create("files")
    if request.param == "git":
        ada.commit(repo, file("data.bin", DATA))
    else:
        ada.commit(repo, large("data.bin", ada.upload(repo, DATA), len(DATA)))
    return f"/{repo}/resolve/main/data.bin"


def test_head_says_all_and_sends_nothing(ada: Person, stored: str) -> None:
    head, get = ada.http.head(stored), ada.http.get(stored)
    assert head.content == b""
    assert get.content == DATA
    assert head.headers["Content-Length"] == str(len(DATA))
    assert head.headers["Accept-Ranges"] == "bytes"
    repo = stored.partition("/resolve")[0].strip("/")
    assert head.headers["X-Repo-Commit"] == ada.head(repo)
    for name in ("ETag", "Content-Length", "X-Repo-Commit"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("others", [0, 1 + contents.MAX_LIST // 150])
def test_files_at_any_revision(ada: Person, stored: str, others: int) -> None:
    """However long the list of files is: a short one is looked through instead of git."""
    repo = stored.partition("/resolve")[0].strip("/")
    first = ada.head(repo)
    more = [file(f"{number:0150d}", "") for number in range(others)]
    ada.commit(repo, file("data.bin", "new"), file("a/b.txt", "deep"), *more)
    second = ada.head(repo)
    asked = dict.fromkeys(("main", "refs/heads/main", second, second[:12]), b"new")
    asked[first] = DATA
    for revision, content in asked.items():
        head = ada.http.head(f"/{repo}/resolve/{revision}/data.bin")
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(content)))
        assert head.headers["X-Repo-Commit"] == (first if content == DATA else second)
        assert ada.read(repo, "data.bin", revision) == content
    assert ada.read(repo, "a/b.txt") == b"deep"
    for missing in ("a", "a/c.txt", "", "data.bin/x"):
        answer = ada.http.head(f"/{repo}/resolve/main/{missing}")
        assert (answer.status_code, answer.headers["X-Repo-Commit"]) == (404, second)


def test_the_etag_is_the_hash_of_the_content(ada: Person) -> None:
    repo = ada.create("hashed")
    sha256 = ada.upload(repo, DATA)
    ada.commit(repo, file("small.txt", "x"), large("large.bin", sha256, len(DATA)))
    small = ada.http.head(f"/{repo}/resolve/main/small.txt")
    assert small.headers["ETag"] == f'"{hashlib.sha1(b"blob 1" + bytes(1) + b"x").hexdigest()}"'
    assert "X-Linked-Etag" not in small.headers
    found = ada.http.head(f"/{repo}/resolve/main/large.bin")
    assert found.headers["ETag"] == found.headers["X-Linked-Etag"] == f'"{sha256}"'
    assert found.headers["X-Linked-Size"] == str(len(DATA))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=10-19", 10, 20),
        ("bytes=10200-", 10200, 10240),
        ("bytes=10200-99999", 10200, 10240),
        ("bytes=-5", 10235, 10240),
        ("bytes=-99999", 0, 10240),
    ],
)
def test_ranges(ada: Person, stored: str, asked: str, start: int, end: int) -> None:
    part = ada.http.get(stored, headers={"Range": asked})
    assert part.status_code == 206
    assert part.content == DATA[start:end]
    assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert part.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=9-3", "bytes=-0"])
def test_ranges_outside_the_file(ada: Person, stored: str, asked: str) -> None:
    refused = ada.http.get(stored, headers={"Range": asked})
    assert refused.status_code == 416
    assert refused.headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("asked", ["items=0-1", "bytes=a-b", "bytes=-", "bytes=0-1,4-5"])
def test_ranges_that_are_not_understood_give_the_whole(
    ada: Person, stored: str, asked: str
) -> None:
    whole = ada.http.get(stored, headers={"Range": asked})
    assert whole.status_code == 200
    assert whole.content == DATA


def test_what_the_client_has_is_not_sent_again(ada: Person, stored: str) -> None:
    etag = ada.http.head(stored).headers["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        same = ada.http.get(stored, headers={"If-None-Match": known})
        assert same.status_code == 304
        assert same.content == b""
    assert ada.http.get(stored, headers={"If-None-Match": '"other"'}).content == DATA


def test_a_range_of_a_file_that_has_changed_gives_the_whole(ada: Person, stored: str) -> None:
    etag = ada.http.head(stored).headers["ETag"]
    headers = {"Range": "bytes=0-1", "If-Range": etag}
    assert ada.http.get(stored, headers=headers).status_code == 206
    headers["If-Range"] = '"other"'
    assert ada.http.get(stored, headers=headers).content == DATA


def test_errors_carry_the_codes_that_clients_read(ada: Person) -> None:
    repo = ada.create("gaps")
    ada.commit(repo, file("folder/a.txt", "a"))
    cases = {
        f"/{repo}/resolve/main/nope.txt": "EntryNotFound",
        f"/{repo}/resolve/main/folder": "EntryNotFound",
        f"/{repo}/resolve/nowhere/a.txt": "RevisionNotFound",
        f"/{ada.name}/nope/resolve/main/a.txt": "RepoNotFound",
    }
    for address, code in cases.items():
        missing = ada.http.head(address)
        assert missing.status_code == 404
        assert missing.headers["X-Error-Code"] == code
        assert missing.headers["X-Error-Message"]
        assert ("X-Repo-Commit" in missing.headers) == (code == "EntryNotFound")


@pytest.mark.parametrize("name", ["page.html", "page.xhtml", "script.js", "page.shtml"])
def test_nothing_that_is_uploaded_runs_in_the_hubs_name(ada: Person, name: str) -> None:
    repo = ada.create("hostile")
    ada.commit(repo, file(name, "<script>alert(1)</script>"))
    answer = ada.http.get(f"/{repo}/resolve/main/{name}")
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in ("text/plain", "application/octet-stream")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_pictures_in_cards_are_served_as_pictures(ada: Person) -> None:
    repo = ada.create("pictures")
    ada.commit(repo, file("plot.png", b"\x89PNG\r\n"), file("plot.svg", "<svg/>"))
    png = ada.http.get(f"/{repo}/resolve/main/plot.png")
    svg = ada.http.get(f"/{repo}/resolve/main/plot.svg")
    assert png.headers["Content-Type"] == "image/png"
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert "sandbox" in svg.headers["Content-Security-Policy"]


def test_a_name_cannot_break_out_of_its_header(ada: Person) -> None:
    repo = ada.create("quoted")
    ada.commit(repo, file('a"; filename=evil.exe', "x"))
    address = f"/{repo}/resolve/main/a%22%3B%20filename%3Devil.exe"
    answer = ada.http.get(address, params={"download": "true"})
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''a%22%3B%20filename%3Devil.exe"


def test_downloads_are_counted_once_for_many_files(
    ada: Person, bob: Person, anyone: httpx.Client
) -> None:
    repo = ada.create("popular")
    ada.commit(repo, file("a.txt", "a"), file("b.txt", "b"))

    def count() -> int:
        number: int = ada.http.get(f"/api/models/{repo}").json()["downloads"]
        return number

    anyone.head(f"/{repo}/resolve/main/a.txt")
    anyone.get(f"/{repo}/resolve/main/a.txt", headers={"Range": "bytes=1-"})
    anyone.get(f"/{repo}/resolve/main/nope.txt")
    assert count() == 0
    anyone.get(f"/{repo}/resolve/main/a.txt")
    anyone.get(f"/{repo}/resolve/main/b.txt")
    assert count() == 1
    bob.http.get(f"/{repo}/resolve/main/a.txt")
    assert count() == 2


def test_processes_of_one_hub_count_a_download_once(hub: RunningHub, ada: Person) -> None:
    repo = ada.create("shared-count")
    ada.commit(repo, file("a.txt", "a"))
    ada.read(repo, "a.txt")
    assert ada.http.get(f"/api/models/{repo}").json()["downloads"] == 1
    hub.hub.downloads = DownloadCounter()  # as another process has it
    ada.read(repo, "a.txt")
    assert ada.http.get(f"/api/models/{repo}").json()["downloads"] == 1


def test_a_range_of_a_number_that_no_file_has_is_no_range(ada: Person) -> None:
    repo = ada.create("ranges")
    ada.commit(repo, file("a.txt", "abc"))
    far = {"Range": f"bytes=0-{'9' * 5000}"}
    answer = ada.http.get(f"/{repo}/resolve/main/a.txt", headers=far)
    assert (answer.status_code, answer.content) == (200, b"abc")
