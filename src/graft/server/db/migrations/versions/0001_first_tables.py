"""The first tables: accounts, tokens, sessions, repositories, their tags, large objects."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_account_tables()
    _create_repository_tables()
    _create_object_tables()
    _create_search_table()


def downgrade() -> None:
    for table in (
        "secrets",
        "repository_search",
        "repository_objects",
        "objects",
        "repository_tags",
        "repositories",
        "sessions",
        "tokens",
        "accounts",
    ):
        op.drop_table(table)


def _create_account_tables() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), primary_key=True),
        _account_id(),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("hint", sa.String(8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        _account_id(),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )


def _create_repository_tables() -> None:
    op.create_table(
        "repositories",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("owner_id", sa.Integer(), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.String(96), nullable=False),
        sa.Column("key", sa.String(161), nullable=False),
        sa.Column("folder", sa.String(64), nullable=False, unique=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.String(64)),
        sa.Column("task", sa.String(100)),
        sa.Column("library", sa.String(100)),
        sa.Column("license", sa.String(100)),
        sa.Column("parameters", sa.BigInteger()),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.UniqueConstraint("kind", "key"),
    )
    op.create_index("ix_repositories_owner_id", "repositories", ["owner_id"])
    op.create_index("ix_repositories_updated", "repositories", ["kind", "updated_at"])
    op.create_table(
        "repository_tags",
        sa.Column("id", sa.Integer(), primary_key=True),
        _repository_id(),
        sa.Column("tag", sa.String(200), nullable=False),
        sa.Column("facet", sa.String(20), nullable=False),
        sa.UniqueConstraint("repository_id", "tag"),
    )
    op.create_index("ix_repository_tags_tag", "repository_tags", ["tag"])


def _create_object_tables() -> None:
    op.create_table(
        "objects",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "repository_objects",
        _repository_id(primary_key=True),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("objects.sha256"), primary_key=True),
    )
    op.create_index("ix_repository_objects_sha256", "repository_objects", ["sha256"])
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.LargeBinary(64), nullable=False),
    )


def _create_search_table() -> None:
    """The words of repositories; `rowid` is the repository's id in both databases."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE repository_search USING fts5("
            "name, tags, body, tokenize = \"unicode61 remove_diacritics 2\", prefix = '2 3')"
        )
        return
    # A `tsvector` holds a megabyte at most: less of a long card is found by its words.
    op.execute(
        "CREATE TABLE repository_search ("
        "rowid BIGINT PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL, body TEXT NOT NULL, "
        "words TSVECTOR NOT NULL GENERATED ALWAYS AS ("
        "setweight(to_tsvector('simple', name), 'A') || "
        "setweight(to_tsvector('simple', left(tags, 50000)), 'B') || "
        "setweight(to_tsvector('simple', left(body, 100000)), 'C')) STORED)"
    )
    op.execute("CREATE INDEX ix_repository_search_words ON repository_search USING gin (words)")


def _account_id() -> sa.Column[int]:
    return sa.Column(
        "account_id",
        sa.Integer(),
        sa.ForeignKey("accounts.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


def _repository_id(primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        "repository_id",
        sa.Integer(),
        sa.ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )
