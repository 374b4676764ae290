"""The cookie of a session, and what is noted of the browser that holds it."""

from flask import Response, request

from app.store import sessions
from app.web import quotas

NAME = "bts_access"
# How browsers name themselves; many name those before them, too.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}


def secret() -> str:
    """Return the secret that the current request brings, empty if none."""
    return request.cookies.get(NAME, "")


def begin(response: Response, user: str, mark: str) -> Response:
    """Begin a session with the current client, see `sessions.begin`."""
    response.set_cookie(
        NAME,
        sessions.begin(user, mark, _client()),
        max_age=sessions.LIFE,
        httponly=True,
        secure=request.is_secure,
        samesite="Strict",
    )
    return response


def forget(response: Response) -> Response:
    """Let the browser forget its session."""
    response.delete_cookie(NAME, httponly=True, samesite="Strict")
    return response


def _client() -> str:
    """Return address and kind of the browser. Versions would tell more than is needed."""
    agent = request.headers.get("User-Agent", "")
    kind = next((kind for mark, kind in BROWSERS.items() if mark in agent), "")
    return ", ".join(filter(None, (quotas.address(), kind)))
