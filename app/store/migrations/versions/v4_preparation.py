"""What the user decided about the preparation of a case."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "v4", "v3"


def upgrade() -> None:
    op.add_column("cases", sa.Column("options", sa.JSON))
