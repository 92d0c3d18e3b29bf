"""The database's tables. A change here needs a migration beside it, in `migrations/versions`."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Moment(TypeDecorator[datetime]):
    """A point in time, in UTC. SQLite forgets time zones; this puts them back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,
    ) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The base of all tables."""


class AccountRow(Base):
    """Somebody who owns repositories. `key` is the name in lower case: names differ by more."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    full_name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    """argon2; None: the account logs in with tokens only."""
    created_at: Mapped[datetime] = mapped_column(Moment)


class TokenRow(Base):
    """An access token: `digest` is the SHA-256 of the secret, which nobody keeps."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10))
    hint: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)

    account: Mapped[AccountRow] = relationship(lazy="joined")


class SessionRow(Base):
    """A browser that has logged in: `digest` is the SHA-256 of its cookie."""

    __tablename__ = "sessions"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)

    account: Mapped[AccountRow] = relationship(lazy="joined")


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


class SecretRow(Base):
    """A random key that all processes of one Hub share."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(64))
