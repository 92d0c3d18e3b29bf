"""Whether each repository is whole: all that its refs lead to, and what the tables say of it."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pygit2
from sqlalchemy import select
from sqlalchemy.orm import Session

from graft.server.content import links
from graft.server.db.tables import GivenUpObjectRow, ObjectRow, RepositoryRow
from graft.server.errors import RefusedError, RepoNotFoundError
from graft.server.events import RefUpdate
from graft.server.git import reachable
from graft.server.git.process import clean_environment
from graft.server.git.reachable import Pointer
from graft.server.git.repository import DEFAULT_BRANCH
from graft.server.hub import Hub
from graft.server.people import identity
from graft.server.records import Repository
from graft.server.repositories import refchanges, repos
from graft.server.rows import to_record
from graft.server.upkeep.findings import Problem, Report
from graft.server.upkeep.garbage import repositories, stray_folders

SHOWN_LINES = 5


def check_repositories(hub: Hub, report: Report, *, deep: bool, repair: bool) -> None:
    """Checks all repositories.

    Args:
        deep: whether git is to take every object's hash.
    """
    for repository in repositories(hub):
        report.repositories += 1
        found = _check(hub, repository, report, deep=deep)
        if found:  # it may have changed under our eyes: once more, while nobody changes it
            found = _check_alone(hub, repository, deep=deep)
        for problem in found:
            done = repair and _repair(hub, repository, problem)
            report.problems.append(replace(problem, repaired=done))
    stray = stray_folders(hub, datetime.now(UTC) - timedelta(hours=1))
    if stray:
        report.notes.append(
            f"{len(stray)} git repositories belong to none that the tables know ({stray[0]}); "
            "`graft hub gc` deletes them when they are old enough."
        )


def _check_alone(hub: Hub, repository: Repository, *, deep: bool) -> list[Problem]:
    try:
        with refchanges.locked(hub, repository):
            now = _again(hub, repository)
            return _check(hub, now, Report(), deep=deep) if now else []
    except RepoNotFoundError:  # its folder is not there
        now = _again(hub, repository)
        return [_missing(hub, now)] if now else []


def _check(hub: Hub, repository: Repository, report: Report, *, deep: bool) -> list[Problem]:
    try:
        opened = repos.open_git(hub, repository)
        pointers = list(reachable.pointers(opened))
        problems = [*_check_heads(repository, opened)]
    except RepoNotFoundError:
        return [_missing(hub, repository)]
    except reachable.DAMAGE as error:
        text = f"What its refs lead to cannot be read: {error}"
        return [_problem(repository, "git-damaged", text)]
    report.pointers += len(pointers)
    with hub.database.reading() as session:
        problems += _check_pointers(session, repository, pointers, report)
    if deep:
        problems += _check_hashes(hub, repository)
    return problems


def _check_heads(repository: Repository, opened: pygit2.Repository) -> Iterator[Problem]:
    reference = opened.references.get(f"refs/heads/{DEFAULT_BRANCH}")
    head = str(reference.peel(pygit2.Commit).id) if reference is not None else None
    if head is None and repository.head is not None:
        text = f"{refchanges.MAIN} is gone; lists and searches know it at {repository.head}."
        yield _problem(repository, "branch-lost", text)
    elif head != repository.head:
        text = f"{DEFAULT_BRANCH} is at {head}; lists and searches know it at {repository.head}."
        yield _problem(repository, "index-behind", text)


def _check_pointers(
    session: Session, repository: Repository, pointers: list[Pointer], report: Report
) -> Iterator[Problem]:
    hashes = {pointer.lfs.sha256 for pointer in pointers}
    held = links.sizes_in(session, repository.id, hashes)
    stored = _stored_sizes(session, hashes - held.keys())
    mine = GivenUpObjectRow.repository_id == repository.id
    given_up = set(session.scalars(select(GivenUpObjectRow.sha256).where(mine)))
    for pointer in pointers:
        sha256, size = pointer.lfs.sha256, pointer.lfs.size
        place = f"{pointer.path} ({pointer.ref}) names the object {sha256} of {size} bytes"
        known = held.get(sha256, stored.get(sha256))
        if known is not None and known != size:
            yield _problem(repository, "pointer-wrong", f"{place}, which has {known}.")
        elif sha256 in held:
            continue
        elif sha256 in given_up:
            report.notes.append(f"{repository.full_name}: {place}, which was deleted on purpose.")
        elif known is not None:
            yield _problem(repository, "object-not-given", f"{place}, which it may not use.")
        else:
            yield _problem(repository, "object-missing", f"{place}, which is not stored.")


def _stored_sizes(session: Session, hashes: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in links.batched(hashes):
        query = select(ObjectRow.sha256, ObjectRow.size).where(ObjectRow.sha256.in_(some))
        found.update((sha256, size) for sha256, size in session.execute(query))
    return found


def _check_hashes(hub: Hub, repository: Repository) -> Iterator[Problem]:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "fsck", "--full", "--no-dangling", "--no-progress"],
        cwd=repos.repository_path(hub, repository),
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = "; ".join(lines[:SHOWN_LINES])
        yield _problem(repository, "git-damaged", f"git fsck says: {said}")


def _repair(hub: Hub, repository: Repository, problem: Problem) -> bool:
    """Puts right what can be; answers whether it did."""
    with suppress(RefusedError, *reachable.DAMAGE):  # what it needs is damaged itself
        if problem.kind == "index-behind":
            repos.reindex(hub, repository)
            return True
        if problem.kind == "branch-lost":
            return _put_back(hub, repository)
        if problem.kind == "object-not-given":
            return _give(hub, repository)
    return False


def _put_back(hub: Hub, repository: Repository) -> bool:
    """Makes `main` again where the tables know it, if git still has what it named."""
    with refchanges.locked(hub, repository) as opened:
        now = _again(hub, repository)
        if now is None or now.head is None or now.head not in opened:
            return False
        lost = RefUpdate(refchanges.MAIN, None, now.head)
        refchanges.move(hub, now, opened, [lost])
    return True


def _give(hub: Hub, repository: Repository) -> bool:
    """Gives a repository the objects that its commits name, as far as its owner may read them:
    a pointer opens nobody's private files. Answers whether it lacks none any more."""
    hashes = {pointer.lfs.sha256 for pointer in reachable.pointers(repos.open_git(hub, repository))}
    with hub.database.writing() as session:
        row = session.get(RepositoryRow, repository.id)
        owner = identity.again(session, row.owner_id, None) if row is not None else None
        if owner is None:
            return False
        lacking = hashes - links.sizes_in(session, repository.id, hashes).keys()
        readable = links.sizes_for(session, owner, lacking).keys()
        links.link_all(session, repository.id, readable)
        lacking -= readable
        return not (lacking & _stored_sizes(session, lacking).keys())


def _again(hub: Hub, repository: Repository) -> Repository | None:
    with hub.database.reading() as session:
        row = session.get(RepositoryRow, repository.id)
        return to_record(row) if row is not None else None


def _missing(hub: Hub, repository: Repository) -> Problem:
    path = repos.repository_path(hub, repository)
    return _problem(repository, "repository-missing", f"There is no git repository {path}.")


def _problem(repository: Repository, kind: str, text: str) -> Problem:
    return Problem(kind, f"{repository.kind.prefix}{repository.full_name}", text)
