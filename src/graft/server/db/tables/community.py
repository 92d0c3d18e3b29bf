"""What people say to each other and keep about repositories, and who is told of it."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from graft.server.db.tables.accounts import AccountRow
from graft.server.db.tables.base import Base, Moment

# --- discussions ---------------------------------------------------------------------------------


class DiscussionRow(Base):
    """A discussion or pull request: both share the numbers of their repository, from 1 on."""

    __tablename__ = "discussions"
    __table_args__ = (UniqueConstraint("repository_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    author_id: Mapped[int | None] = mapped_column(
        ForeignKey("accounts.id", ondelete="SET NULL"), index=True
    )
    is_pull_request: Mapped[bool]
    status: Mapped[str] = mapped_column(String(10))
    """draft, open, merged or closed; the first and third are of pull requests only."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    comments: Mapped[int] = mapped_column(Integer, default=0)

    base: Mapped[str | None] = mapped_column(String(300))
    """Of a pull request: the full name of the branch that it is for. Its own is refs/pr/NUMBER."""
    merge_commit: Mapped[str | None] = mapped_column(String(64))
    merge_base: Mapped[str | None] = mapped_column(String(64))
    """Of a merged one: the commit that both sides grew from, so that its diff stays what it was."""
    merge_head: Mapped[str | None] = mapped_column(String(64))
    """Of a merged one: its own newest commit."""

    author: Mapped[AccountRow | None] = relationship(lazy="joined")


class DiscussionEventRow(Base):
    """Something said or changed in a discussion. Commits are not here: git has them."""

    __tablename__ = "discussion_events"
    __table_args__ = (Index("ix_discussion_events_order", "discussion_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    discussion_id: Mapped[int] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(16))
    """comment, status-change or title-change."""
    author_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    text: Mapped[str] = mapped_column(Text, default="")
    """The comment's Markdown, the new status, or the new title."""
    before: Mapped[str] = mapped_column(Text, default="")
    """The old title."""
    hidden: Mapped[bool] = mapped_column(default=False)
    edited_at: Mapped[datetime | None] = mapped_column(Moment)
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))

    author: Mapped[AccountRow | None] = relationship(lazy="joined", foreign_keys=author_id)
    edited_by: Mapped[AccountRow | None] = relationship(lazy="joined", foreign_keys=edited_by_id)
    revisions: Mapped[list["CommentRevisionRow"]] = relationship(
        lazy="selectin", order_by="CommentRevisionRow.id", passive_deletes=True
    )


class CommentRevisionRow(Base):
    """What a comment said before it was edited."""

    __tablename__ = "comment_revisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(
        ForeignKey("discussion_events.id", ondelete="CASCADE"), index=True
    )
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)


# --- likes and followers -------------------------------------------------------------------------


class LikeRow(Base):
    """Who likes which repository."""

    __tablename__ = "likes"
    __table_args__ = (
        UniqueConstraint("repository_id", "account_id"),
        Index("ix_likes_account", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Moment)


class FollowRow(Base):
    """Who follows which person or organization."""

    __tablename__ = "follows"

    follower_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    followed_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = mapped_column(Moment)


# --- collections ---------------------------------------------------------------------------------


class CollectionRow(Base):
    """A list of repositories (and collections) that somebody put together.

    Its address ends in `slug-key`: the slug follows the title, the key never changes.
    """

    __tablename__ = "collections"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    slug: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(300))
    private: Mapped[bool]
    theme: Mapped[str] = mapped_column(String(10))
    position: Mapped[int]
    """Among its owner's collections, from 0 on."""
    upvotes: Mapped[int] = mapped_column(Integer, default=0)
    trending_score: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment, index=True)

    owner: Mapped[AccountRow] = relationship(lazy="joined")


class CollectionItemRow(Base):
    """One thing in a collection: a repository or another collection."""

    __tablename__ = "collection_items"
    __table_args__ = (
        UniqueConstraint("collection_id", "repository_id"),
        UniqueConstraint("collection_id", "nested_id"),
        Index("ix_collection_items_repository", "repository_id"),
        Index("ix_collection_items_nested", "nested_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    repository_id: Mapped[int | None] = mapped_column(
        ForeignKey("repositories.id", ondelete="CASCADE")
    )
    nested_id: Mapped[int | None] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    position: Mapped[int]
    note: Mapped[str | None] = mapped_column(String(500))


class UpvoteRow(Base):
    """Who finds which collection good."""

    __tablename__ = "collection_upvotes"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = mapped_column(Moment)


# --- events and webhooks -------------------------------------------------------------------------


class EventRow(Base):
    """Something that happened, written in the transaction that made it happen (the outbox).

    A worker turns it into deliveries and deletes it. It refers to no other row: what it tells of
    may be gone by then.
    """

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    scope: Mapped[str] = mapped_column(String(24))
    action: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(10))
    repository_key: Mapped[str] = mapped_column(String(161))
    owner_id: Mapped[int]
    owner_key: Mapped[str] = mapped_column(String(64))
    private: Mapped[bool]
    body: Mapped[str] = mapped_column(Text)
    """The payload as JSON text, but for what differs by webhook; addresses lack the Hub's part."""


class WebhookRow(Base):
    """An address that an account has told of what happens to what it watches."""

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str | None] = mapped_column(String(500))
    repo_domain: Mapped[bool]
    discussion_domain: Mapped[bool]
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)

    watched: Mapped[list["WatchRow"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="selectin", order_by="WatchRow.id"
    )


class WatchRow(Base):
    """What a webhook watches: an owner or a repository, by name, whether it is there yet or not."""

    __tablename__ = "webhook_watches"
    __table_args__ = (Index("ix_webhook_watches_key", "key", "type"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), index=True
    )
    type: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(161))
    key: Mapped[str] = mapped_column(String(161))


class DeliveryRow(Base):
    """One message to one webhook: waiting, or what became of it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_due", "status", "due_at"),
        Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(24))
    action: Mapped[str] = mapped_column(String(8))
    body: Mapped[str] = mapped_column(Text)
    """What is sent, as JSON text."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    status: Mapped[str] = mapped_column(String(10))
    """waiting, delivered or failed."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(Moment)
    """When to try next. A worker that takes it up moves this on, so that no other does as well."""
    response_status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(Text, default="")
    """Why the last try failed."""
