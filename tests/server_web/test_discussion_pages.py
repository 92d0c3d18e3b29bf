"""Pages of discussions and pull requests, as a browser without scripts uses them."""

import re
from collections.abc import Callable

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

Browser = Callable[[str], httpx.Client]


@pytest.fixture
def repo(api: HfApi, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name)[:60].strip("-")
    repo: str = api.create_repo(f"ada/{name}").repo_id
    api.upload_file(path_or_fileobj=b"one\ntwo\n", path_in_repo="notes.txt", repo_id=repo)
    return repo


def test_a_discussion_from_beginning_to_end(browser: Browser, repo: str) -> None:
    bob, nobody = browser("bob"), browser("")
    empty = nobody.get(f"/{repo}/discussions")
    assert empty.status_code == 200
    assert "Nothing to decide" in empty.text
    assert nobody.get(f"/{repo}/discussions/new").url.path == "/login"

    form = {"title": "How <b>was</b> it made?", "text": "**Please** tell. <script>x()</script>"}
    made = bob.post(f"/{repo}/discussions/new", data=form)
    assert made.url.path == f"/{repo}/discussions/1"
    assert "How &lt;b&gt;was&lt;/b&gt; it made?" in made.text
    assert "<strong>Please</strong>" in made.text
    assert "<script>x()" not in made.text
    said = bob.post(f"/{repo}/discussions/1/comment", data={"text": "Anybody?"})
    assert "Anybody?" in said.text
    closed = bob.post(f"/{repo}/discussions/1/comment", data={"text": "So be it", "then": "closed"})
    assert "So be it" in closed.text
    assert "Closed" in closed.text
    assert "How &lt;b&gt;was" not in nobody.get(f"/{repo}/discussions").text
    assert "How &lt;b&gt;was" in nobody.get(f"/{repo}/discussions?status=closed").text
    renamed = bob.post(f"/{repo}/discussions/1/title", data={"title": "Another title"})
    assert "Another title" in renamed.text
    page = nobody.get(f"/{repo}/discussions/1")
    assert "Log in" in page.text
    assert "<textarea" not in page.text


def test_comments_are_edited_and_hidden(browser: Browser, api: HfApi, repo: str) -> None:
    ada, bob = browser("ada"), browser("bob")
    bob.post(f"/{repo}/discussions/new", data={"title": "A question", "text": "First words"})
    key = api.get_discussion_details(repo, 1).events[0].id
    address = f"/{repo}/discussions/1/comment/{key}"
    assert f'action="{address}/edit"' in bob.get(f"/{repo}/discussions/1").text
    assert f'action="{address}/edit"' not in ada.get(f"/{repo}/discussions/1").text
    assert "Second words" in bob.post(f"{address}/edit", data={"text": "Second words"}).text
    assert ada.post(f"{address}/edit", data={"text": "Other"}).status_code == 403
    hidden = ada.post(f"{address}/hide")
    assert "has been hidden" in hidden.text
    assert "words" not in hidden.text


def test_a_pull_request_is_looked_at_and_merged(browser: Browser, api: HfApi, repo: str) -> None:
    ada, bob = browser("ada"), browser("bob")
    form = {"title": "Better notes", "text": "See.", "type": "pull_request"}
    opened = bob.post(f"/{repo}/discussions/new", data=form)
    assert "It changes nothing yet" in opened.text
    api.create_commit(
        repo,
        [CommitOperationAdd("notes.txt", b"one\n2 <i>\n")],
        commit_message="Write it as 2",
        revision="refs/pr/1",
    )
    assert "It is a draft" in ada.get(f"/{repo}/discussions/1").text
    ready = bob.post(f"/{repo}/discussions/1/comment", data={"text": "", "then": "open"})
    assert "It can be merged" in ready.text
    assert "Write it as 2" in ready.text
    assert f'action="/{repo}/discussions/1/merge"' not in ready.text
    files = ada.get(f"/{repo}/discussions/1/files").text
    assert "2 &lt;i&gt;" in files
    assert "two" in files
    assert bob.post(f"/{repo}/discussions/1/merge").status_code == 403
    merged = ada.post(f"/{repo}/discussions/1/merge")
    assert "Merged" in merged.text
    assert ada.post(f"/{repo}/discussions/1/merge").status_code == 409
    assert "2 &lt;i&gt;" in ada.get(f"/{repo}/discussions/1/files").text


def test_conflicts_are_told(browser: Browser, api: HfApi, repo: str) -> None:
    for revision, text in (("refs/pr/1", b"one\n2\n"), ("main", b"one\nII\n")):
        if revision != "main":
            api.create_pull_request(repo, "Two")
            api.change_discussion_status(repo, 1, "open")
        add = CommitOperationAdd("notes.txt", text)
        api.create_commit(repo, [add], commit_message="Two", revision=revision)
    ada = browser("ada")
    assert "Both sides changed" in ada.get(f"/{repo}/discussions/1").text
    refused = ada.post(f"/{repo}/discussions/1/merge")
    assert refused.status_code == 409
    assert "notes.txt" in refused.text


def test_what_is_wrong_is_told_and_kept(browser: Browser, repo: str) -> None:
    bob = browser("bob")
    refused = bob.post(f"/{repo}/discussions/new", data={"title": "x", "text": "My long text"})
    assert refused.status_code == 400
    assert "My long text" in refused.text
    bob.post(f"/{repo}/discussions/new", data={"title": "Good one", "text": "x"})
    empty = bob.post(f"/{repo}/discussions/1/comment", data={"text": " "})
    assert empty.status_code == 400
    assert "The comment is empty" in empty.text


def test_other_sites_cannot_post_here(browser: Browser, repo: str) -> None:
    bob = browser("bob")
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    form = {"title": "Not mine", "text": "x"}
    answer = bob.post(f"/{repo}/discussions/new", data=form, headers=headers)
    assert answer.status_code == 403


def test_private_ones_are_not_there(browser: Browser, api: HfApi) -> None:
    repo = api.create_repo("ada/secret", private=True).repo_id
    api.create_discussion(repo, "Between us")
    bob = browser("bob")
    for path in ("discussions", "discussions/1", "discussions/1/files", "discussions/new"):
        assert bob.get(f"/{repo}/{path}").status_code == 404
    assert browser("ada").get(f"/{repo}/discussions/1").status_code == 200


def test_a_data_set_has_them_too(browser: Browser, api: HfApi) -> None:
    api.create_repo("ada/rows", repo_type="dataset")
    bob = browser("bob")
    made = bob.post("/datasets/ada/rows/discussions/new", data={"title": "Rows", "text": "Why?"})
    assert made.url.path == "/datasets/ada/rows/discussions/1"
    assert "Rows" in bob.get("/datasets/ada/rows/discussions").text
