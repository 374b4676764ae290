"""Named users, their passwords and tokens."""

import re
import secrets
import threading
from datetime import UTC, datetime
from functools import cache

import sqlalchemy as sa
from werkzeug.security import check_password_hash, generate_password_hash

from app.errors import LoginsBusy
from app.identity import Identity
from app.store import tokens
from app.store.account_models import BrowserSession, Share, User
from app.store.models import StoredCase, db

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LEAST_PASSWORD = 10
COMPARISON_WAIT_S = 5
_comparisons = threading.BoundedSemaphore(2)


def identity_of(user: User) -> Identity:
    """Return who a user is to the requests of that user."""
    return Identity(user.name, user.is_admin)


def session_mark(user: User) -> str:
    """Return the mark of a user's sessions: a new password, which has another one, ends them."""
    return tokens.digest(user.password_hash)[:16]


def exist() -> bool:
    """Say whether there are named users."""
    return db.session.scalar(sa.select(User.name).limit(1)) is not None


def find(name: str) -> User | None:
    """Return a user, None if there is none of that name."""
    return db.session.get(User, name)


def names() -> list[str]:
    return list(db.session.scalars(sa.select(User.name).order_by(User.name)))


def add(name: str, password: str, *, is_admin: bool = False) -> User:
    """Add a user. Raises ValueError with a sentence that says what is wrong."""
    if not NAME.fullmatch(name):
        raise ValueError("A name has small letters, digits and . _ - only, at most 64 of them.")
    if find(name):
        raise ValueError("There is a user of that name.")
    # Whoever shared a case with this name before meant somebody else.
    _forget(name)
    user = User(name=name, is_admin=is_admin, created_at=datetime.now(UTC))
    set_password(user, password)
    db.session.add(user)
    db.session.commit()
    return user


def remove(user: User) -> None:
    """Remove a user, whose cases stay for administrators.

    A later user of the same name is another person, who gets neither cases nor shares.
    """
    own = sa.update(StoredCase).where(StoredCase.owner == user.name)
    db.session.execute(own.values(owner=""))
    _forget(user.name)
    db.session.delete(user)
    db.session.commit()


def set_password(user: User, password: str) -> None:
    """Give a user another password, which ends the user's sessions; to be committed.

    Raises ValueError if it is too short.
    """
    if len(password) < LEAST_PASSWORD:
        raise ValueError(f"A password has at least {LEAST_PASSWORD} characters.")
    user.password_hash = generate_password_hash(password, method="scrypt")
    _end_sessions(user.name)


def new_token(user: User) -> str:
    """Replace a user's token for API clients; return the new one."""
    token = secrets.token_urlsafe(32)
    user.token_sha256 = tokens.digest(token)
    db.session.commit()
    return token


def with_password(name: str, password: str) -> User | None:
    """Return the user whose password it is.

    Two are compared at a time, since each takes a processor and 32 MB; raises LoginsBusy if that
    takes too long.
    """
    # Before the look-up: whoever waits holds no connection to the database.
    if not _comparisons.acquire(timeout=COMPARISON_WAIT_S):
        raise LoginsBusy
    try:
        user = find(name)
        right = check_password_hash(user.password_hash if user else _nobody(), password)
        return user if right else None
    finally:
        _comparisons.release()


def with_token(token: str) -> User | None:
    """Return the user whose token it is; looked up by its hash, which tells nothing by time."""
    hashed = tokens.digest(token)
    return db.session.scalars(sa.select(User).where(User.token_sha256 == hashed)).first()


def _forget(name: str) -> None:
    """Delete what belongs to a name: shares and sessions."""
    db.session.execute(sa.delete(Share).where(Share.user_name == name))
    _end_sessions(name)


def _end_sessions(name: str) -> None:
    db.session.execute(sa.delete(BrowserSession).where(BrowserSession.user_name == name))


@cache
def _nobody() -> str:
    """Return a hash that takes as long to compare with as any other.

    Unknown names are not told by the time, but for the first one since the start.
    """
    return generate_password_hash(secrets.token_hex())
