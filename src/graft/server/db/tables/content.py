"""Large objects, the xorbs they are made of, and which repository may use which object."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from graft.server.db.tables.base import Base, Moment


class ObjectRow(Base):
    """A large object that storage holds, whole and checked. No row: no such object."""

    __tablename__ = "objects"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)
    xet_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    """The hash that Xet knows it by; None: the object lies in storage as one file, as all did
    before there were xorbs."""
    terms: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """The runs of chunks that make the object, as `storage.layout` writes them."""


class XorbRow(Base):
    """A xorb that storage holds, whole and checked. No row: no such xorb."""

    __tablename__ = "xorbs"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    chunks: Mapped[int]
    packed_bytes: Mapped[int] = mapped_column(BigInteger)
    """The bytes of its frames; what lies in storage is longer by the footer."""
    unpacked_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime] = mapped_column(Moment, index=True)
    """When it was last sent, referred to, or told about: clients may refer to it for a while."""


class ObjectXorbRow(Base):
    """Which xorbs hold chunks of which object."""

    __tablename__ = "object_xorbs"

    sha256: Mapped[str] = mapped_column(
        ForeignKey("objects.sha256", ondelete="CASCADE"), primary_key=True
    )
    xorb: Mapped[str] = mapped_column(ForeignKey("xorbs.hash"), primary_key=True, index=True)


class XorbUploadRow(Base):
    """Who sent a xorb, and so has what is in it."""

    __tablename__ = "xorb_uploads"

    xorb: Mapped[str] = mapped_column(
        ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True
    )
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class SharedChunkRow(Base):
    """Where the chunks lie that are looked up over all repositories: one in 64, and those
    that files begin with."""

    __tablename__ = "shared_chunks"

    chunk: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    xorb: Mapped[str] = mapped_column(
        ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True
    )


class RepositoryObjectRow(Base):
    """Which repository may use which object: knowing a hash is not having the file."""

    __tablename__ = "repository_objects"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(ForeignKey("objects.sha256"), primary_key=True, index=True)
    linked_at: Mapped[datetime] = mapped_column(Moment)
    """When somebody last sent the object here or was told that it need not be sent."""
