"""The content store: chunks, files made of them, uploads and locks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_xorb_tables()
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
    for name in ("shared_chunks", "xorb_uploads", "object_xorbs"):
        op.drop_table(name)
    with op.batch_alter_table("objects") as table:
        table.drop_index("ix_objects_xet_hash")
        table.drop_column("terms")
        table.drop_column("xet_hash")
    op.drop_table("xorbs")
    with op.batch_alter_table("repository_objects") as table:
        table.drop_column("linked_at")
    op.drop_table("given_up_objects")
    op.drop_table("lfs_locks")


def _create_xorb_tables() -> None:
    op.create_table(
        "xorbs",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("packed_bytes", sa.BigInteger(), nullable=False),
        sa.Column("unpacked_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )
    with op.batch_alter_table("objects") as table:
        table.add_column(sa.Column("xet_hash", sa.String(64)))
        table.add_column(sa.Column("terms", sa.LargeBinary()))
        table.create_index("ix_objects_xet_hash", ["xet_hash"])
    op.create_table(
        "object_xorbs",
        sa.Column(
            "sha256",
            sa.String(64),
            sa.ForeignKey("objects.sha256", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("xorb", sa.String(64), sa.ForeignKey("xorbs.hash"), primary_key=True, index=True),
    )
    op.create_table(
        "xorb_uploads",
        _xorb(),
        sa.Column(
            "account_id",
            sa.Integer(),
            sa.ForeignKey("accounts.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
    )
    op.create_table(
        "shared_chunks",
        sa.Column("chunk", sa.LargeBinary(32), primary_key=True),
        _xorb(index=True),
    )


def _xorb(*, index: bool = False) -> sa.Column[str]:
    return sa.Column(
        "xorb",
        sa.String(64),
        sa.ForeignKey("xorbs.hash", ondelete="CASCADE"),
        primary_key=True,
        index=index,
    )


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
