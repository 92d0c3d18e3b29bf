"""Discussions and pull requests with the stock client, and what it never sends."""

import io
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.community import (
    DiscussionComment,
    DiscussionCommit,
    DiscussionStatusChange,
    DiscussionTitleChange,
)
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from person import Person, file

from graft.server.running import RunningHub

Api = Callable[[Person], HfApi]


@pytest.fixture
def api(hub: RunningHub) -> Api:
    """The stock client in somebody's name."""
    return lambda person: HfApi(endpoint=hub.url, token=person.token)


@pytest.fixture
def repo(ada: Person) -> str:
    """A model of Ada's, with one file."""
    repo = ada.create("talked-about")
    assert ada.commit(repo, file("notes.txt", "one\ntwo\nthree\n")).status_code == 200
    return repo


def add(path: str, content: str) -> CommitOperationAdd:
    return CommitOperationAdd(path_in_repo=path, path_or_fileobj=content.encode())


def status_of(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_discussions_and_pull_requests_share_their_numbers(
    api: Api, ada: Person, bob: Person, repo: str
) -> None:
    first = api(bob).create_discussion(repo, " A  question ", description="Why?")
    second = api(bob).create_pull_request(repo, "A change")
    third = api(ada).create_discussion(repo, "Another")
    assert [d.num for d in (first, second, third)] == [1, 2, 3]
    assert (first.title, first.author, first.status) == ("A question", bob.name, "open")
    assert (first.is_pull_request, first.git_reference, first.diff) == (False, None, None)
    assert (second.is_pull_request, second.git_reference) == (True, "refs/pr/2")
    assert (second.status, second.target_branch) == ("draft", "refs/heads/main")
    assert first.url.endswith(f"/{repo}/discussions/1")
    [said] = first.events
    assert isinstance(said, DiscussionComment)
    assert (said.content, said.author, said.edited, said.hidden) == ("Why?", bob.name, False, False)
    assert api(ada).get_discussion_details(repo, 1) == first


def test_a_list_is_filtered_and_newest_first(api: Api, ada: Person, bob: Person, repo: str) -> None:
    for title in ("First", "Second"):
        api(bob).create_discussion(repo, title)
    api(ada).create_pull_request(repo, "Third")
    api(bob).change_discussion_status(repo, 1, "closed")

    def numbers(**wanted: str) -> list[int]:
        return [d.num for d in api(ada).get_repo_discussions(repo, **wanted)]

    assert numbers() == numbers(discussion_type="all", discussion_status="all") == [3, 2, 1]
    assert numbers(discussion_status="open") == [3, 2]
    assert numbers(discussion_status="closed") == [1]
    assert numbers(discussion_type="pull_request") == [3]
    assert numbers(discussion_type="discussion") == [2, 1]
    assert numbers(author=bob.name) == [2, 1]
    assert numbers(author="nobody-here") == []


def test_a_long_list_comes_in_pages(api: Api, ada: Person, repo: str) -> None:
    for number in range(1, 54):
        body = {"title": f"Number {number}", "description": "x"}
        assert ada.http.post(f"/api/models/{repo}/discussions", json=body).status_code == 200
    found = [d.num for d in api(ada).get_repo_discussions(repo)]
    assert found == list(range(53, 0, -1))


def test_what_is_said_can_be_edited_and_hidden(
    api: Api, ada: Person, bob: Person, repo: str
) -> None:
    api(bob).create_discussion(repo, "A question")
    said = api(bob).comment_discussion(repo, 1, "Nobody?")
    edited = api(bob).edit_discussion_comment(repo, 1, said.id, "**Nobody** at all?")
    assert (edited.id, edited.content, edited.edited) == (said.id, "**Nobody** at all?", True)
    assert edited.number_of_edits == 1
    assert edited.edit_history[0]["raw"] == "Nobody?"
    assert edited.last_edited_by == bob.name
    assert "<strong>Nobody</strong>" in edited.rendered
    assert api(ada).get_discussion_details(repo, 1).events[1] == edited

    with pytest.warns(UserWarning, match="irreversible"):
        hidden = api(ada).hide_discussion_comment(repo, 1, said.id)
    assert hidden.hidden
    thread = ada.http.get(f"/api/models/{repo}/discussions/1").text
    assert "Nobody" not in thread
    with pytest.raises(HfHubHTTPError) as refused:
        api(bob).edit_discussion_comment(repo, 1, said.id, "Here again")
    assert status_of(refused) == 409


def test_titles_and_statuses_change(api: Api, ada: Person, bob: Person, repo: str) -> None:
    api(bob).create_discussion(repo, "A question")
    renamed = api(ada).rename_discussion(repo, 1, "A better question")
    assert isinstance(renamed, DiscussionTitleChange)
    assert (renamed.old_title, renamed.new_title) == ("A question", "A better question")
    closed = api(bob).change_discussion_status(repo, 1, "closed", comment="Found out.")
    assert isinstance(closed, DiscussionStatusChange)
    assert (closed.new_status, closed.author) == ("closed", bob.name)
    thread = api(ada).get_discussion_details(repo, 1)
    assert (thread.title, thread.status) == ("A better question", "closed")
    assert [e.type for e in thread.events] == [
        "comment",
        "title-change",
        "comment",
        "status-change",
    ]
    with pytest.raises(HfHubHTTPError) as refused:
        api(bob).change_discussion_status(repo, 1, "closed")
    assert status_of(refused) == 409
    assert api(ada).change_discussion_status(repo, 1, "open").new_status == "open"


def test_who_may_do_what(
    api: Api, hub: RunningHub, ada: Person, bob: Person, repo: str, new_person: Callable[[], Person]
) -> None:
    carol = new_person()
    api(bob).create_discussion(repo, "A question")
    first = api(bob).get_discussion_details(repo, 1).events[0].id
    reader = HfApi(endpoint=hub.url, token=hub.add_user(f"{carol.name}-reads", role="read"))
    nobody = HfApi(endpoint=hub.url, token=False)
    assert nobody.get_discussion_details(repo, 1).num == 1
    for who, status in ((nobody, 401), (reader, 403)):
        with pytest.raises(HfHubHTTPError) as refused:
            who.create_discussion(repo, "Another")
        assert status_of(refused) == status
    for act in (
        lambda: api(carol).rename_discussion(repo, 1, "Mine now"),
        lambda: api(carol).change_discussion_status(repo, 1, "closed"),
        lambda: api(carol).edit_discussion_comment(repo, 1, first, "Not what Bob said"),
        lambda: api(ada).edit_discussion_comment(repo, 1, first, "Not what Bob said"),
        lambda: api(carol).merge_pull_request(repo, 1),
    ):
        with pytest.raises(HfHubHTTPError) as refused:
            act()
        assert status_of(refused) == 403
    with pytest.warns(UserWarning, match="irreversible"), pytest.raises(HfHubHTTPError) as refused:
        api(carol).hide_discussion_comment(repo, 1, first)
    assert status_of(refused) == 403
    assert api(carol).comment_discussion(repo, 1, "Me too").author == carol.name


def test_a_private_repository_keeps_its_discussions(api: Api, ada: Person, bob: Person) -> None:
    repo = ada.create("secret-plans", private=True)
    api(ada).create_discussion(repo, "Between us")
    with pytest.raises(RepositoryNotFoundError):
        list(api(bob).get_repo_discussions(repo))
    with pytest.raises(RepositoryNotFoundError):
        api(bob).get_discussion_details(repo, 1)
    with pytest.raises(RepositoryNotFoundError):
        api(bob).comment_discussion(repo, 1, "Hello?")


def test_a_pull_request_is_committed_to_and_merged(api: Api, ada: Person, repo: str) -> None:
    before = ada.head(repo)
    opened = api(ada).create_pull_request(repo, "Better notes", description="Four lines.")
    made = api(ada).create_commit(
        repo,
        [add("notes.txt", "one\ntwo\nthree\nfour\n"), add("more.txt", "more\n")],
        commit_message="Write the fourth",
        revision=opened.git_reference,
    )
    assert ada.head(repo) == before
    thread = api(ada).get_discussion_details(repo, opened.num)
    commit = thread.events[-1]
    assert isinstance(commit, DiscussionCommit)
    assert (commit.summary, commit.oid) == ("Write the fourth", made.oid)
    assert "+four" in (thread.diff or "")
    assert "more.txt" in (thread.diff or "")
    assert thread.conflicting_files == []

    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).merge_pull_request(repo, opened.num)
    assert status_of(refused) == 409  # a draft

    api(ada).change_discussion_status(repo, opened.num, "open")
    api(ada).merge_pull_request(repo, opened.num, comment="Thanks!")
    merged = api(ada).get_discussion_details(repo, opened.num)
    assert (merged.status, merged.merge_commit_oid) == ("merged", ada.head(repo))
    assert merged.diff == thread.diff
    assert "Thanks!" in [e.content for e in merged.events if isinstance(e, DiscussionComment)]
    assert ada.read(repo, "notes.txt") == b"one\ntwo\nthree\nfour\n"
    newest = api(ada).list_repo_commits(repo)[0]
    assert newest.title == f"Better notes (#{opened.num})"
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).change_discussion_status(repo, opened.num, "open")
    assert status_of(refused) == 409
    with pytest.raises(HfHubHTTPError) as refused:
        api(ada).merge_pull_request(repo, opened.num)
    assert status_of(refused) == 409


@pytest.mark.parametrize("how", ["xet", "lfs"])
def test_a_stranger_proposes_a_large_file(
    api: Api, ada: Person, bob: Person, repo: str, tmp_path: Path, how: str
) -> None:
    content = b"\0" + repo.encode() + how.encode() * 50_000
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    opened = api(bob).upload_file(
        # What is no file on disk goes by LFS, whatever the client has.
        path_or_fileobj=path if how == "xet" else io.BytesIO(content),
        path_in_repo="weights.bin",
        repo_id=repo,
        create_pr=True,
    )
    assert bob.read(repo, "weights.bin", opened.pr_revision or "") == content
    more = api(bob).upload_file(
        path_or_fileobj=io.BytesIO(content[::-1]),
        path_in_repo="more.bin",
        repo_id=repo,
        revision=opened.pr_revision,
    )
    with pytest.raises(HfHubHTTPError) as refused:
        api(bob).upload_file(path_or_fileobj=path, path_in_repo="weights.bin", repo_id=repo)
    assert status_of(refused) == 403
    assert "weights.bin" not in ada.files(repo)
    api(ada).merge_pull_request(repo, opened.pr_num or 0)
    assert ada.read(repo, "weights.bin") == content
    assert ada.read(repo, "more.bin") == content[::-1]
    commits = api(ada).get_discussion_details(repo, opened.pr_num or 0).events
    oids = [e.oid for e in commits if isinstance(e, DiscussionCommit)]
    assert oids == [opened.oid, more.oid]


