"""The database's schema, version by version; `storage.make` brings a database up to date.

A change of the tables is a new module in `versions`; tests hold models and migrations together.
"""

from pathlib import Path

import sqlalchemy as sa

from app.errors import StartupError

HEAD = "v8"


def upgrade(connection: sa.Connection) -> None:
    """Bring a database to the newest version; the caller commits.

    Takes over databases that were made without migrations. Raises StartupError for one that a newer
    version has changed.
    """
    if _version(connection) == HEAD:
        return
    # Imported here: once a database is up to date, nothing needs it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StartupError(
            f"The database cannot be brought up to date: {error}\nA newer version may have used it."
        ) from error


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
