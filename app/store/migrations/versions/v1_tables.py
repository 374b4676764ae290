"""The tables as they were when migrations came: made, or completed where they are there."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "v1", None

metadata = sa.MetaData()
sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("owner", sa.String(64), server_default="", nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False, index=True),
    sa.Column("started_at", sa.DateTime),
    sa.Column("finished_at", sa.DateTime),
    sa.Column("modalities", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON),
    sa.Column("report", sa.JSON),
)
sa.Table(
    "masks",
    metadata,
    sa.Column("case_id", sa.ForeignKey("cases.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("made_from", sa.Integer),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("folder", sa.String(64), nullable=False),
    sa.Column("findings", sa.JSON, nullable=False),
)
sa.Table(
    "shares",
    metadata,
    sa.Column("case_id", sa.String(32), primary_key=True),
    sa.Column("user_name", sa.String(64), primary_key=True),
)
sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("token_sha256", sa.String(64), nullable=False, index=True),
    sa.Column("is_admin", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
)


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection)
    inspector = sa.inspect(connection)
    for table in metadata.sorted_tables:
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            # All of those that earlier versions lack have server defaults.
            if column.name not in known:
                op.add_column(table.name, column._copy())
