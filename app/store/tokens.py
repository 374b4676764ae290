"""The access token of the server, of which only a hash is kept."""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.config import Settings

FILE = "access.json"


def digest(token: str) -> str:
    """Return the hash of a token. A plain one does: tokens are random, and too long to be tried."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: str, token_sha256: str) -> bool:
    """Compare in constant time, so that the time tells nothing of the token."""
    return bool(token_sha256) and hmac.compare_digest(digest(token), token_sha256)


def token_sha256(settings: Settings) -> str:
    """Return the hash of the server's token, empty while there is none.

    Read anew each time: `flask token rotate` changes it.
    """
    token = settings.access_token.get_secret_value()
    if token:
        return digest(token)
    try:
        return json.loads((settings.data_dir / FILE).read_text())["token_sha256"]
    except FileNotFoundError:
        return ""


def create_missing(settings: Settings) -> bool:
    """Make a token if there is none, and say whether it was made.

    Nobody sees it; `flask token rotate` makes one that is shown.
    """
    with _alone(settings):
        if token_sha256(settings):
            return False
        rotate(settings)
        return True


def rotate(settings: Settings) -> str:
    """Replace the token; return the new one, which is the only time that it can be seen."""
    token = secrets.token_urlsafe(32)
    path = settings.data_dir / FILE
    partial = Path(f"{path}.{secrets.token_hex(4)}")
    # Private from its first byte on.
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"token_sha256": digest(token)}, file)
    partial.replace(path)
    return token


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one process at a time make a token: several may start at once."""
    with (settings.data_dir / f".{FILE}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
