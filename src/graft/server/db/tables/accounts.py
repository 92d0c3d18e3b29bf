"""Accounts and organizations, what they log in with, and who was let into gated repositories."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from graft.server.db.tables.base import Base, Moment


class AccountRow(Base):
    """A person or an organization: whoever owns repositories. They share one space of names.

    `key` is the name in lower case: names differ by more.
    """

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    full_name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    """argon2; None: the account logs in with tokens only."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    type: Mapped[str] = mapped_column(String(12), default="user")
    """`user` or `organization`; an organization never logs in."""
    details: Mapped[str] = mapped_column(Text, default="")
    """What the account says about itself, as plain text."""


class MemberRow(Base):
    """Who belongs to which organization, as what: read, contribute, write or admin."""

    __tablename__ = "organization_members"

    organization_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime] = mapped_column(Moment)


class TokenRow(Base):
    """An access token: `digest` is the SHA-256 of the secret, which nobody keeps."""

    __tablename__ = "tokens"
    # A Xet token names the token it was made for by its number, which must never be another's.
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(12))
    """`read`, `write` or `fine-grained`."""
    hint: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    scopes: Mapped[str | None] = mapped_column(Text)
    """What a fine-grained token may do and where, as JSON text (`graft.server.people.scopes`)."""
    login_id: Mapped[int | None] = mapped_column(index=True)
    """The device login that keeps this token fresh; None: a token that somebody made."""

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
    agent: Mapped[str] = mapped_column(String(200), default="")
    """What the browser said it is."""
    address: Mapped[str] = mapped_column(String(64), default="")
    """Where it logged in from."""

    account: Mapped[AccountRow] = relationship(lazy="joined")


class DeviceCodeRow(Base):
    """A program that asks to be logged in, until somebody answers in a browser (RFC 8628).

    `device_digest` is the SHA-256 of the code that the program polls with.
    """

    __tablename__ = "device_codes"

    device_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_code: Mapped[str] = mapped_column(String(16), unique=True)
    """What a person types in, in capitals and without its dash."""
    agent: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(10))
    """`pending`, `approved` or `denied`."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(12))
    """What the token may do that the program gets."""
    interval: Mapped[int]
    """Seconds that must lie between two polls."""
    polled_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class DeviceLoginRow(Base):
    """A program that was logged in from a browser, and may ask for fresh tokens."""

    __tablename__ = "device_logins"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(12))
    agent: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))
    refresh_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    """The refresh token before this one: who uses it late has stolen it, or was stolen from."""
    refreshed_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class AccessRequestRow(Base):
    """Who asked for the files of a gated repository, and what became of it."""

    __tablename__ = "access_requests"
    __table_args__ = (
        UniqueConstraint("repository_id", "account_id"),
        Index("ix_access_requests_status", "repository_id", "status", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[str] = mapped_column(String(10))
    """`pending`, `accepted` or `rejected`."""
    fields: Mapped[str | None] = mapped_column(Text)
    """What was filled in where the card asks for more, as JSON text."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why the request was rejected, where somebody said."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    decided_by: Mapped[int | None]

    account: Mapped[AccountRow] = relationship(lazy="joined")
