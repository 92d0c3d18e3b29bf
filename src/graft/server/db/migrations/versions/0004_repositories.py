"""What can be found of repositories: the search index on both databases, files, findings."""

import json

import sqlalchemy as sa
from alembic import op

from graft.server.search.text import index_words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ORDERS = {
    "updated": "updated_at",
    "created": "created_at",
    "downloads": "downloads",
    "likes": "likes",
    "trending": "trending_score",
    "parameters": "parameters",
    "size": "size",
}


def upgrade() -> None:
    _never_reuse_numbers()
    _extend_repositories()
    _extend_tags()
    _create_contents()
    _create_findings()
    _create_redirects()
    _rebuild_search()


def downgrade() -> None:
    for table in (
        "repository_redirects",
        "conversions",
        "blob_scans",
        "evaluations",
        "base_models",
        "repository_contents",
    ):
        op.drop_table(table)
    op.drop_index("ix_repository_tags_kind", "repository_tags")
    op.create_index("ix_repository_tags_tag", "repository_tags", ["tag"])
    op.drop_column("repository_tags", "kind")
    for order in ORDERS:
        op.drop_index(f"ix_repositories_by_{order}", "repositories")
    op.create_index("ix_repositories_updated", "repositories", ["kind", "updated_at"])
    for column in ("likes", "trending_score", "tag_list", "protected_branches"):
        op.drop_column("repositories", column)
    # The words of the older index are those of the cards: the next commit writes them anew.
    op.drop_table("repository_search")
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE repository_search USING fts5("
            "name, tags, body, tokenize = \"unicode61 remove_diacritics 2\", prefix = '2 3')"
        )
    else:
        op.execute(
            "CREATE TABLE repository_search ("
            "rowid BIGINT PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL, "
            "body TEXT NOT NULL, words TSVECTOR NOT NULL GENERATED ALWAYS AS ("
            "to_tsvector('simple', name)) STORED)"
        )


def _never_reuse_numbers() -> None:
    """SQLite gives the largest number of a table again once its row is gone, as PostgreSQL never
    does; what was signed for a repository or a token that is no more would be for the next one."""
    if op.get_bind().dialect.name == "sqlite":
        for table in ("repositories", "tokens"):
            counted = {"sqlite_autoincrement": True}
            with op.batch_alter_table(table, recreate="always", table_kwargs=counted):
                pass


def _extend_repositories() -> None:
    for name in ("likes", "trending_score"):
        op.add_column(
            "repositories", sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        )
    for name in ("tag_list", "protected_branches"):
        op.add_column(
            "repositories", sa.Column(name, sa.Text(), nullable=False, server_default="[]")
        )
    op.drop_index("ix_repositories_updated", "repositories")
    for order, column in ORDERS.items():
        op.create_index(f"ix_repositories_by_{order}", "repositories", ["kind", column, "id"])


def _extend_tags() -> None:
    op.add_column(
        "repository_tags",
        sa.Column("kind", sa.String(10), nullable=False, server_default="model"),
    )
    op.execute(
        "UPDATE repository_tags SET kind = "
        "(SELECT kind FROM repositories WHERE repositories.id = repository_id)"
    )
    op.drop_index("ix_repository_tags_tag", "repository_tags")
    op.create_index("ix_repository_tags_kind", "repository_tags", ["kind", "tag", "repository_id"])
    bind = op.get_bind()
    listed: dict[int, list[str]] = {}
    rows = bind.execute(sa.text("SELECT repository_id, tag FROM repository_tags ORDER BY id"))
    for repository_id, tag in rows:
        listed.setdefault(repository_id, []).append(tag)
    for repository_id, tags in listed.items():
        bind.execute(
            sa.text("UPDATE repositories SET tag_list = :tags WHERE id = :id"),
            {"id": repository_id, "tags": json.dumps(tags, ensure_ascii=False)},
        )


def _create_contents() -> None:
    op.create_table(
        "repository_contents",
        _repository_id(primary_key=True),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
    )
    op.create_table(
        "base_models",
        sa.Column("id", sa.Integer(), primary_key=True),
        _repository_id(),
        sa.Column("base_key", sa.String(200), nullable=False),
        sa.Column("base_name", sa.String(200), nullable=False),
        sa.Column("relation", sa.String(10), nullable=False),
        sa.UniqueConstraint("repository_id", "base_key"),
    )
    op.create_index("ix_base_models_base", "base_models", ["base_key", "relation", "repository_id"])
    op.create_table(
        "evaluations",
        sa.Column("id", sa.Integer(), primary_key=True),
        _repository_id(index=True),
        sa.Column("dataset_key", sa.String(200), nullable=False),
        sa.Column("task_id", sa.String(200), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("filename", sa.String(1024), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
    )
    op.create_index("ix_evaluations_dataset", "evaluations", ["dataset_key", "value"])


def _create_findings() -> None:
    op.create_table(
        "blob_scans",
        sa.Column("blob", sa.String(64), primary_key=True),
        sa.Column("status", sa.String(12), nullable=False, index=True),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "repository_id", sa.Integer(), sa.ForeignKey("repositories.id", ondelete="SET NULL")
        ),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "conversions",
        _repository_id(primary_key=True),
        sa.Column("weights", sa.String(64), nullable=False),
        sa.Column("status", sa.String(12), nullable=False, index=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
    )


def _create_redirects() -> None:
    op.create_table(
        "repository_redirects",
        sa.Column("kind", sa.String(10), primary_key=True),
        sa.Column("key", sa.String(161), primary_key=True),
        _repository_id(index=True),
    )


def _rebuild_search() -> None:
    """The words of what is there, taken apart as from now on, in one table for both databases."""
    bind = op.get_bind()
    old = bind.execute(sa.text("SELECT rowid, name, tags, body FROM repository_search")).all()
    op.drop_table("repository_search")
    if bind.dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE repository_search USING fts5("
            "words, tokenize = 'ascii', detail = none, prefix = '2 3 4 5')"
        )
        words = ":words"
    else:
        op.execute(
            "CREATE TABLE repository_search (rowid BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)"
        )
        op.execute("CREATE INDEX ix_repository_search_words ON repository_search USING gin (words)")
        words = "array_to_tsvector(string_to_array(:words, ' '))"
    insert = sa.text(f"INSERT INTO repository_search (rowid, words) VALUES (:id, {words})")
    for rowid, name, tags, body in old:
        bind.execute(insert, {"id": rowid, "words": index_words(name, (tags, body))})


def _repository_id(*, primary_key: bool = False, index: bool = False) -> sa.Column[int]:
    return sa.Column(
        "repository_id",
        sa.Integer(),
        sa.ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=primary_key,
        index=index,
        nullable=False,
    )
