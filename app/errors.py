"""Errors of the app and the one JSON shape in which they leave it.

Exception
├── model.errors.CaseError      what the owner of the scans can mend
├── click.ClickException
│   └── StartupError            the app cannot start; the message says why
└── RequestError                a request that cannot be answered
    ├── BadRequest              400
    ├── AccessDenied            401
    ├── CrossSiteRequest        403
    ├── Forbidden               403
    ├── NotFound                404
    ├── TooSlow                 408
    ├── NotReady                409
    ├── TooLarge                413
    ├── UnsupportedType         415
    ├── TooMany                 429
    ├── QueueFull               503
    ├── DatabaseBusy            503
    └── DiskFull                507
"""

import errno
import logging
import re
import sqlite3
from urllib.parse import urlencode

import click
import sqlalchemy as sa
from flask import Flask, Response, jsonify, render_template, request
from sqlalchemy.orm.exc import ObjectDeletedError
from werkzeug.exceptions import HTTPException

from model.errors import CaseError

log = logging.getLogger(__name__)

JSON_PATHS = ("/api/", "/healthz", "/readyz", "/metrics")

# https://www.postgresql.org/docs/current/errcodes-appendix.html
POSTGRES_DISK_FULL = "53100"
POSTGRES_LOCKED = "55P03"

DATABASE_AWAY = "The database cannot be reached."

# Codes of CaseError that have a more telling status than 422.
STATUS_BY_CODE = {
    "too_large": 413,
    "zip_too_large": 413,
    "not_nifti": 415,
    "bad_data_type": 415,
}


class StartupError(click.ClickException):
    """The app cannot start; shown as one message, without a traceback, by `flask`."""


class RequestError(Exception):
    """A request that cannot be answered; `code` is stable and documented."""

    status = 400
    code = "bad_request"
    # Seconds after which it makes sense to try again.
    retry_after_s: int | None = None

    def __init__(self, message: str, hint: str = "", code: str | None = None):
        super().__init__(message)
        self.message, self.hint = message, hint
        self.code = code or self.code

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "hint": self.hint}


class BadRequest(RequestError):
    """A parameter is missing or makes no sense."""


class AccessDenied(RequestError):
    """Token or password is missing or wrong."""

    status = 401
    code = "access_denied"


class CrossSiteRequest(RequestError):
    """Another site tries to act through the user's browser."""

    status = 403
    code = "cross_site"


class Forbidden(RequestError):
    """The user may not do that."""

    status = 403
    code = "forbidden"


class NotFound(RequestError):
    """There is nothing under this address."""

    status = 404
    code = "not_found"


class TooSlow(RequestError):
    """The client sends its request too slowly."""

    status = 408
    code = "client_too_slow"


class NotReady(RequestError):
    """The case has no results yet, or never will."""

    status = 409
    code = "not_ready"


class TooLarge(RequestError):
    """The body of the request is over the limit."""

    status = 413
    code = "upload_too_large"


class UnsupportedType(RequestError):
    """The body of the request is of a kind that is not accepted."""

    status = 415
    code = "unsupported_type"


class TooMany(RequestError):
    """The client asks for more than its share."""

    status = 429

    def __init__(self, message: str, hint: str, code: str, retry_after_s: int):
        super().__init__(message, hint, code)
        self.retry_after_s = retry_after_s


class QueueFull(RequestError):
    """Enough cases are waiting."""

    status = 503
    code = "queue_full"
    retry_after_s = 60


class DatabaseBusy(RequestError):
    """Others have kept the database locked for too long, or it cannot be reached."""

    status = 503
    code = "database_busy"
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("The database is busy or cannot be reached.", "Try again in some seconds.")


