"""What the processes of one Hub share, and what they mirror of another one."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from graft.server.db.tables.base import Base, Moment


class SecretRow(Base):
    """A random key that all processes of one Hub share."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(64))


class MirrorRow(Base):
    """A repository that is another hub's: nobody changes it here."""

    __tablename__ = "mirrors"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    url: Mapped[str] = mapped_column(Text)
    """The other hub's address."""
    state: Mapped[str] = mapped_column(String(64))
    """A digest of its branches and tags, as they were when they were fetched."""
    checked_at: Mapped[datetime] = mapped_column(Moment)


class MirrorOwnerRow(Base):
    """An account that was made to own what is mirrored: it has no members and no tokens."""

    __tablename__ = "mirror_owners"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )


class DownloadRow(Base):
    """Who fetched from which repository lately: `who` is a digest. Old rows are deleted."""

    __tablename__ = "recent_downloads"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    who: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
