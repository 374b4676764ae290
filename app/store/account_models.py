"""The tables of accounts: users, what is shared with them, sessions, and codes with which to sign in."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models import UtcDateTime, db


class Share(db.Model):
    """A user who may read another's case."""

    __tablename__ = "shares"

    case_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    user_name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)


class User(db.Model):
    """A user with a worklist of their own."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    # scrypt, with the parameters and the salt in front.
    password_hash: Mapped[str] = mapped_column(sa.String(255))
    token_sha256: Mapped[str] = mapped_column(sa.String(64), default="", index=True)
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BrowserSession(db.Model):
    """A browser that has signed in; its cookie holds the secret."""

    __tablename__ = "sessions"

    secret_sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    # Empty for the operator.
    user_name: Mapped[str] = mapped_column(sa.String(64), index=True)
    # That of the password or token with which it began: another one ends the session.
    mark: Mapped[str] = mapped_column(sa.String(64))
    # Address and browser, for people.
    client: Mapped[str] = mapped_column(sa.String(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LoginCode(db.Model):
    """A code that signs the operator in, once."""

    __tablename__ = "login_codes"

    code_sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    # Hash of the server's token: another one ends the code.
    mark: Mapped[str] = mapped_column(sa.String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
