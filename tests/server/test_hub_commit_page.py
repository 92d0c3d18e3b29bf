"""The page of one commit: what it changed, for those who may read the files."""

import re
from typing import Any

import httpx
from person import Person, deleted, file

PAGE = {"Accept": "text/html"}


def visit(who: httpx.Client, repo: str, revision: str) -> Any:
    return who.get(f"/{repo}/commit/{revision}", headers=PAGE)


def test_what_a_commit_changed(ada: Person, anyone: httpx.Client) -> None:
    repo = ada.create("changing")
    ada.commit(repo, file("a.txt", "one\n-- two\n"), file("b.bin", b"\0" * 10), file("c.txt", "x"))
    made = ada.commit(
        repo,
        file("a.txt", "one\n<b>three</b>\n"),
        file("b.bin", b"\1" * 10),
        deleted("c.txt"),
        summary="Shorter & better",
        description="In more words.",
    ).json()
    page = visit(anyone, repo, made["commitOid"])
    assert page.status_code == 200
    text = page.text
    assert "Shorter &amp; better" in text
    assert "In more words." in text
    lines = re.findall(r'<span class="(new|old)">([^<]*)</span>', text)
    assert ("new", "+&lt;b&gt;three&lt;/b&gt;") in lines
    assert ("old", "--- two") in lines
    assert "This file is not text." in text
    assert "deleted" in text
    assert visit(anyone, repo, "main").status_code == 200
    assert visit(anyone, repo, "0" * 40).status_code == 404


def test_the_first_commit_stands_beside_nothing(ada: Person, anyone: httpx.Client) -> None:
    repo = ada.create("young")
    page = visit(anyone, repo, ada.head(repo))
    assert page.status_code == 200
    assert ".gitattributes" in page.text


def test_a_commit_of_a_private_repository_is_not_shown(ada: Person, bob: Person) -> None:
    repo = ada.create("hidden", private=True)
    head = ada.head(repo)
    assert visit(bob.http, repo, head).status_code == 404
    assert visit(ada.http, repo, head).status_code == 200


def test_a_commit_of_a_gated_repository_is_not_shown(ada: Person, bob: Person) -> None:
    repo = ada.create("gated")
    made = ada.http.put(f"/api/models/{repo}/settings", json={"gated": "manual"})
    assert made.status_code == 200
    assert visit(bob.http, repo, ada.head(repo)).status_code == 403
