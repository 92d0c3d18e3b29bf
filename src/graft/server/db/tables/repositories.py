"""Repositories, and what can be found of them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
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
        # Lists are read in the order of one of these, a page at a time.
        Index("ix_repositories_by_updated", "kind", "updated_at", "id"),
        Index("ix_repositories_by_created", "kind", "created_at", "id"),
        Index("ix_repositories_by_downloads", "kind", "downloads", "id"),
        Index("ix_repositories_by_likes", "kind", "likes", "id"),
        Index("ix_repositories_by_trending", "kind", "trending_score", "id"),
        Index("ix_repositories_by_parameters", "kind", "parameters", "id"),
        Index("ix_repositories_by_size", "kind", "size", "id"),
        # What is signed names a repository by its number, which must never be another's.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column(String(96))
    key: Mapped[str] = mapped_column(String(161))
    folder: Mapped[str] = mapped_column(String(64), unique=True)
    private: Mapped[bool]
    gated: Mapped[str | None] = mapped_column(String(10))
    """`auto` or `manual`: its files go to those who asked for them. None: to all who may see it."""
    creator_id: Mapped[int | None]
    """Who created it: a contributor to an organization may write to what they created."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    downloads: Mapped[int] = mapped_column(BigInteger, default=0)
    likes: Mapped[int] = mapped_column(Integer, default=0)
    """How many accounts like it: counted in the transaction that changes the likes."""
    trending_score: Mapped[int] = mapped_column(Integer, default=0)
    """How much it was liked and fetched of late."""

    protected_branches: Mapped[str] = mapped_column(Text, default="[]")
    """Patterns of branches that keep their history, as a JSON list: `main`, `release/*`."""

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
    tag_list: Mapped[str] = mapped_column(Text, default="[]")
    """The tags as a JSON list, in order: what lists show, without a query of its own."""

    owner: Mapped[AccountRow] = relationship(lazy="joined")
    tags: Mapped[list["TagRow"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="selectin", order_by="TagRow.id"
    )


class TagRow(Base):
    """One thing a repository can be filtered by; `facet` groups it: task, language, ..."""

    __tablename__ = "repository_tags"
    __table_args__ = (
        UniqueConstraint("repository_id", "tag"),
        Index("ix_repository_tags_kind", "kind", "tag", "repository_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    """The repository's, so that the tags of one kind are counted without looking at the other."""
    tag: Mapped[str] = mapped_column(String(200))
    facet: Mapped[str] = mapped_column(String(20))


class RedirectRow(Base):
    """A name that a repository had before: what asks for it is led to the new one."""

    __tablename__ = "repository_redirects"

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    key: Mapped[str] = mapped_column(String(161), primary_key=True)
    """`owner/name` in lower case."""
    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), index=True
    )


class ContentsRow(Base):
    """What the files of a repository's newest commit are and say: what its page needs, beside what
    lists read. All but the head are JSON texts."""

    __tablename__ = "repository_contents"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    head: Mapped[str] = mapped_column(String(64))
    """The commit that all this was read from."""
    files: Mapped[str] = mapped_column(Text)
    """All files, in the order of the tree: `[path, size, blob, sha256 or null, pointer size]`."""
    facts: Mapped[str] = mapped_column(Text)
    """What was read out of files, by blob: each file is read once, however many commits keep it."""
    about: Mapped[str] = mapped_column(Text)
    """The model's configuration and evaluations, or the data set's tables."""


class BaseModelRow(Base):
    """A model that another one was made from, whether this Hub has it or not."""

    __tablename__ = "base_models"
    __table_args__ = (
        UniqueConstraint("repository_id", "base_key"),
        Index("ix_base_models_base", "base_key", "relation", "repository_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    base_key: Mapped[str] = mapped_column(String(200))
    """The base's `owner/name` in lower case."""
    base_name: Mapped[str] = mapped_column(String(200))
    relation: Mapped[str] = mapped_column(String(10))
    """finetune, adapter, quantized or merge."""


class EvaluationRow(Base):
    """One figure of a model on a data set, as its files say."""

    __tablename__ = "evaluations"
    __table_args__ = (Index("ix_evaluations_dataset", "dataset_key", "value"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), index=True
    )
    dataset_key: Mapped[str] = mapped_column(String(200))
    """The data set's `owner/name` in lower case."""
    task_id: Mapped[str] = mapped_column(String(200))
    value: Mapped[float]
    filename: Mapped[str] = mapped_column(String(1024))
    details: Mapped[str] = mapped_column(Text)
    """The entry as it stands in the file, as JSON text."""


class ScanRow(Base):
    """What was found in a blob that can hold programs (pickles) or secrets; the same bytes are
    looked at once. `blob` is the SHA-256 of a large file, the git object of a small one."""

    __tablename__ = "blob_scans"

    blob: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(12), index=True)
    """queued, safe, suspicious, unsafe or failed."""
    findings: Mapped[str] = mapped_column(Text, default="[]")
    version: Mapped[int] = mapped_column(Integer)
    """Of the rules that it was looked at by."""
    repository_id: Mapped[int | None] = mapped_column(
        ForeignKey("repositories.id", ondelete="SET NULL")
    )
    """A repository that holds the blob: where the scan reads it."""
    claimed_at: Mapped[datetime | None] = mapped_column(Moment)
    """When a worker took it up; one that did not come back is taken up again."""


class ConversionRow(Base):
    """A try to make safetensors of a model's pickled weights: one for the same weights."""

    __tablename__ = "conversions"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )
    weights: Mapped[str] = mapped_column(String(64))
    """The SHA-256 of the files' names and blobs: what was tried."""
    status: Mapped[str] = mapped_column(String(12), index=True)
    """queued, running, done or failed."""
    detail: Mapped[str] = mapped_column(Text, default="")
    """Why it failed, or the pull request that came of it."""
    claimed_at: Mapped[datetime | None] = mapped_column(Moment)
