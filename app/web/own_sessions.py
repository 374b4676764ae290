"""The sessions of whoever asks, as REST and the page show and end them."""

from app.errors import NotFound
from app.identity import current
from app.reporting import schemas
from app.store import sessions
from app.web import session_cookie


def listed() -> list[schemas.Session]:
    """Return the caller's sessions, the last used first."""
    return [
        schemas.Session(
            id=found.secret_sha256,
            client=found.client,
            created_at=found.created_at,
            seen_at=found.seen_at,
            current=found.secret_sha256 == _own_key(),
        )
        for found in sessions.of(current().name)
    ]


def end(session_id: str) -> None:
    """End one of the caller's sessions. Raises NotFound."""
    if not sessions.end(current().name, session_id):
        raise NotFound("You have no such session.", "It may have ended already.")


def end_others() -> None:
    """End all sessions of the caller but the one that asks."""
    sessions.end_others(current().name, _own_key())


def _own_key() -> str:
    return sessions.key(session_cookie.secret())
