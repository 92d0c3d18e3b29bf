"""One commit: who made it, and what it changed."""

from fastapi.responses import Response

from graft.server.git import repository as git
from graft.server.git.diffs import changed_files
from graft.server.git.history import to_commit
from graft.server.people import access
from graft.server.repositories import repos
from graft.server.web.files import file_address
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import CurrentRepository, CurrentVisit

router = page_router()

FILES_SHOWN = 200


@for_both_kinds(router.get, "/{owner}/{name}/commit/{revision:path}")
def commit_page(visit: CurrentVisit, repository: CurrentRepository, revision: str) -> Response:
    """A commit beside its first parent; a repository's first commit beside nothing."""
    access.check_files(visit.hub, repository, visit.user)
    opened = repos.open_git(visit.hub, repository)
    found = git.find_commit(opened, revision)
    parents = [str(oid) for oid in found.parent_ids]
    old = parents[0] if parents else None
    changes = changed_files(opened, old, str(found.id))
    return visit.page(
        "commit.html",
        repository=repository,
        commit=to_commit(found),
        parents=parents,
        changes=changes[:FILES_SHOWN],
        shown=FILES_SHOWN if len(changes) > FILES_SHOWN else None,
        address=file_address,
    )
