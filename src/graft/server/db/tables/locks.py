"""Who is working on which file, and large objects that a repository gave up for good."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from graft.server.db.tables.accounts import AccountRow
from graft.server.db.tables.base import Base, Moment


class LockRow(Base):
    """A path that somebody works on (the locking API of Git LFS); `ref` is what they said."""

    __tablename__ = "lfs_locks"
    __table_args__ = (UniqueConstraint("repository_id", "path"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    path: Mapped[str] = mapped_column(String(1024))
    ref: Mapped[str | None] = mapped_column(Text)
    locked_at: Mapped[datetime] = mapped_column(Moment)

    account: Mapped[AccountRow] = relationship(lazy="joined")


class GivenUpObjectRow(Base):
    """A large object that was deleted from a repository whose history may still name it."""

    __tablename__ = "given_up_objects"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    deleted_at: Mapped[datetime] = mapped_column(Moment)
