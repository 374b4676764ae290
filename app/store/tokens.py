"""The access token of the server, of which only a hash is kept, and the key that signs cookies."""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.config import Settings

FILE = "access.json"


@dataclass(frozen=True)
class Keys:
    """Hash of the token, empty while there is none, and what signs cookies."""

    token_sha256: str
    cookie_key: str


def digest(token: str) -> str:
    """Return the hash of a token. A plain one does: tokens are random, and too long to be tried."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: str, token_sha256: str) -> bool:
    """Compare in constant time, so that the time tells nothing of the token."""
    return bool(token_sha256) and hmac.compare_digest(digest(token), token_sha256)


def keys(settings: Settings) -> Keys:
    """Return the keys of the server, read anew each time: `flask token rotate` changes them."""
    token = settings.access_token.get_secret_value()
    if token:
        # Signed with the token itself: changing the token ends all sessions.
        return Keys(digest(token), token)
    found = _read(settings)
    if found is None:
        with _alone(settings):
            found = _read(settings) or _write(settings, Keys("", secrets.token_urlsafe(32)))
    return found


def create_missing(settings: Settings) -> str | None:
    """Make a token if there is none; return it, which is the only time that it can be seen."""
    with _alone(settings):
        found = _read(settings)
        return None if found and found.token_sha256 else rotate(settings)


def rotate(settings: Settings) -> str:
    """Replace the token, which ends all sessions; return the new one."""
    token = secrets.token_urlsafe(32)
    _write(settings, Keys(digest(token), secrets.token_urlsafe(32)))
    return token


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one process at a time make keys: several may start at once."""
    with (settings.data_dir / f".{FILE}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(settings: Settings) -> Keys | None:
    try:
        return Keys(**json.loads((settings.data_dir / FILE).read_text()))
    except FileNotFoundError:
        return None


def _write(settings: Settings, new: Keys) -> Keys:
    path = settings.data_dir / FILE
    partial = Path(f"{path}.{secrets.token_hex(4)}")
    # Private from its first byte on.
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(new), file)
    partial.replace(path)
    return new
