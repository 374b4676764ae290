"""The database at start: made private, checked, and brought up to date."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from app.errors import StartupError
from app.store import migrations
from app.store.data_folder import make_folders
from app.store.models import db


def prepare(app: Flask) -> None:
    """Make the data folder where it is missing; check the database and bring it up to date.

    Raises StartupError when it is damaged or cannot be reached.
    """
    make_folders(app.config["SETTINGS"].data_dir.resolve())
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _make_private(db.engine.url)
            sa.event.listen(db.engine, "connect", _configure_sqlite)
            _check_sqlite(app.config["SETTINGS"].sqlalchemy_url.database)
        try:
            with db.engine.begin() as connection:
                migrations.upgrade(connection)
        except (sa.exc.DBAPIError, StartupError) as error:
            # Otherwise the connection of a start that failed stays open.
            db.engine.dispose()
            if isinstance(error, StartupError):
                raise
            raise StartupError(f"The database cannot be used: {error.orig}") from error


def _make_private(url: sa.URL) -> None:
    """Keep other users of the machine from reading the database, whatever the folder allows."""
    database = url.database
    if database in (None, "", ":memory:") or "uri" in url.query:
        return
    # New files of SQLite get the permissions of this one; existing ones are changed here.
    Path(database).touch(mode=0o600)
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(database + suffix).chmod(0o600)


def _configure_sqlite(connection: Any, _: Any) -> None:
    """Let readers and the writer work side by side, and overwrite deleted content.

    `lower` is replaced since SQLite's own knows ASCII letters only.
    """
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)
    for pragma in ("journal_mode=WAL", "busy_timeout=10000", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _check_sqlite(database: str | None) -> None:
    """Check the whole database once: a damaged one could lose more cases unnoticed."""
    try:
        found = db.session.scalars(sa.text("PRAGMA integrity_check")).first()
    except sa.exc.DatabaseError as error:
        found = str(error.orig)
    finally:
        db.session.rollback()
    if found != "ok":
        db.engine.dispose()
        raise StartupError(
            f"The database {database} is damaged: {found}\nRestore it from a backup, or move the "
            "whole data folder away and start anew; its scans lie in cases/<id>/scans."
        )
