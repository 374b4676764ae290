"""Recognising errors of a full disk, and of a database that is busy or cannot be reached."""

import errno
import re
import sqlite3

import sqlalchemy as sa

# https://www.postgresql.org/docs/current/errcodes-appendix.html
POSTGRES_DISK_FULL = "53100"
POSTGRES_LOCKED = "55P03"

DATABASE_AWAY = "The database cannot be reached."


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error means that nothing can be written: full disk, quota, file size limit."""
    if isinstance(error, sa.exc.OperationalError):
        return _database_code(error) in (sqlite3.SQLITE_FULL, POSTGRES_DISK_FULL)
    if not isinstance(error, OSError):
        return False
    # NumPy reports an incomplete write without its cause.
    cut = error.errno is None and re.fullmatch(r"\d+ requested and \d+ written", str(error))
    return bool(cut) or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_database_busy(error: BaseException) -> bool:
    """Say whether an error of the database may pass when it is tried again.

    So it is if the database is locked, all connections are in use, or the server cannot be reached,
    closed the connection or reports an error of its own.
    """
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    # From a database server these classes mean that the server, not the statement, failed.
    of_server = not isinstance(getattr(error, "orig", None), sqlite3.Error)
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) and of_server:
        return not is_disk_full(error)
    codes = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, POSTGRES_LOCKED)
    return isinstance(error, sa.exc.OperationalError) and _database_code(error) in codes


def database_error(error: BaseException) -> str:
    """Return what to log of an error of the database, without any values of the statement."""
    cause = getattr(error, "orig", None)
    code = _database_code(error)
    if cause is None or code is not None:
        return f"{type(error).__name__} {code or ''}".strip()
    # Only errors before any statement have no code.
    return str(cause).partition("\n")[0]


def _database_code(error: BaseException) -> int | str | None:
    """Return SQLite's primary code or PostgreSQL's SQLSTATE; None where there is none."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None)
    # The higher bits hold details.
    return getattr(cause, "sqlstate", None) if code is None else code & 0xFF
