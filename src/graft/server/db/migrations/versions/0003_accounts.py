"""Organizations, roles, finer tokens, device login, gated repositories."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_columns()
    _create_members()
    _create_device_tables()
    _create_access_requests()


def downgrade() -> None:
    for table in ("access_requests", "device_logins", "device_codes", "organization_members"):
        op.drop_table(table)
    op.drop_index("ix_tokens_login_id", "tokens")
    for table, columns in (
        ("repositories", ("gated", "creator_id")),
        ("sessions", ("agent", "address")),
        ("tokens", ("scopes", "login_id")),
        ("accounts", ("type", "details")),
    ):
        for column in columns:
            op.drop_column(table, column)


def _add_columns() -> None:
    # Plain new columns, and no constraints: SQLite would have to copy the table for them, and
    # dropping the old one would delete all that refers to it.
    op.add_column(
        "accounts", sa.Column("type", sa.String(12), nullable=False, server_default="user")
    )
    op.add_column("accounts", sa.Column("details", sa.Text(), nullable=False, server_default=""))
    op.add_column("tokens", sa.Column("scopes", sa.Text()))
    op.add_column("tokens", sa.Column("login_id", sa.Integer()))
    op.create_index("ix_tokens_login_id", "tokens", ["login_id"])
    op.add_column("sessions", sa.Column("agent", sa.String(200), nullable=False, server_default=""))
    op.add_column(
        "sessions", sa.Column("address", sa.String(64), nullable=False, server_default="")
    )
    op.add_column("repositories", sa.Column("gated", sa.String(10)))
    op.add_column("repositories", sa.Column("creator_id", sa.Integer()))
    op.execute("UPDATE repositories SET creator_id = owner_id")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("tokens", "role", type_=sa.String(12))  # SQLite knows no such limits


def _create_members() -> None:
    op.create_table(
        "organization_members",
        _account_id("organization_id", primary_key=True),
        _account_id(primary_key=True),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_organization_members_account_id", "organization_members", ["account_id"])


def _create_device_tables() -> None:
    op.create_table(
        "device_codes",
        sa.Column("device_digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_code", sa.String(16), nullable=False, unique=True),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("accounts.id", ondelete="CASCADE")),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "device_logins",
        sa.Column("id", sa.Integer(), primary_key=True),
        _account_id(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("refresh_digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("previous_digest", sa.LargeBinary(32), unique=True),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_device_logins_account_id", "device_logins", ["account_id"])


def _create_access_requests() -> None:
    op.create_table(
        "access_requests",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "repository_id",
            sa.Integer(),
            sa.ForeignKey("repositories.id", ondelete="CASCADE"),
            nullable=False,
        ),
        _account_id(),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("fields", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.Integer()),
        sa.UniqueConstraint("repository_id", "account_id"),
    )
    op.create_index("ix_access_requests_account_id", "access_requests", ["account_id"])
    op.create_index(
        "ix_access_requests_status", "access_requests", ["repository_id", "status", "id"]
    )


def _account_id(name: str = "account_id", *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        name,
        sa.Integer(),
        sa.ForeignKey("accounts.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )
