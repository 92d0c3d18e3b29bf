"""What one process keeps of the lists of a large hub."""

from graft.server.search.facets import Facets
from graft.server.search.kept import Kept
from graft.server.search.selectors import CommonSets

KEPT_SECONDS = 60.0
KEPT_QUERIES = 200


class ListMemory:
    """Sets, counts and facets that thousands of repositories share."""

    def __init__(self) -> None:
        self.sets = CommonSets()
        self.facets: Kept[Facets] = Kept(KEPT_SECONDS, KEPT_QUERIES)
        self.many: Kept[bool] = Kept(KEPT_SECONDS, KEPT_QUERIES)
        """Which queries match more than are counted."""
