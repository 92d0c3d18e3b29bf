"""The database's tables, a module an area. A change needs a migration, in `migrations/versions`."""

from graft.server.db.tables.accounts import AccountRow, SessionRow, TokenRow
from graft.server.db.tables.base import Base, Moment
from graft.server.db.tables.content import ObjectRow, RepositoryObjectRow
from graft.server.db.tables.locks import GivenUpObjectRow, LockRow
from graft.server.db.tables.operations import SecretRow
from graft.server.db.tables.repositories import RepositoryRow, TagRow

__all__ = [
    "AccountRow",
    "Base",
    "GivenUpObjectRow",
    "LockRow",
    "Moment",
    "ObjectRow",
    "RepositoryObjectRow",
    "RepositoryRow",
    "SecretRow",
    "SessionRow",
    "TagRow",
    "TokenRow",
]
