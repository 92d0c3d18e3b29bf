"""What differs between two revisions, and who wrote each line of a file."""

from typing import Any

from fastapi.responses import RedirectResponse, Response

from graft.server.git import diffs, merging
from graft.server.git import repository as git
from graft.server.git.blame import blame as blame_file
from graft.server.git.history import to_commit
from graft.server.people import access
from graft.server.records import Repository
from graft.server.repositories import repos
from graft.server.web.commits import FILES_SHOWN
from graft.server.web.files import api_address, crumbs, file_address
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import CurrentRepository, CurrentVisit, Visit

router = page_router()


@for_both_kinds(router.get, "/{owner}/{name}/blame/{rest:path}")
def blame(visit: CurrentVisit, repository: CurrentRepository, rest: str) -> Response:
    """A text file, with the commit that brought each line; `rest` is revision and path."""
    access.check_files(visit.hub, repository, visit.user)
    opened = repos.open_git(visit.hub, repository)
    rest = rest.strip("/")
    commit, path = git.split_revision(opened, rest)
    revision = rest.removesuffix(path).rstrip("/") if path else rest
    return visit.page(
        "blame.html",
        repository=repository,
        revision=revision,
        path=path,
        parts=blame_file(opened, commit, path),
        crumbs=crumbs(path),
        address=file_address,
        json=api_address(repository, "blame", revision, path),
    )


@for_both_kinds(router.get, "/{owner}/{name}/compare")
def choose(
    visit: CurrentVisit, repository: CurrentRepository, base: str = "", head: str = ""
) -> Response:
    """The form to choose two revisions with; leads on where both are chosen."""
    access.check_files(visit.hub, repository, visit.user)
    if base and head:
        return RedirectResponse(file_address(repository, "compare", f"{base}...{head}"), 303)
    return _page(visit, repository, base=base or git.DEFAULT_BRANCH, head=head)


@for_both_kinds(router.get, "/{owner}/{name}/compare/{revisions:path}")
def compare(visit: CurrentVisit, repository: CurrentRepository, revisions: str) -> Response:
    """What the second of two revisions has and the first has not: `main..v2` from one to the other,
    `main...v2` since they parted."""
    access.check_files(visit.hub, repository, visit.user)
    opened = repos.open_git(visit.hub, repository)
    old, new = diffs.ends(opened, revisions)
    base, head, _ = diffs.read_ends(revisions)
    changes = diffs.changed_files(opened, old, new)
    commits = merging.commits_between(opened, old, new) if old else []
    return _page(
        visit,
        repository,
        base=base,
        head=head,
        commits=[to_commit(commit) for commit in commits],
        may_be_more=len(commits) == merging.MAX_COMMITS_NAMED,
        changes=changes[:FILES_SHOWN],
        shown=FILES_SHOWN if len(changes) > FILES_SHOWN else None,
        json=api_address(repository, "compare", revisions, ""),
    )


def _page(visit: Visit, repository: Repository, *, base: str, head: str, **found: Any) -> Response:
    known = repos.refs(visit.hub, repository)
    names = [ref.name for ref in (*known.branches, *known.tags)]
    names += [ref.ref for ref in known.pull_requests]
    return visit.page(
        "compare.html",
        repository=repository,
        base=base,
        head=head,
        names=names,
        address=file_address,
        **found,
    )
