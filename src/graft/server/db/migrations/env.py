"""Alembic's entry: `graft.server.db.database.migrate` hands it the open connection."""

from alembic import context

from graft.server.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
