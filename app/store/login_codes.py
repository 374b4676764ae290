"""Links with which the operator signs in. The code of each works once, within a day."""

import ipaddress
import secrets
import socket
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.config import settings
from app.store import tokens
from app.store.account_models import LoginCode
from app.store.models import db

LIFE = timedelta(days=1)


def create_link(host: str, port: int) -> str:
    """Make a link, which leads to BTS_PUBLIC_URL if that is set."""
    if _is_unspecified(host):
        # 0.0.0.0 and :: are no addresses that a browser can open.
        host = socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"{settings().public_url or f'http://{host}:{port}'}/?token={_create()}"


def use(code: str) -> bool:
    """Use up a code; say whether it was good."""
    hashed, now = tokens.digest(code), datetime.now(UTC)
    # Strangers' guesses write nothing.
    if db.session.get(LoginCode, hashed) is None:
        return False
    good = (
        LoginCode.code_sha256 == hashed,
        LoginCode.expires_at > now,
        LoginCode.mark == tokens.token_sha256(settings()),
    )
    # Of several processes that delete a row, one has deleted it.
    deleted = db.session.execute(sa.delete(LoginCode).where(*good))
    db.session.commit()
    return deleted.rowcount == 1


def _create() -> str:
    # Without a token, sessions have nothing that could end them.
    tokens.create_missing(settings())
    code, now = secrets.token_urlsafe(32), datetime.now(UTC)
    db.session.execute(sa.delete(LoginCode).where(LoginCode.expires_at <= now))
    new = LoginCode(code_sha256=tokens.digest(code), mark=tokens.token_sha256(settings()))
    new.expires_at = now + LIFE
    db.session.add(new)
    db.session.commit()
    return code


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
