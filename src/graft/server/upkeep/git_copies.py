"""Copies of git repositories, taken while people push to them."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pygit2

from graft.errors import HubError
from graft.server.git.process import clean_environment


@dataclass(frozen=True)
class RefsOf:
    """What a repository's refs name at one moment, and the branch that its HEAD stands for."""

    refs: dict[str, str]
    head: str


def read_refs(repository: Path) -> RefsOf:
    """
    Raises:
        HubError: there is no repository.
    """
    try:
        opened = pygit2.Repository(str(repository), pygit2.enums.RepositoryOpenFlag.BARE)
        refs = {
            name: str(target)
            for name in opened.references
            if not isinstance(target := opened.references[name].target, str)
        }
        head = opened.lookup_reference("HEAD").target
    except (pygit2.GitError, KeyError) as error:
        raise HubError(f"The git repository {repository} cannot be read: {error}") from error
    return RefsOf(refs, str(head))


def copy(source: Path, target: Path, last: RefsOf | None) -> RefsOf:
    """Brings the copy of a repository up to date, and answers what its refs name.

    Objects that no ref of the source leads to any more stay in the copy, so that what an earlier
    backup says of it stays true.

    Args:
        last: what the copy's refs named when it was last brought up to date.

    Raises:
        HubError: git does not copy it; the copy is as it was.
    """
    now = read_refs(source)
    if last == now and target.is_dir():
        return now
    if not target.is_dir():
        _create(target, now.head)
        # A restore asks for what refs named then, not for what they name now.
        _git(target, "config", "uploadpack.allowAnySHA1InWant", "true")
    _git(target, "fetch", *_FETCH, "--prune", str(source), "+refs/*:refs/*")
    _git(target, "symbolic-ref", "HEAD", now.head)
    return read_refs(target)


def restore(copied: Path, target: Path, refs: RefsOf) -> None:
    """Makes a repository of a copy, with the refs that it had then.

    Raises:
        HubError: the copy does not hold what the refs name.
    """
    _create(target, refs.head)
    if refs.refs:
        wanted = "".join(f"+{oid}:{name}\n" for name, oid in sorted(refs.refs.items()))
        _git(target, "fetch", *_FETCH, "--stdin", str(copied), stdin=wanted)
    if read_refs(target) != refs:
        raise HubError(f"The copy of the git repository {copied} is not complete.")


_FETCH = ("--quiet", "--force", "--no-tags", "--no-auto-gc", "--no-write-fetch-head")


def _create(path: Path, head: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    pygit2.init_repository(path, bare=True, initial_head=head.removeprefix("refs/heads/"))


def _git(folder: Path, *arguments: str, stdin: str = "") -> None:
    command = ["git", "-c", "safe.directory=*", "-c", "gc.auto=0", *arguments]
    environment = clean_environment() | {"GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=os.fsencode(stdin),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise HubError(f"git {arguments[0]} failed in {folder}: {said}")
