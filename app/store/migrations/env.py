"""What Alembic runs; the connection comes from `app.store.migrations.upgrade`."""

import sqlalchemy as sa
from alembic import context

# Any number that nothing else in the database uses.
LOCK = 2_107_160

connection: sa.Connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # Several processes start at once: one migrates, the others wait for its end.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    context.run_migrations()
