"""Pushes by git: what is refused leaves nothing, branches that keep their history, parts of a
history."""

import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from customer import Customer
from huggingface_hub import CommitOperationAdd
from test_git import Git

from graft.server.records import Kind
from graft.server.repositories import repos
from graft.server.running import RunningHub

__all__ = ["clone"]


@pytest.fixture
def clone(tmp_path: Path, outside: dict[str, str]) -> Callable[..., Git]:
    """Clones an address, with options."""

    def make(address: str, *options: str) -> Git:
        folder = tmp_path / f"clone-{len(list(tmp_path.iterdir()))}"
        Git(tmp_path, outside)("clone", "--quiet", *options, address, str(folder))
        return Git(folder, outside)

    return make


def publish(who: Customer, name: str = "thing") -> str:
    repo = f"{who.name}/{name}"
    who.api.create_repo(repo)
    for number in range(3):
        who.api.create_commit(
            repo, [CommitOperationAdd("n.txt", f"{number}\n".encode())], commit_message=f"{number}"
        )
    return repo


def folder_of(hub: RunningHub, repo: str) -> Path:
    found = repos.find(hub.hub, Kind.MODEL, *repo.split("/"), None)
    return repos.repository_path(hub.hub, found)


def objects_in(folder: Path) -> set[str]:
    """All that lies in a repository's store of objects."""
    return {str(p.relative_to(folder)) for p in (folder / "objects").rglob("*") if p.is_file()}


def commit_tree(git: Git, tree: str) -> str:
    return git("commit-tree", tree, "-p", "HEAD", "-m", "Odd").strip()


def blob(git: Git, data: bytes) -> str:
    (git.folder / "scratch").write_bytes(data)
    return git("hash-object", "-w", "scratch").strip()


ODD_NAMES = {
    b"..": "hasDotdot",
    b".GIT": "hasDotgit",
    ".g\u200cit".encode(): "hasDotgit",
    b"git~1": "hasDotgit",
    b"b\xff.txt": "must be UTF-8",
    b"back\\slash": "not one a repository can hold",
    b"new\nline": "not one a repository can hold",
    b"x" * 1025: "longer than 1024 bytes",
}


@pytest.mark.parametrize("name", ODD_NAMES, ids=[repr(name[:20]) for name in ODD_NAMES])
def test_names_that_files_cannot_have(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git], name: bytes
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    before = objects_in(folder_of(hub, repo))
    oid = blob(git, b"x")
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "--literally", "-w", "--stdin"],
        cwd=git.folder,
        env=git.environment,
        input=b"100644 " + name + b"\0" + bytes.fromhex(oid),
        capture_output=True,
        check=True,
    )
    commit = commit_tree(git, made.stdout.decode().strip())
    said = git.refused("push", "origin", f"{commit}:refs/heads/main")
    assert ODD_NAMES[name] in said
    assert objects_in(folder_of(hub, repo)) == before


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "a/../../outside"])
def test_links_that_lead_out_are_refused(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git], target: str
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    (git.folder / "sub").mkdir()
    link = git.folder / "sub" / "link"
    link.symlink_to(target if target.startswith("/") else f"../{target}")
    git.commit()
    assert "leads out of the repository" in git.refused("push")
    link.unlink()
    link.symlink_to("../n.txt")
    git("add", "--all")
    git("commit", "--quiet", "--amend", "--message", "Inside")
    git("push", "--quiet")
    assert eve.api.file_exists(repo, "sub/link")


def test_a_link_may_not_lead_out_from_where_its_folder_is_moved_to(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    """The folder itself is not new then: it is the one that was pushed before."""
    git = clone(eve.address(hub, publish(eve)))
    inner = git.folder / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "link").symlink_to("../../n.txt")
    git.commit()
    git("push", "--quiet")
    git("mv", "outer/inner", "inner")
    git.commit()
    assert "leads out of the repository" in git.refused("push")
    git("mv", "inner", "outer")
    (inner / "link").unlink()
    (inner / "link").symlink_to("../../../outside")
    git.commit()
    assert "leads out of the repository" in git.refused("push")


