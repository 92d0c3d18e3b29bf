"""What a commit of a repository says, read with its large files and with what was known before."""

from collections.abc import Collection

from graft.server.content import large
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Kind
from graft.server.search import index
from graft.server.search.describe import Description, Facts, describe


def describe_snapshot(
    hub: Hub, kind: Kind, repository_id: int, snapshot: Snapshot, objects: Collection[str] = ()
) -> Description:
    """What a snapshot says.

    Args:
        repository_id: the repository whose large files may be read for it.
        objects: large objects that the repository is about to be given.
    """
    read = large.reader(hub, repository_id, snapshot, objects)
    return describe(kind, snapshot, read, known_facts(hub, repository_id))


def known_facts(hub: Hub, repository_id: int) -> dict[str, Facts]:
    """What was read out of the files of a repository before, by blob."""
    with hub.database.reading() as session:
        return index.known_facts(session, repository_id)
