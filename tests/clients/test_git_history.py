"""Git and what is more than a push: histories replaced, cut short, left out; branches and tags."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from customer import Customer
from git_program import Git
from huggingface_hub import CommitOperationAdd

from graft.server.running import RunningHub

Clone = Callable[..., Git]
VERSIONS = 5


@pytest.fixture
def repo(eve: Customer) -> str:
    """A repository with a history of five versions of a file, and a large one beside it."""
    made = f"{eve.name}/history"
    eve.api.create_repo(made)
    for version in range(VERSIONS):
        text = f"version {version}\n" * 2000
        operations = [CommitOperationAdd("text.txt", text.encode())]
        if version == 0:
            operations.append(CommitOperationAdd("weights.bin", os.urandom(300_000)))
        eve.api.create_commit(made, operations, commit_message=f"Version {version}")
    return made


def test_a_history_can_be_replaced(hub: RunningHub, eve: Customer, repo: str, clone: Clone) -> None:
    git = clone(eve.address(hub, repo))
    git("reset", "--quiet", "--hard", "HEAD~2")
    git.commit("Another third", text__txt=b"another\n")
    assert "non-fast-forward" in git.refused("push")
    git("push", "--quiet", "--force-with-lease")
    titles = [commit.title for commit in eve.api.list_repo_commits(repo)]
    assert titles[:2] == ["Another third", "Version 2"]
    assert eve.api.model_info(repo).sha == git("rev-parse", "HEAD").strip()
    path = eve.api.hf_hub_download(repo, "text.txt", cache_dir=eve.cache)
    assert Path(path).read_text() == "another\n"


def test_a_shallow_clone_grows(
    hub: RunningHub, eve: Customer, repo: str, tmp_path: Path, outside: dict[str, str]
) -> None:
    here = Git(tmp_path, outside)
    here("clone", "--quiet", "--depth", "1", eve.address(hub, repo), "shallow")
    git = Git(tmp_path / "shallow", outside)
    assert git("rev-list", "--count", "HEAD").strip() == "1"
    git("fetch", "--quiet", "--deepen", "2")
    assert git("rev-list", "--count", "HEAD").strip() == "3"
    git.commit("On top", text__txt=b"on top\n")
    git("push", "--quiet")
    assert eve.api.list_repo_commits(repo)[0].title == "On top"
    git("fetch", "--quiet", "--unshallow")
    assert int(git("rev-list", "--count", "HEAD")) == VERSIONS + 2


def test_a_partial_clone_fetches_what_it_needs(
    hub: RunningHub, eve: Customer, repo: str, tmp_path: Path, outside: dict[str, str]
) -> None:
    here = Git(tmp_path, outside)
    address = eve.address(hub, repo)
    here("clone", "--quiet", "--filter=blob:none", "--no-checkout", address, "partial")
    git = Git(tmp_path / "partial", outside)
    missing = git("rev-list", "--objects", "--all", "--missing=print").count("?")
    assert missing >= VERSIONS
    git("sparse-checkout", "set", "--no-cone", "/text.txt")
    git("checkout", "--quiet", "main")
    assert (git.folder / "text.txt").read_text().startswith(f"version {VERSIONS - 1}")
    assert not (git.folder / "weights.bin").exists()
    assert "version 1" in git("show", "HEAD~3:text.txt")
    here("clone", "--quiet", "--filter=tree:0", address, "treeless")
    assert Git(tmp_path / "treeless", outside)("log", "--oneline").count("\n") == VERSIONS + 1


def test_branches_and_tags_come_and_go(
    hub: RunningHub, eve: Customer, repo: str, clone: Clone
) -> None:
    git = clone(eve.address(hub, repo))
    git("tag", "light", "HEAD~1")
    git("tag", "--annotate", "--message", "The first release", "v1.0")
    git("checkout", "--quiet", "-b", "topic/one")
    git.commit("Topic", topic__txt=b"topic")
    git("push", "--quiet", "--set-upstream", "origin", "topic/one", "--tags")
    refs = eve.api.list_repo_refs(repo)
    assert {branch.name for branch in refs.branches} == {"main", "topic/one"}
    assert {tag.name for tag in refs.tags} == {"light", "v1.0"}
    for revision in ("v1.0", "light", "topic/one"):
        expected = git("rev-parse", f"{revision}^{{commit}}").strip()
        assert eve.api.model_info(repo, revision=revision).sha == expected

    eve.api.create_branch(repo, branch="by-api", revision="v1.0")
    eve.api.create_tag(repo, tag="tagged", tag_message="By the API", revision="topic/one")
    git("fetch", "--quiet", "--tags", "--prune")
    assert "origin/by-api" in git("branch", "--remotes")
    assert "By the API" in git("tag", "--list", "-n1", "tagged")

    git("push", "--quiet", "origin", "--delete", "topic/one", "light")
    refs = eve.api.list_repo_refs(repo)
    assert {branch.name for branch in refs.branches} == {"main", "by-api"}
    assert {tag.name for tag in refs.tags} == {"v1.0", "tagged"}


def test_a_pull_request_can_be_fetched_and_pushed_to(
    hub: RunningHub, eve: Customer, repo: str, clone: Clone
) -> None:
    opened = eve.api.create_pull_request(repo, title="By git", description="Soon")
    git = clone(eve.address(hub, repo))
    git("fetch", "--quiet", "origin", f"{opened.git_reference}:proposal")
    git("checkout", "--quiet", "proposal")
    git.commit("A proposal", proposal__txt=b"what about this?", more__bin=os.urandom(100_000))
    git("push", "--quiet", "origin", f"proposal:{opened.git_reference}")
    assert eve.api.file_exists(repo, "proposal.txt", revision=opened.git_reference)
    assert not eve.api.file_exists(repo, "proposal.txt")
    eve.api.change_discussion_status(repo, opened.num, "open")  # it was a draft while empty
    eve.api.merge_pull_request(repo, opened.num)
    assert eve.api.file_exists(repo, "proposal.txt")
    assert eve.api.file_exists(repo, "more.bin")


def test_two_thousand_small_files(
    hub: RunningHub, eve: Customer, clone: Clone, tmp_path: Path, outside: dict[str, str]
) -> None:
    repo = f"{eve.name}/many"
    eve.api.create_repo(repo, repo_type="dataset")
    git = clone(eve.address(hub, f"datasets/{repo}"))
    for number in range(2000):
        folder = git.folder / f"part-{number % 40}"
        folder.mkdir(exist_ok=True)
        suffix = "bin" if number % 20 == 0 else "txt"
        (folder / f"{number}.{suffix}").write_bytes(f"file {number}\n".encode() * (number % 50 + 1))
    git.commit("All of them")
    git("push", "--quiet")
    again = clone(eve.address(hub, f"datasets/{repo}"))
    assert again("rev-parse", "HEAD^{tree}") == git("rev-parse", "HEAD^{tree}")
    names = {p.relative_to(git.folder) for p in git.folder.rglob("part-*/*")}
    assert len(names) == 2000
    for name in names:
        assert (again.folder / name).read_bytes() == (git.folder / name).read_bytes()
