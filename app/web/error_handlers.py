"""How errors are answered: JSON of one shape for programs, a page for people."""

import logging
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Flask, Response, jsonify, render_template, request
from sqlalchemy.orm.exc import ObjectDeletedError
from werkzeug.exceptions import HTTPException

from app.errors import BadRequest, DatabaseBusy, DiskFull, NotFound, RequestError
from app.store import cases
from app.store.db_errors import database_error, is_database_busy, is_disk_full
from app.store.models import db
from model.errors import CaseError

log = logging.getLogger(__name__)

JSON_PATHS = ("/api/", "/healthz", "/readyz", "/metrics")

# What is raised where files or rows of a case are no longer there.
GONE = (FileNotFoundError, ObjectDeletedError, sa.exc.NoResultFound)

# Codes of CaseError that have a more specific status than 422.
STATUS_BY_CODE = {
    "too_large": 413,
    "dicom_too_large": 413,
    "dicom_too_many_files": 413,
    "zip_too_large": 413,
    "not_nifti": 415,
    "bad_data_type": 415,
}


def status_of(error: CaseError | RequestError) -> int:
    """Return the HTTP status with which an error is answered."""
    return STATUS_BY_CODE.get(error.code, 422) if isinstance(error, CaseError) else error.status


def address_without_token() -> str:
    """Return the requested address without a token in it."""
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "token"]
    return request.script_root + request.path + (f"?{urlencode(query)}" if query else "")


def _wanted_address() -> str:
    """Return where to go after the login."""
    reads = request.method in ("GET", "HEAD")
    return address_without_token() if reads else f"{request.script_root}/"


def error_response(error: dict[str, str], status: int) -> tuple[Response, int] | tuple[str, int]:
    """Return an error as JSON for the API and as a page for people."""
    if request.path.startswith(JSON_PATHS):
        return jsonify(error=error), status
    if status == 401:
        # Only the login form is read here: it is short, while other bodies may be large.
        form = request.form if request.endpoint == "access.log_in" else {}
        wanted = form.get("next") or _wanted_address()
        user = form.get("user", "")
        return render_template("login.html", error=error, next=wanted, user=user), status
    return render_template("error.html", error=error, status=status), status


def init_app(app: Flask) -> None:
    """Answer every error in one shape; unforeseen ones are logged and answered with a plain 500."""

    @app.errorhandler(CaseError)
    @app.errorhandler(RequestError)
    def foreseen(error: CaseError | RequestError):
        response = app.make_response(error_response(error.as_dict(), status_of(error)))
        if getattr(error, "retry_after_s", None):
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    @app.errorhandler(sa.exc.DataError)
    def no_such_value(error: sa.exc.DataError):
        # A NUL in a search text, which PostgreSQL does not accept.
        return foreseen(BadRequest("The request holds a character that is not allowed."))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException):
        if error.code is None or error.code < 400:
            return error
        code = error.name.lower().replace(" ", "_").replace("'", "")
        fields = {"code": code, "message": error.description or error.name, "hint": ""}
        body, status = error_response(fields, error.code)
        response = app.make_response((body, status))
        # Keep headers such as Allow and Retry-After, but not those of the replaced body.
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
            log.error("the database is busy or cannot be reached: %s", database_error(error))
            return foreseen(DatabaseBusy())
        if isinstance(error, GONE) and (gone := _case_gone()):
            return foreseen(gone)
        log.exception("unforeseen error in %s", request.endpoint)
        fields = {
            "code": "internal_error",
            "message": "Something went wrong here.",
            "hint": "Try again; if it happens again, the server's log says more.",
        }
        return error_response(fields, 500)


def _case_gone() -> NotFound | None:
    """Return an error if the request's case was deleted while its files were being read."""
    try:
        # Ends the transaction, which would still see the row.
        db.session.rollback()
        cases.find((request.view_args or {}).get("case_id", ""))
    except NotFound as error:
        return error if "case_id" in (request.view_args or {}) else None
    return None
