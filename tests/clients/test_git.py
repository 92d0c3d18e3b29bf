"""Git and git-lfs against the Hub: clone, pull, push, and the pushes that are refused."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from customer import Customer
from git_program import Git
from huggingface_hub import CommitOperationAdd

from graft.server.running import RunningHub

CARD = b"---\nlicense: mit\nlanguage: en\n---\n# Thing\n"
WEIGHTS = bytes(range(256)) * 9000


def publish(who: Customer, name: str = "thing", *, private: bool = False) -> str:
    repo = f"{who.name}/{name}"
    who.api.create_repo(repo, private=private)
    who.api.create_commit(
        repo,
        [
            CommitOperationAdd("README.md", CARD),
            CommitOperationAdd("deep/er/model.safetensors", io.BytesIO(WEIGHTS)),
            CommitOperationAdd("odd name [1]", io.BytesIO(b"\0" * 5000)),
        ],
        commit_message="Add a thing",
    )
    return repo


@pytest.mark.parametrize("ending", ["", ".git"])
def test_a_clone_has_the_same_bytes(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git], ending: str
) -> None:
    git = clone(f"{hub.url}/{publish(eve)}{ending}")
    assert (git.folder / "README.md").read_bytes() == CARD
    assert (git.folder / "deep/er/model.safetensors").read_bytes() == WEIGHTS
    assert (git.folder / "odd name [1]").read_bytes() == b"\0" * 5000
    assert git("status", "--porcelain") == ""
    assert "model.safetensors" in git("lfs", "ls-files")
    assert "odd name [1]" in git("lfs", "ls-files")


def test_what_libraries_do_after_a_fork_is_not_waited_for(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git], tmp_path: Path
) -> None:
    """In a child of several threads it may wait for a lock that nobody is left to let go."""
    ran = tmp_path / "ran"
    os.register_at_fork(after_in_child=lambda: tmp_path.exists() and ran.touch())
    clone(f"{hub.url}/{publish(eve)}")
    assert not ran.exists()


def test_large_files_can_be_pulled_later(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    git = clone(f"{hub.url}/{publish(eve)}", lfs=False)
    weights = git.folder / "deep/er/model.safetensors"
    assert weights.read_bytes().startswith(b"version https://git-lfs")
    git("lfs", "pull")
    assert weights.read_bytes() == WEIGHTS


def test_a_private_repository_wants_a_token(
    hub: RunningHub,
    eve: Customer,
    mallory: Customer,
    clone: Callable[..., Git],
    tmp_path: Path,
    outside: dict[str, str],
) -> None:
    repo = publish(eve, private=True)
    anyone = Git(tmp_path, outside)
    assert "could not read Username" in anyone.refused("clone", f"{hub.url}/{repo}", "a")
    assert "not found" in anyone.refused("clone", mallory.address(hub, repo), "b")
    git = clone(eve.address(hub, repo))
    assert (git.folder / "deep/er/model.safetensors").read_bytes() == WEIGHTS


def test_a_push_arrives_whole(hub: RunningHub, eve: Customer, clone: Callable[..., Git]) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    new = os.urandom(300_000)
    card = b"---\nlicense: mit\ntags: [pushed-by-git]\n---\n# Thing, pushed\n"
    git.commit(README__md=card, extra__bin=new, notes__txt=b"notes")
    git("push", "--quiet")
    head = git("rev-parse", "HEAD").strip()
    info = eve.api.model_info(repo, files_metadata=True)
    assert info.sha == head
    assert "pushed-by-git" in (info.tags or [])
    assert [m.id for m in eve.api.list_models(author=eve.name, filter="pushed-by-git")] == [repo]
    path = eve.api.hf_hub_download(repo, "extra.bin", cache_dir=eve.cache)
    assert Path(path).read_bytes() == new
    lfs = {s.rfilename for s in info.siblings or [] if s.lfs}
    assert lfs == {"extra.bin", "deep/er/model.safetensors", "odd name [1]"}


def test_data_sets_branches_and_tags_can_be_pushed(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = f"{eve.name}/rows"
    eve.api.create_repo(repo, repo_type="dataset")
    git = clone(eve.address(hub, f"datasets/{repo}"))
    git("checkout", "--quiet", "-b", "feature/x")
    git.commit(train__csv=b"a,b\n1,2\n", rows__parquet=b"PAR1" * 1000)
    git("tag", "v1")
    git("push", "--quiet", "origin", "feature/x", "v1")
    refs = eve.api.list_repo_refs(repo, repo_type="dataset")
    assert [branch.name for branch in refs.branches] == ["feature/x", "main"]
    assert [tag.name for tag in refs.tags] == ["v1"]
    files = eve.api.list_repo_files(repo, repo_type="dataset", revision="feature/x")
    assert "rows.parquet" in files


def test_a_pointer_without_its_object_is_refused(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    before = eve.api.model_info(repo).sha
    git = clone(eve.address(hub, repo))
    git.commit(lost__bin=b"never sent" * 1000)
    said = git.refused("push", "--no-verify")  # leaves out git-lfs, which would send the object
    assert "lost.bin: its large object" in said
    assert "git lfs push --all" in said
    assert eve.api.model_info(repo).sha == before
    git("push")
    assert eve.api.file_exists(repo, "lost.bin")


def test_a_pointer_does_not_open_anothers_private_file(
    hub: RunningHub, eve: Customer, mallory: Customer, clone: Callable[..., Git]
) -> None:
    secret = os.urandom(20_000)
    eve.api.create_repo(f"{eve.name}/vault", private=True)
    eve.api.upload_file(
        path_or_fileobj=io.BytesIO(secret), path_in_repo="w.bin", repo_id=f"{eve.name}/vault"
    )
    pointer = Git(Path(clone(eve.address(hub, f"{eve.name}/vault")).folder), {**os.environ})(
        "cat-file", "blob", "HEAD:w.bin"
    )
    mallory.api.create_repo(f"{mallory.name}/open")
    git = clone(mallory.address(hub, f"{mallory.name}/open"))
    (git.folder / ".gitattributes").write_text("")
    git.commit(w__bin=pointer.encode())
    assert "was not uploaded" in git.refused("push", "--no-verify")


@pytest.mark.parametrize("private_first", [True, False])
def test_no_version_of_a_file_opens_anothers_private_file(
    hub: RunningHub,
    eve: Customer,
    mallory: Customer,
    clone: Callable[..., Git],
    private_first: bool,
) -> None:
    secret = os.urandom(20_000)
    eve.api.create_repo(f"{eve.name}/vault", private=True)
    eve.api.upload_file(
        path_or_fileobj=io.BytesIO(secret), path_in_repo="w.bin", repo_id=f"{eve.name}/vault"
    )
    vault = clone(eve.address(hub, f"{eve.name}/vault"), lfs=False)
    hidden = (vault.folder / "w.bin").read_bytes()
    repo = publish(mallory)
    git = clone(mallory.address(hub, repo), lfs=False)
    own = (git.folder / "deep/er/model.safetensors").read_bytes()
    (git.folder / ".gitattributes").write_text("")
    for pointer in (hidden, own) if private_first else (own, hidden):
        git.commit(w__bin=pointer)
    before = mallory.api.model_info(repo).sha
    assert "was not uploaded" in git.refused("push", "--no-verify")
    assert mallory.api.model_info(repo).sha == before


def test_a_push_of_many_small_files_and_versions_arrives(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    for version in range(3):
        git.commit(**{f"f{n}__txt": f"{version} {n}\n\n".encode() for n in range(40)})
    git.commit(empty__txt=b"")
    git("push", "--quiet")
    assert {"f0.txt", "f39.txt", "empty.txt"} <= set(eve.api.list_repo_files(repo))


def test_a_folder_with_the_cards_name_is_only_a_folder(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    (git.folder / "README.md").unlink()
    (git.folder / "README.md").mkdir()
    (git.folder / "README.md" / "part.txt").write_text("x")
    git.commit()
    git("push", "--quiet")
    assert "README.md/part.txt" in eve.api.list_repo_files(repo)


@pytest.mark.parametrize("what", ["HEAD^{tree}", "HEAD:README.md"])
def test_tags_name_commits(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git], what: str
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    git("tag", "odd", what)
    git("tag", "--annotate", "--message", "m", "odder", what)
    for name in ("odd", "odder"):
        assert f"{name}: a branch or tag must name a commit" in git.refused("push", "origin", name)
    assert not eve.api.list_repo_refs(repo).tags


def test_a_card_with_broken_yaml_is_refused(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    git.commit(README__md=b"---\nlicense: [mit\n---\n")
    assert "README.md, line 3" in git.refused("push")


def test_a_file_too_long_for_git_is_refused(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    git = clone(eve.address(hub, publish(eve)))
    git.commit(long__txt=os.urandom(hub.settings.max_inline_bytes // 2 + 10).hex().encode())
    said = git.refused("push")
    assert "long.txt" in said
    assert "git lfs track" in said


def test_only_the_owner_may_push(
    hub: RunningHub, eve: Customer, mallory: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(mallory.address(hub, repo))
    git.commit(planted__txt=b"x")
    assert "403" in git.refused("push")
    assert not eve.api.file_exists(repo, "planted.txt")


def test_refs_other_than_branches_and_tags_are_refused(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    git = clone(eve.address(hub, publish(eve)))
    git.commit(a__txt=b"x")
    said = git.refused("push", "origin", "HEAD:refs/pull/1/head")
    assert "only branches and tags" in said
    assert "deletion of the current branch" in git.refused("push", "origin", "--delete", "main")


def test_a_commit_by_the_api_and_one_by_git_follow_each_other(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    git = clone(eve.address(hub, repo))
    eve.api.upload_file(path_or_fileobj=b"api", path_in_repo="api.txt", repo_id=repo)
    git.commit(git__txt=b"git")
    assert "fetch first" in git.refused("push")
    git("pull", "--quiet", "--rebase")
    git("push", "--quiet")
    assert {"api.txt", "git.txt"} <= set(eve.api.list_repo_files(repo))
    titles = [commit.title for commit in eve.api.list_repo_commits(repo)]
    assert titles[0] == "Change"