class DiskFull(RequestError):
    """The server's disk has no room for it."""

    status = 507
    code = "disk_full"

    def __init__(self) -> None:
        super().__init__(
            "The server's disk has no room for this.",
            "Delete cases that are no longer needed, or ask whoever runs the server for space.",
        )


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error means that nothing more can be written: full disk, quota, file size."""
    if isinstance(error, sa.exc.OperationalError):
        return _database_code(error) in (sqlite3.SQLITE_FULL, POSTGRES_DISK_FULL)
    if not isinstance(error, OSError):
        return False
    # NumPy says how much it could write, but not why it was less.
    cut = error.errno is None and re.fullmatch(r"\d+ requested and \d+ written", str(error))
    return bool(cut) or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_database_busy(error: BaseException) -> bool:
    """Say whether an error of the database may pass without the app's doing.

    Others have locked it, or all its connections, or it cannot be reached, or hung up, or its server
    is at fault.
    """
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    # Of a server this class means that it, rather than the statement, was at fault.
    of_server = not isinstance(getattr(error, "orig", None), sqlite3.Error)
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) and of_server:
        return not is_disk_full(error)
    codes = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, POSTGRES_LOCKED)
    return isinstance(error, sa.exc.OperationalError) and _database_code(error) in codes


def database_fault(error: BaseException) -> str:
    """Return what to log of an error of the database, without what was to be read or written."""
    cause = getattr(error, "orig", None)
    code = _database_code(error)
    if cause is None or code is not None:
        return f"{type(error).__name__} {code or ''}".strip()
    # Only what goes wrong before any statement has no code.
    return str(cause).partition("\n")[0]


def _database_code(error: BaseException) -> int | str | None:
    """Return SQLite's primary code or PostgreSQL's SQLSTATE; None where there is none."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None)
    # The rest of the bits say in which way.
    return getattr(cause, "sqlstate", None) if code is None else code & 0xFF


def status_of(error: CaseError | RequestError) -> int:
    """Return the HTTP status with which an error is answered."""
    return STATUS_BY_CODE.get(error.code, 422) if isinstance(error, CaseError) else error.status


def address_without_token() -> str:
    """Return the address that was asked for; a token in it has been used, or was no good."""
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "token"]
    return request.script_root + request.path + (f"?{urlencode(query)}" if query else "")


def _wanted_address() -> str:
    """Return where to go once it is known who asks."""
    reads = request.method in ("GET", "HEAD")
    return address_without_token() if reads else f"{request.script_root}/"


def error_response(error: dict[str, str], status: int) -> tuple[Response, int] | tuple[str, int]:
    """Return an error as JSON for the API and as a page for people."""
    if request.path.startswith(JSON_PATHS):
        return jsonify(error=error), status
    if status == 401:
        # The form of the way in is short, and has been read; any other stays unread.
        form = request.form if request.endpoint == "access.log_in" else {}
        wanted = form.get("next") or _wanted_address()
        user = form.get("user", "")
        return render_template("login.html", error=error, next=wanted, user=user), status
    return render_template("error.html", error=error, status=status), status


def init_app(app: Flask) -> None:
    """Answer every error in one shape; what is not foreseen is logged and shown as a plain 500."""

    @app.errorhandler(CaseError)
    @app.errorhandler(RequestError)
    def foreseen(error: CaseError | RequestError):
        response = app.make_response(error_response(error.as_dict(), status_of(error)))
        if getattr(error, "retry_after_s", None):
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    @app.errorhandler(sa.exc.DataError)
    def no_such_value(error: sa.exc.DataError):
        # A NUL in a text that is looked for: PostgreSQL has none.
        return foreseen(BadRequest("The request holds a character that is not allowed."))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException):
        if error.code is None or error.code < 400:
            return error
        code = error.name.lower().replace(" ", "_").replace("'", "")
        fields = {"code": code, "message": error.description or error.name, "hint": ""}
        body, status = error_response(fields, error.code)
        response = app.make_response((body, status))
        # Allow, Retry-After and the like belong to the answer; its type is that of the new body.
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unforeseen(error: Exception):
        if is_disk_full(error):
            log.error("the disk is full")
            return foreseen(DiskFull())
        if is_database_busy(error):
            log.error("the database is busy or cannot be reached: %s", database_fault(error))
            return foreseen(DatabaseBusy())
        if isinstance(error, FileNotFoundError | ObjectDeletedError) and (gone := _case_gone()):
            return foreseen(gone)
        log.exception("unforeseen error in %s", request.endpoint)
        fields = {
            "code": "internal_error",
            "message": "Something went wrong here.",
            "hint": "Try again; if it happens again, the server's log says more.",
        }
        return error_response(fields, 500)


def _case_gone() -> NotFound | None:
    """Return what to say if the request's case was deleted while its files were being read."""
    # These modules raise the errors of this one.
    from app import cases
    from app.tables import db

    try:
        # Ends the transaction, which would still see the row.
        db.session.rollback()
        cases.find((request.view_args or {}).get("case_id", ""))
    except NotFound as error:
        return error if "case_id" in (request.view_args or {}) else None
    return None