def test_a_refused_push_leaves_nothing(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    before = objects_in(folder_of(hub, repo))
    git.commit(**{f"f{n}__txt": os.urandom(100).hex().encode() for n in range(150)})
    git.commit(README__md=b"---\nlicense: [mit\n---\n")
    assert "README.md, line" in git.refused("push")
    assert objects_in(folder_of(hub, repo)) == before
    assert not [p for p in folder_of(hub, repo).rglob("*") if "tmp" in p.name]


def test_protected_branches_keep_their_history(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    git("push", "--quiet", "origin", "HEAD:release/1", "HEAD:free")
    settings = f"{hub.url}/api/models/{repo}/settings"
    put(eve, settings, {"protectedBranches": ["main", "release/*"]})
    git("reset", "--quiet", "--hard", "HEAD~1")
    git.commit(other__txt=b"x")
    for branch in ("main", "release/1"):
        assert "protected branch" in git.refused("push", "--force", "origin", f"HEAD:{branch}")
    assert "protected branch" in git.refused("push", "origin", ":release/1")
    git("push", "--quiet", "--force", "origin", "HEAD:free")
    git("push", "--quiet", "origin", ":free")
    put(eve, settings, {"protectedBranches": []})
    git("push", "--quiet", "--force", "origin", "HEAD:main")
    head = git("rev-parse", "HEAD").strip()
    assert eve.api.model_info(repo).sha == head


def put(who: Customer, address: str, body: dict[str, object]) -> None:
    import httpx

    answer = httpx.put(address, json=body, headers={"Authorization": f"Bearer {who.token}"})
    assert answer.status_code == 200, answer.text


def test_all_or_nothing_where_the_client_wants_it(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    refs = ("HEAD:refs/heads/fine", "HEAD:refs/odd/one")
    git.refused("push", "--atomic", "origin", *refs)
    assert [ref.name for ref in eve.api.list_repo_refs(repo).branches] == ["main"]
    git.refused("push", "origin", *refs)
    assert [ref.name for ref in eve.api.list_repo_refs(repo).branches] == ["fine", "main"]


def test_parts_of_a_history_can_be_cloned_and_pushed_from(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    shallow = clone(eve.address(hub, repo), "--depth", "1")
    assert shallow("rev-list", "--count", "HEAD").strip() == "1"
    shallow.commit(new__txt=b"from a shallow clone")
    shallow("push", "--quiet")
    assert eve.api.file_exists(repo, "new.txt")
    shallow("fetch", "--quiet", "--unshallow")
    assert shallow("rev-list", "--count", "HEAD").strip() == "5"
    partial = clone(eve.address(hub, repo), "--filter=blob:none", "--no-checkout")
    partial("checkout", "--quiet", "main")
    assert (partial.folder / "n.txt").read_text() == "2\n"
    assert partial("show", "HEAD~3:n.txt") == "0\n"
    sparse = clone(eve.address(hub, repo), "--filter=tree:0", "--depth", "1")
    assert (sparse.folder / "n.txt").read_text() == "2\n"


def test_a_history_with_holes_is_refused(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    source, target = publish(eve), f"{eve.name}/other"
    eve.api.create_repo(target)
    shallow = clone(eve.address(hub, source), "--depth", "1")
    said = shallow.refused("push", eve.address(hub, target), "HEAD:refs/heads/holes")
    assert "git fetch --unshallow" in said
    assert [ref.name for ref in eve.api.list_repo_refs(target).branches] == ["main"]


def test_times_that_no_calendar_has(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=git.folder,
        env=git.environment,
        input=_with_time(git("cat-file", "commit", "HEAD"), 99_999_999_999_999),
        capture_output=True,
        text=True,
        check=True,
    )
    git("reset", "--quiet", "--hard", made.stdout.strip())
    git.commit(later__txt=b"x")
    git("push", "--quiet", "--force")
    assert [c.created_at.year for c in eve.api.list_repo_commits(repo)][1] == 9999


def _with_time(commit: str, seconds: int) -> str:
    """A commit's text with another time of author and committer."""
    return re.sub(r"> \d+ ", f"> {seconds} ", commit)


def test_tags_that_say_something_and_deleting_them(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    git("tag", "--annotate", "v1", "--message", "The first")
    git("push", "--quiet", "origin", "v1")
    tag = eve.api.list_repo_refs(repo).tags[0]
    assert tag.target_commit == git("rev-parse", "HEAD").strip()
    eve.api.create_tag(repo, tag="v2", tag_message="The second", revision="v1")
    git("fetch", "--quiet", "--tags")
    assert git("tag", "--list", "v2", "--format", "%(contents:subject)").strip() == "The second"
    git("push", "--quiet", "origin", ":v1")
    assert [tag.name for tag in eve.api.list_repo_refs(repo).tags] == ["v2"]


def test_a_pull_request_can_be_pushed_to_by_who_opened_it(
    hub: RunningHub, eve: Customer, mallory: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    opened = mallory.api.create_pull_request(repo, title="A change")
    git = clone(mallory.address(hub, repo))
    git("fetch", "--quiet", "origin", f"{opened.git_reference}:change")
    git("checkout", "--quiet", "change")
    git.commit(change__txt=b"by git")
    git("push", "--quiet", "origin", f"change:{opened.git_reference}")
    assert mallory.api.file_exists(repo, "change.txt", revision=opened.git_reference)
    said = git.refused("push", "origin", "change:main")
    assert "may not" in said or "belongs to" in said
    git.refused("push", "origin", "change:refs/pr/99")
    eve.api.change_discussion_status(repo, opened.num, "open")
    eve.api.merge_pull_request(repo, opened.num)
    assert eve.api.file_exists(repo, "change.txt")


def test_pushes_and_commits_at_the_same_time_all_arrive(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    clones = [clone(eve.address(hub, repo)) for _ in range(3)]

    def push(number: int) -> None:
        git = clones[number]
        git.commit(**{f"git{number}__txt": b"x"})
        for _ in range(50):
            if git.run("push", "--quiet").returncode == 0:
                return
            git("pull", "--quiet", "--rebase")
        raise AssertionError("the push never got through")

    def commit(number: int) -> None:
        eve.api.upload_file(path_or_fileobj=b"x", path_in_repo=f"api{number}.txt", repo_id=repo)

    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(push, n) for n in range(3)] + [pool.submit(commit, n) for n in range(6)]
        for done in work:
            done.result()
    wanted = {f"git{n}.txt" for n in range(3)} | {f"api{n}.txt" for n in range(6)}
    assert wanted <= set(eve.api.list_repo_files(repo))
    assert len(eve.api.list_repo_commits(repo)) == 4 + 9