def test_a_pull_request_is_pushed_to_by_git(
    hub: RunningHub,
    api: Api,
    ada: Person,
    bob: Person,
    repo: str,
    tmp_path: Path,
    new_person: Callable[[], Person],
) -> None:
    def git(person: Person, *words: str) -> subprocess.CompletedProcess[str]:
        address = f"{hub.url.replace('//', f'//{person.name}:{person.token}@')}/{repo}"
        who = ("-c", "user.name=Robert", "-c", "user.email=robert@example.com")
        command = ["git", *who, *(word.replace("HUB", address) for word in words)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    carol = new_person()
    opened = api(bob).create_pull_request(repo, "From a clone")
    assert git(bob, "clone", "-q", "HUB", "clone").returncode == 0
    (tmp_path / "clone" / "pushed.txt").write_text("pushed\n")
    for words in (("add", "."), ("commit", "-q", "-m", "Write pushed.txt")):
        assert git(bob, "-C", "clone", *words).returncode == 0
    target = f"HEAD:refs/pr/{opened.num}"
    refused = git(carol, "-C", "clone", "push", "HUB", target)
    assert refused.returncode != 0
    assert "403" in refused.stderr or "may not" in refused.stderr
    assert git(bob, "-C", "clone", "push", "HUB", "HEAD:main").returncode != 0
    assert git(bob, "-C", "clone", "push", "HUB", "HEAD:refs/pr/99").returncode != 0
    pushed = git(bob, "-C", "clone", "push", "HUB", target)
    assert pushed.returncode == 0, pushed.stderr
    thread = api(bob).get_discussion_details(repo, opened.num)
    [commit] = [e for e in thread.events if isinstance(e, DiscussionCommit)]
    assert (commit.summary, commit.author) == ("Write pushed.txt", "Robert")
    assert "+pushed" in (thread.diff or "")
    api(bob).change_discussion_status(repo, opened.num, "open")
    api(ada).merge_pull_request(repo, opened.num)
    assert ada.read(repo, "pushed.txt") == b"pushed\n"
    (tmp_path / "clone" / "late.txt").write_text("late\n")
    for words in (("add", "."), ("commit", "-q", "-m", "Too late")):
        git(bob, "-C", "clone", *words)
    assert git(bob, "-C", "clone", "push", "HUB", target).returncode != 0


def test_a_conflict_is_told_and_merges_nothing(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_pull_request(repo, "My second line")
    api(ada).create_commit(
        repo,
        [add("notes.txt", "one\n2\nthree\n")],
        commit_message="Write two as 2",
        revision="refs/pr/1",
    )
    api(ada).change_discussion_status(repo, 1, "open")
    assert ada.commit(repo, file("notes.txt", "one\nII\nthree\n")).status_code == 200
    head = ada.head(repo)
    assert api(ada).get_discussion_details(repo, 1).conflicting_files == ["notes.txt"]
    with pytest.raises(HfHubHTTPError, match=r"notes\.txt") as refused:
        api(ada).merge_pull_request(repo, 1)
    assert status_of(refused) == 409
    assert ada.head(repo) == head
    assert api(ada).get_discussion_details(repo, 1).status == "open"


def test_changes_of_both_sides_in_different_files_merge(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_pull_request(repo, "Another file")
    api(ada).create_commit(repo, [add("b.txt", "b")], commit_message="Add b", revision="refs/pr/1")
    api(ada).change_discussion_status(repo, 1, "open")
    assert ada.commit(repo, file("a.txt", "a")).status_code == 200
    api(ada).merge_pull_request(repo, 1)
    assert ada.files(repo) == {"notes.txt", "a.txt", "b.txt"}
    assert "a.txt" not in (api(ada).get_discussion_details(repo, 1).diff or "")


def test_a_pull_request_without_changes_cannot_be_merged(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_pull_request(repo, "Nothing yet")
    api(ada).change_discussion_status(repo, 1, "open")
    with pytest.raises(HfHubHTTPError, match="changes nothing") as refused:
        api(ada).merge_pull_request(repo, 1)
    assert status_of(refused) == 409


def test_a_pull_request_for_another_branch(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_branch(repo, branch="next")
    body = {"title": "For next", "pullRequest": True, "base": "refs/heads/next"}
    assert ada.http.post(f"/api/models/{repo}/discussions", json=body).json()["num"] == 1
    assert api(ada).get_discussion_details(repo, 1).target_branch == "refs/heads/next"
    api(ada).create_commit(repo, [add("n.txt", "n")], commit_message="Add n", revision="refs/pr/1")
    api(ada).change_discussion_status(repo, 1, "open")
    head = ada.head(repo)
    api(ada).merge_pull_request(repo, 1)
    assert ada.head(repo) == head
    assert ada.read(repo, "n.txt", "next") == b"n"
    for base in ("refs/heads/nowhere", "refs/tags/v1", "main"):
        body = {"title": "For that", "pullRequest": True, "base": base}
        refused = ada.http.post(f"/api/models/{repo}/discussions", json=body)
        assert refused.status_code in (400, 404), refused.text


def test_its_branch_may_be_deleted(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_branch(repo, branch="short-lived")
    body = {"title": "For that", "pullRequest": True, "base": "refs/heads/short-lived"}
    assert ada.http.post(f"/api/models/{repo}/discussions", json=body).status_code == 200
    api(ada).delete_branch(repo, branch="short-lived")
    thread = api(ada).get_discussion_details(repo, 1)
    assert (thread.title, thread.diff) == ("For that", None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "ab"},
        {"title": "x" * 201},
        {"title": "a\0b\0c"},
        {"title": "good", "description": "a\0b"},
        {"title": "good", "description": "x" * 70_000},
        {"title": 5},
        {"title": "good", "pullRequest": True, "base": "refs/heads/a\0b"},
        {"title": "good", "pullRequest": True, "base": "refs/heads/.."},
    ],
)
def test_what_cannot_be_kept_is_refused(ada: Person, repo: str, body: dict[str, object]) -> None:
    answer = ada.http.post(f"/api/models/{repo}/discussions", json=body)
    assert answer.status_code in (400, 404), answer.text
    assert ada.http.get(f"/api/models/{repo}/discussions").json()["count"] == 0
    refs = ada.http.get(f"/api/models/{repo}/refs", params={"include_prs": 1}).json()
    assert not refs.get("pullRequests")


@pytest.mark.parametrize("number", ["0", "-1", "99", "x", "99999999999999999999"])
def test_numbers_that_are_not_there(ada: Person, repo: str, number: str) -> None:
    base = f"/api/models/{repo}/discussions/{number}"
    assert ada.http.get(base).status_code in (400, 404)
    assert ada.http.post(f"{base}/comment", json={"comment": "Hi"}).status_code in (400, 404)
    assert ada.http.post(f"{base}/merge").status_code in (400, 404)


def test_script_in_a_comment_is_not_run(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_discussion(
        repo, "A question", description="<script>alert(1)</script>\n\n[x](javascript:1) **x**"
    )
    said = api(ada).get_discussion_details(repo, 1).events[0]
    assert isinstance(said, DiscussionComment)
    assert "<strong>x</strong>" in said.rendered
    assert "<script" not in said.rendered
    assert "href" not in said.rendered


def test_deleting_the_repository_deletes_them(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_pull_request(repo, "A change")
    api(ada).delete_repo(repo)
    ada.create("talked-about")
    assert list(api(ada).get_repo_discussions(repo)) == []
    assert api(ada).create_discussion(repo, "From one again").num == 1


def test_the_command_line(
    hub: RunningHub, ada: Person, repo: str, hf: Callable[[str], str]
) -> None:
    hf(f"discussions create {repo} --title 'From a terminal' --body Hello")
    hf(f"discussions create {repo} --title 'A change' --pull-request")
    hf(f"discussions comment {repo} 1 --body 'Is anybody there?'")
    hf(f"discussions rename {repo} 1 'From a shell'")
    assert "From a shell" in hf(f"discussions list {repo}")
    assert "Is anybody there?" in hf(f"discussions info {repo} 1 --format json")
    hf(f"discussions close {repo} 1 --yes --comment No.")
    assert "From a shell" not in hf(f"discussions list {repo}")
    hf(f"discussions reopen {repo} 1 --yes")
    assert ada.http.get(f"/api/models/{repo}/discussions/1").json()["status"] == "open"
    HfApi(endpoint=hub.url, token=ada.token).create_commit(
        repo, [add("cli.txt", "x\n")], commit_message="Add", revision="refs/pr/2"
    )
    assert "+x" in hf(f"discussions diff {repo} 2")
    hf(f"discussions reopen {repo} 2 --yes")
    hf(f"discussions merge {repo} 2 --yes")
    assert "cli.txt" in ada.files(repo)


def test_answers_of_another_site_are_refused(ada: Person, repo: str, anyone: httpx.Client) -> None:
    headers = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    answer = anyone.post(
        f"/api/models/{repo}/discussions", json={"title": "Not mine"}, headers=headers
    )
    assert answer.status_code == 403


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


def test_a_picture_goes_with_what_is_said(
    hub: RunningHub, api: Api, ada: Person, repo: str, tmp_path: Path
) -> None:
    picture = tmp_path / "before.png"
    picture.write_bytes(PICTURE)
    address = api(ada).upload_attachment(picture)
    assert api(ada).upload_attachment(picture) == address
    shown = httpx.get(address, timeout=30)
    assert shown.content == PICTURE
    assert shown.headers["Content-Type"] == "image/png"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    api(ada).create_discussion(repo, "With a picture", description=f"![before]({address})")
    assert httpx.get(f"{hub.url}/uploads/{'0' * 64}.png").status_code == 404
    assert httpx.get(f"{hub.url}/uploads/..%2f..%2fhub.sqlite3").status_code == 404


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("image/png", b"<html>", 422),
        ("image/svg+xml", b"<svg/>", 422),
        ("text/html", PICTURE, 422),
        ("image/png", PICTURE + bytes(10 * 1024**2), 413),
        ("", PICTURE, 422),
        ("image/png", b"", 422),
    ],
)
def test_what_cannot_be_attached(ada: Person, kind: str, content: bytes, status: int) -> None:
    answer = ada.http.post("/uploads", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text


def test_who_may_attach(hub: RunningHub, ada: Person, anyone: httpx.Client) -> None:
    headers = {"Content-Type": "image/png"}
    assert anyone.post("/uploads", content=PICTURE, headers=headers).status_code == 401
    reads = hub.add_user(f"{ada.name}-reads", role="read")
    headers |= {"Authorization": f"Bearer {reads}"}
    assert anyone.post("/uploads", content=PICTURE, headers=headers).status_code == 403


def test_many_open_at_once_and_each_has_its_number(
    api: Api, ada: Person, bob: Person, repo: str
) -> None:
    def open_some(person: Person, pull_request: bool) -> list[int]:
        return [
            api(person).create_discussion(repo, f"Number {n}", pull_request=pull_request).num
            for n in range(4)
        ]

    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(open_some, person, kind)
            for person in (ada, bob, ada)
            for kind in (True, False)
        ]
        numbers = [number for job in jobs for number in job.result()]
    assert sorted(numbers) == list(range(1, 25))
    refs = api(ada).list_repo_refs(repo, include_pull_requests=True).pull_requests or []
    found = {d.num for d in api(ada).get_repo_discussions(repo, discussion_type="pull_request")}
    assert {int(ref.ref.rpartition("/")[2]) for ref in refs} == found
    assert len(found) == 12


def test_it_is_merged_once_however_many_ask(api: Api, ada: Person, repo: str) -> None:
    api(ada).create_commit(repo, [add("once.txt", "x")], commit_message="Add once", create_pr=True)

    def try_to_merge(_: int) -> int:
        return ada.http.post(f"/api/models/{repo}/discussions/1/merge").status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(try_to_merge, range(4)))
    assert statuses == [200, 409, 409, 409]
    merges = [c for c in api(ada).list_repo_commits(repo) if c.title.endswith("(#1)")]
    assert len(merges) == 1
    events = api(ada).get_discussion_details(repo, 1).events
    assert [e.type for e in events].count("status-change") == 1
