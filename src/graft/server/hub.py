"""What one running Hub is made of; every request reaches it as `request.app.state.hub`."""

from typing import TYPE_CHECKING

from graft.server.content.signing import Signer, shared_key
from graft.server.db.database import Database
from graft.server.people.attempts import Attempts
from graft.server.repositories.downloads import DownloadCounter
from graft.server.repositories.turns import Turns
from graft.server.search.memory import ListMemory
from graft.server.settings import Settings
from graft.server.storage.content import ContentStore

if TYPE_CHECKING:
    from graft.server.mirror.mirroring import Mirror


class Hub:
    """The settings, the database, the large-object store and what is counted in memory.

    Opening one creates the data folder and brings the database's tables up to date.
    """

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            HubError: settings that cannot be used (database, storage).
            OSError: a data folder that cannot be created.
        """
        self.settings = settings
        settings.repositories_folder.mkdir(parents=True, exist_ok=True)
        settings.changes_folder.mkdir(parents=True, exist_ok=True)
        self.database = Database(
            settings.database_url,
            pool_size=settings.database_pool_size,
            timeout=settings.database_timeout,
        )
        self.database.migrate()
        self.content = ContentStore(
            settings.storage_url, settings.data_folder / "objects", self.database
        )
        self.mirror: Mirror | None = None
        """What fetches repositories of another hub, where the settings name one."""
        self.downloads = DownloadCounter()
        self.turns = Turns()
        self.attempts = Attempts()
        self.lists = ListMemory()
        self.signer = Signer(shared_key(self.database))

    def close(self) -> None:
        """Lets go of the database's files, and of threads."""
        self.content.close()
        self.database.close()
