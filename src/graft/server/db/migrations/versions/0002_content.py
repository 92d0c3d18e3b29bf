"""The content store: chunks, files made of them, uploads and locks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_lock_tables()
    with op.batch_alter_table("repository_objects") as table:
        table.add_column(
            sa.Column(
                "linked_at",
                sa.DateTime(timezone=True),
                nullable=False,
                server_default=sa.func.current_timestamp(),
            )
        )


def downgrade() -> None:
    with op.batch_alter_table("repository_objects") as table:
        table.drop_column("linked_at")
    op.drop_table("given_up_objects")
    op.drop_table("lfs_locks")


def _create_lock_tables() -> None:
    op.create_table(
        "lfs_locks",
        sa.Column("id", sa.Integer(), primary_key=True),
        _repository_id(),
        sa.Column(
            "account_id",
            sa.Integer(),
            sa.ForeignKey("accounts.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("ref", sa.Text()),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("repository_id", "path"),
    )
    op.create_table(
        "given_up_objects",
        _repository_id(primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
    )


def _repository_id(primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        "repository_id",
        sa.Integer(),
        sa.ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )
