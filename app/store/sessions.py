"""Sessions of browsers that have signed in: a cookie holds a random secret, the database its hash."""

import secrets
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.config import settings
from app.identity import OPERATOR, Identity
from app.store import tokens, users
from app.store.account_models import BrowserSession
from app.store.models import db

LIFE = timedelta(days=30)
# How exactly a session's last use is known: each time that it is noted costs a write.
SEEN_EVERY = timedelta(hours=1)
# Most sessions of one user: a program that signs in anew each time would make any number.
MOST = 100


def begin(name: str, mark: str, client: str) -> str:
    """Begin a session; return its secret, which is not kept.

    name : of the user, empty for the operator
    mark : of the password or token that was right; another one ends the session
    client : what is shown of the browser

    Rows of sessions that are over go, and of this user's those that have ended or are too many.
    """
    secret, now = secrets.token_urlsafe(32), datetime.now(UTC)
    over = BrowserSession.created_at <= now - LIFE
    ended = sa.and_(BrowserSession.user_name == name, BrowserSession.mark != mark)
    db.session.execute(sa.delete(BrowserSession).where(over | ended))
    for old in of(name)[MOST - 1 :]:
        db.session.delete(old)
    new = BrowserSession(
        secret_sha256=tokens.digest(secret), user_name=name, mark=mark, client=client[:100]
    )
    new.created_at = new.seen_at = now
    db.session.add(new)
    db.session.commit()
    return secret


def identity(secret: str) -> Identity | None:
    """Return whose session it is that has this secret, None if there is none."""
    found = db.session.get(BrowserSession, tokens.digest(secret)) if secret else None
    if found is None or found.created_at <= datetime.now(UTC) - LIFE:
        return None
    user = users.find(found.user_name) if found.user_name else None
    if found.mark != _current_mark(found.user_name):
        return None
    who = users.identity_of(user) if user else OPERATOR
    _note_use(found)
    return who


def of(name: str) -> list[BrowserSession]:
    """Return the sessions of a user, empty for the operator, the last used first."""
    wanted = sa.select(BrowserSession).where(
        BrowserSession.user_name == name,
        BrowserSession.mark == _current_mark(name),
        BrowserSession.created_at > datetime.now(UTC) - LIFE,
    )
    return list(db.session.scalars(wanted.order_by(BrowserSession.seen_at.desc())))


def key(secret: str) -> str:
    """Return what names a session; it tells nothing of the secret."""
    return tokens.digest(secret)


def end(name: str, session_key: str) -> bool:
    """End a session of a user; say whether there was one."""
    return _delete(BrowserSession.user_name == name, BrowserSession.secret_sha256 == session_key)


def end_others(name: str, session_key: str) -> None:
    """End all sessions of a user but one."""
    _delete(BrowserSession.user_name == name, BrowserSession.secret_sha256 != session_key)


def end_all() -> None:
    """End the sessions of everybody."""
    _delete()


def _current_mark(name: str) -> str | None:
    """Return the mark of sessions that go on; None for a user who is gone."""
    if not name:
        # No session goes on without a token.
        return tokens.token_sha256(settings()) or None
    user = users.find(name)
    return users.session_mark(user) if user else None


def _note_use(found: BrowserSession) -> None:
    now = datetime.now(UTC)
    if now - found.seen_at < SEEN_EVERY:
        return
    used = sa.update(BrowserSession).where(BrowserSession.secret_sha256 == found.secret_sha256)
    try:
        db.session.execute(used.values(seen_at=now))
        db.session.commit()
    except sa.exc.OperationalError:
        # Neither a full disk nor a lock keeps anybody from what is asked for.
        db.session.rollback()


def _delete(*conditions: sa.ColumnElement[bool]) -> bool:
    deleted = db.session.execute(sa.delete(BrowserSession).where(*conditions))
    db.session.commit()
    return deleted.rowcount > 0
