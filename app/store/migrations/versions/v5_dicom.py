"""What was odd about files that came in, whose study a case is, what a program sent, and what goes to archives."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "v5", "v4"


def upgrade() -> None:
    op.add_column("cases", sa.Column("intake_warnings", sa.JSON))
    op.add_column("cases", sa.Column("patient", sa.JSON))
    op.add_column("cases", sa.Column("received", sa.String(64)))
    op.create_index("ix_cases_received", "cases", ["received"], unique=True)
    op.create_table(
        "deliveries",
        sa.Column("case_id", sa.String(32), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("mask", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.String(300), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("sent_at", sa.DateTime),
        sa.Column("problem", sa.String(300), nullable=False),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state"])
