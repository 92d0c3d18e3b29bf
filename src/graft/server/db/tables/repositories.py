"""Repositories, and what can be found of them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from graft.server.db.tables.accounts import AccountRow
from graft.server.db.tables.base import Base, Moment


class RepositoryRow(Base):
    """A repository, and what its card and files say: the part that lists and searches read.

    `key` is `owner/name` in lower case; `folder` names the git repository on disk, so that a new
    name moves no files.
    """

    __tablename__ = "repositories"
    __table_args__ = (
        UniqueConstraint("kind", "key"),
        Index("ix_repositories_updated", "kind", "updated_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column(String(96))
    key: Mapped[str] = mapped_column(String(161))
    folder: Mapped[str] = mapped_column(String(64), unique=True)
    private: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    downloads: Mapped[int] = mapped_column(BigInteger, default=0)

    head: Mapped[str | None] = mapped_column(String(64))
    task: Mapped[str | None] = mapped_column(String(100))
    library: Mapped[str | None] = mapped_column(String(100))
    license: Mapped[str | None] = mapped_column(String(100))
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    weights: Mapped[str] = mapped_column(Text, default="{}")
    """How many weights of each type the safetensors files hold, as JSON text."""
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    card: Mapped[str] = mapped_column(Text, default="{}")
    """The YAML of README.md, as JSON text."""

    owner: Mapped[AccountRow] = relationship(lazy="joined")
    tags: Mapped[list["TagRow"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="selectin", order_by="TagRow.id"
    )


class TagRow(Base):
    """One thing a repository can be filtered by; `facet` groups it: task, language, ..."""

    __tablename__ = "repository_tags"
    __table_args__ = (UniqueConstraint("repository_id", "tag"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    tag: Mapped[str] = mapped_column(String(200), index=True)
    facet: Mapped[str] = mapped_column(String(20))
