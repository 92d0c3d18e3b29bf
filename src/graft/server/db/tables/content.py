"""Large objects, and which repository may use which."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from graft.server.db.tables.base import Base, Moment


class ObjectRow(Base):
    """A large object that storage holds, whole and checked. No row: no such object."""

    __tablename__ = "objects"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)


class RepositoryObjectRow(Base):
    """Which repository may use which object: knowing a hash is not having the file."""

    __tablename__ = "repository_objects"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(ForeignKey("objects.sha256"), primary_key=True, index=True)
    linked_at: Mapped[datetime] = mapped_column(Moment)
    """When somebody last sent the object here or was told that it need not be sent."""
