"""Several workers: when they were told of a case, and which there are."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "v2", "v1"


def upgrade() -> None:
    op.add_column("cases", sa.Column("sent_at", sa.DateTime))
    op.create_table(
        "workers",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
    )
