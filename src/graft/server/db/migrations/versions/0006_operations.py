"""What the processes of one Hub share: recent downloads, mirrored repositories."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mirrors",
        _id_of("repository_id", "repositories"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table("mirror_owners", _id_of("account_id", "accounts"))
    op.create_table(
        "recent_downloads",
        _id_of("repository_id", "repositories"),
        sa.Column("who", sa.LargeBinary(16), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_recent_downloads_at", "recent_downloads", ["at"])


def downgrade() -> None:
    for table in ("recent_downloads", "mirror_owners", "mirrors"):
        op.drop_table(table)


def _id_of(name: str, table: str) -> sa.Column[int]:
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(name, sa.Integer(), key, primary_key=True, autoincrement=False)
