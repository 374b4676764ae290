"""Errors of the app.

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
    ├── Busy                    503
    ├── DatabaseBusy            503
    ├── LoginsBusy              503
    ├── AuditFailed             507
    └── DiskFull                507
"""

import click


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
    """The client is over a limit."""

    status = 429

    def __init__(self, message: str, hint: str, code: str, retry_after_s: int):
        super().__init__(message, hint, code)
        self.retry_after_s = retry_after_s


class QueueFull(RequestError):
    """As many cases wait as may."""

    status = 503
    code = "queue_full"
    retry_after_s = 60


class Busy(RequestError):
    """Others use the memory that the request needs."""

    status = 503
    code = "busy"
    retry_after_s = 30

    def __init__(self) -> None:
        super().__init__(
            "The server is busy with other large volumes.", "Try again in half a minute."
        )


class DatabaseBusy(RequestError):
    """The database is locked for too long, or cannot be reached."""

    status = 503
    code = "database_busy"
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("The database is busy or cannot be reached.", "Try again in some seconds.")


class AuditFailed(RequestError):
    """The audit log cannot be written, without which nothing may be read."""

    status = 507
    code = "audit_failed"

    def __init__(self) -> None:
        super().__init__(
            "The audit log cannot be written, and nothing is shown without it.",
            "Ask whoever runs the server for space on its disk.",
        )


class LoginsBusy(RequestError):
    """As many tokens and passwords as may are being checked."""

    status = 503
    code = "logins_busy"
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("Too many are signing in at once.", "Try again in some seconds.")


class DiskFull(RequestError):
    """The server's disk has no room for it."""

    status = 507
    code = "disk_full"

    def __init__(self) -> None:
        super().__init__(
            "The server's disk has no room for this.",
            "Delete cases that are no longer needed, or ask whoever runs the server for space.",
        )
