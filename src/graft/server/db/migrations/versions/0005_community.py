"""Discussions, likes, followers, collections, webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = (
    "webhook_deliveries",
    "webhook_watches",
    "webhooks",
    "events",
    "collection_upvotes",
    "collection_items",
    "collections",
    "follows",
    "likes",
    "comment_revisions",
    "discussion_events",
    "discussions",
)


def upgrade() -> None:
    _create_discussions()
    _create_likes_and_follows()
    _create_collections()
    _create_events()
    _create_webhooks()


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)


def _create_discussions() -> None:
    op.create_table(
        "discussions",
        *_keyed(),
        _to("repository_id", "repositories.id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        _author("author_id"),
        sa.Column("is_pull_request", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("base", sa.String(300)),
        sa.Column("merge_commit", sa.String(64)),
        sa.Column("merge_base", sa.String(64)),
        sa.Column("merge_head", sa.String(64)),
        sa.UniqueConstraint("repository_id", "number"),
    )
    op.create_index("ix_discussions_author_id", "discussions", ["author_id"])
    op.create_table(
        "discussion_events",
        *_keyed(),
        _to("discussion_id", "discussions.id"),
        sa.Column("type", sa.String(16), nullable=False),
        _author("author_id"),
        _moment("created_at"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        _moment("edited_at", nullable=True),
        _author("edited_by_id"),
    )
    op.create_index("ix_discussion_events_order", "discussion_events", ["discussion_id", "id"])
    op.create_table(
        "comment_revisions",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("event_id", "discussion_events.id"),
        sa.Column("text", sa.Text(), nullable=False),
        _moment("created_at"),
    )
    op.create_index("ix_comment_revisions_event_id", "comment_revisions", ["event_id"])


def _create_likes_and_follows() -> None:
    op.create_table(
        "likes",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("repository_id", "repositories.id"),
        _to("account_id", "accounts.id"),
        _moment("created_at"),
        sa.UniqueConstraint("repository_id", "account_id"),
    )
    op.create_index("ix_likes_account", "likes", ["account_id", "id"])
    op.create_table(
        "follows",
        _to("follower_id", "accounts.id", primary_key=True),
        _to("followed_id", "accounts.id", primary_key=True),
        _moment("created_at"),
    )
    op.create_index("ix_follows_followed_id", "follows", ["followed_id"])


def _create_collections() -> None:
    op.create_table(
        "collections",
        *_keyed(),
        _to("owner_id", "accounts.id"),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("description", sa.String(300)),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("theme", sa.String(10), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("upvotes", sa.Integer(), nullable=False),
        sa.Column("trending_score", sa.Integer(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
    )
    op.create_index("ix_collections_owner_id", "collections", ["owner_id"])
    op.create_index("ix_collections_updated_at", "collections", ["updated_at"])
    op.create_table(
        "collection_items",
        *_keyed(),
        _to("collection_id", "collections.id"),
        _to("repository_id", "repositories.id", nullable=True),
        _to("nested_id", "collections.id", nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(500)),
        sa.UniqueConstraint("collection_id", "repository_id"),
        sa.UniqueConstraint("collection_id", "nested_id"),
    )
    op.create_index("ix_collection_items_repository", "collection_items", ["repository_id"])
    op.create_index("ix_collection_items_nested", "collection_items", ["nested_id"])
    op.create_table(
        "collection_upvotes",
        _to("collection_id", "collections.id", primary_key=True),
        _to("account_id", "accounts.id", primary_key=True),
        _moment("created_at"),
    )
    op.create_index("ix_collection_upvotes_account_id", "collection_upvotes", ["account_id"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), primary_key=True),
        _moment("created_at"),
        sa.Column("scope", sa.String(24), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("repository_key", sa.String(161), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("owner_key", sa.String(64), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        *_keyed(),
        _to("account_id", "accounts.id"),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("secret", sa.String(500)),
        sa.Column("repo_domain", sa.Boolean(), nullable=False),
        sa.Column("discussion_domain", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        _moment("created_at"),
    )
    op.create_index("ix_webhooks_account_id", "webhooks", ["account_id"])
    op.create_table(
        "webhook_watches",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("webhook_id", "webhooks.id"),
        sa.Column("type", sa.String(8), nullable=False),
        sa.Column("name", sa.String(161), nullable=False),
        sa.Column("key", sa.String(161), nullable=False),
    )
    op.create_index("ix_webhook_watches_webhook_id", "webhook_watches", ["webhook_id"])
    op.create_index("ix_webhook_watches_key", "webhook_watches", ["key", "type"])
    op.create_table(
        "webhook_deliveries",
        *_keyed(),
        _to("webhook_id", "webhooks.id"),
        sa.Column("scope", sa.String(24), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("due_at"),
        sa.Column("response_status", sa.Integer()),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["status", "due_at"])
    op.create_index("ix_webhook_deliveries_webhook", "webhook_deliveries", ["webhook_id", "id"])


def _keyed() -> tuple[sa.Column[int], sa.Column[str]]:
    """A row's number, and the random name that it has in addresses and answers."""
    return (
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(24), nullable=False, unique=True),
    )


def _to(
    name: str, target: str, *, primary_key: bool = False, nullable: bool = False
) -> sa.Column[int]:
    """A reference that goes with what it refers to."""
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, sa.Integer(), key, primary_key=primary_key, nullable=nullable)


def _author(name: str) -> sa.Column[int]:
    """Somebody who may delete their account, and leaves what they said."""
    return sa.Column(name, sa.Integer(), sa.ForeignKey("accounts.id", ondelete="SET NULL"))


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
