"""Pull requests with converted weights, after `main` has moved on without other weights."""

from graft.server.community.writing import get_row
from graft.server.conversion.names import ACCOUNT, TITLE
from graft.server.events import RefUpdate
from graft.server.git import refs
from graft.server.git.build import CommitBuilder
from graft.server.git.merging import pull_request_ref
from graft.server.git.repository import DEFAULT_BRANCH, find_commit, read_blob
from graft.server.git.snapshot import Snapshot
from graft.server.git.writing import ObjectWriter
from graft.server.hub import Hub
from graft.server.records import Repository
from graft.server.repositories import refchanges, repos


def put_on_top(hub: Hub, repository: Repository, number: int) -> None:
    """Makes the commit of an open pull request anew on top of `main`: clients want it there.

    One that others have added to stays as it is.

    Raises:
        NotFoundError, RepoNotFoundError: it has just been deleted.
    """
    with (
        ObjectWriter(repos.repository_path(hub, repository)) as writer,
        refchanges.locked(hub, repository) as opened,
    ):
        ref = pull_request_ref(number)
        old = refs.target_of(opened, ref)
        if old is None or not _is_open(hub, repository, number):
            return
        commit, main = find_commit(opened, old), find_commit(opened, DEFAULT_BRANCH)
        if commit.author.name != ACCOUNT or commit.parent_ids == [main.id]:
            return
        before = {entry.name for entry in commit.parents[0].tree}
        builder = CommitBuilder(opened, main, writer)
        for entry in Snapshot(opened, commit).entries():
            if entry.path in before:
                continue
            if entry.lfs is not None:
                builder.add_large_file(entry.path, entry.lfs.sha256, entry.lfs.size)
            else:
                builder.add_file(entry.path, read_blob(opened, entry.oid))
        made = str(builder.commit(ACCOUNT, TITLE))
        refchanges.move(hub, repository, opened, [RefUpdate(ref, old, made)])


def _is_open(hub: Hub, repository: Repository, number: int) -> bool:
    with hub.database.reading() as session:
        return get_row(session, repository, number, lock=False).status == "open"
