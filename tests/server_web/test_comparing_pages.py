"""The pages of who wrote each line, and of what differs between two revisions."""

import re
from collections.abc import Callable

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from graft.server.git import merging

Browser = Callable[[str], httpx.Client]


def plain(page: str) -> str:
    """The page without space between its tags."""
    return re.sub(r"\s*(<[^>]*>)\s*", r"\1", page)


@pytest.fixture(scope="module")
def repo(api: HfApi) -> str:
    """A repository with two versions of a file, and a branch with a third."""
    repo = "ada/two-sides"
    api.create_repo(repo)

    def commit(title: str, text: str, branch: str = "main") -> None:
        added = CommitOperationAdd("notes.txt", text.encode())
        api.create_commit(repo, [added], commit_message=title, revision=branch)

    commit("The <first> lines", "one\ntwo\n")
    commit("A line between", "one\none & a half\ntwo\n")
    api.create_branch(repo, branch="feature/x")
    commit("More", "one\none & a half\ntwo\nthree\n", "feature/x")
    commit("Elsewhere", "zero\none & a half\ntwo\n")
    return repo


def test_each_line_names_the_commit_that_brought_it(browser: Browser, repo: str) -> None:
    bob = browser("bob")
    assert f'href="/{repo}/blame/main/notes.txt"' in bob.get(f"/{repo}/blob/main/notes.txt").text
    page = plain(bob.get(f"/{repo}/blame/feature/x/notes.txt").text)
    rows = re.findall(r'<tr id="L(\d+)"[^>]*>(.*?)</tr>', page)
    said = [
        (number, *re.findall(r">([^<>]+)</a>", row)[1:], row[row.rindex("<td>") :])
        for number, row in rows
    ]
    assert said == [
        ("1", "The &lt;first&gt; lines", "<td>one</td>"),
        ("2", "A line between", "<td>one &amp; a half</td>"),
        ("3", "The &lt;first&gt; lines", "<td>two</td>"),
        ("4", "More", "<td>three</td>"),
    ]
    assert bob.get(f"/{repo}/blame/main/nothing.txt").status_code == 404


def test_two_revisions_are_chosen_and_compared(browser: Browser, repo: str) -> None:
    bob = browser("bob")
    history = bob.get(f"/{repo}/commits/feature%2Fx").text
    (form,) = re.findall(r'href="([^"]*/compare[^"]*)"', history)
    page = bob.get(form).text
    assert 'name="base" value="main"' in page
    assert 'name="head" value="feature/x"' in page
    assert '<option value="feature/x">' in page
    chosen = bob.get(f"/{repo}/compare", params={"base": "main", "head": "feature/x"})
    assert chosen.url.raw_path == f"/{repo}/compare/main...feature%2Fx".encode()
    text = plain(chosen.text)
    assert "<h2>1 commit</h2>" in text
    assert '<span class="new">+three</span>' in text
    assert "zero" not in text  # what main got since is not what the branch did


def test_what_lies_between_two_revisions_counts_both_sides(browser: Browser, repo: str) -> None:
    text = plain(browser("").get(f"/{repo}/compare/main..feature/x").text)
    assert '<span class="old">-zero</span>' in text
    assert '<span class="new">+three</span>' in text
    assert "No file differs" in browser("").get(f"/{repo}/compare/main..main").text


def test_more_commits_than_are_shown_are_not_counted(
    browser: Browser, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = browser("").get(f"/api/models/{repo}/commits/main").json()[-1]["id"]
    address = f"/{repo}/compare/{first}..main"
    assert "<h2>3 commits</h2>" in plain(browser("").get(address).text)
    monkeypatch.setattr(merging, "MAX_COMMITS_NAMED", 2)
    text = plain(browser("").get(address).text)
    assert "<h2>The newest 2 commits</h2>" in text
    assert "Elsewhere" in text
    assert "lines</a>" not in text


@pytest.mark.parametrize(
    ("revisions", "status"), [("main", 400), ("main..", 400), ("main...nothing", 404)]
)
def test_revisions_that_are_not_there(
    browser: Browser, repo: str, revisions: str, status: int
) -> None:
    assert browser("").get(f"/{repo}/compare/{revisions}").status_code == status
