"""What one client, and all of them together, may ask of this server."""

import shutil
import time

import sqlalchemy as sa
from flask import Flask, current_app, request
from limits import RateLimitItemPerHour, storage, strategies

from app.cases import StoredCase, db
from app.config import settings
from app.errors import DiskFull, QueueFull, TooMany
from app.identity import current


def init_app(app: Flask) -> None:
    """Count in memory: after a restart everyone starts anew."""
    app.extensions["rates"] = strategies.MovingWindowRateLimiter(storage.MemoryStorage())


def require_share() -> None:
    """Count an upload of the current client. Raises TooMany when it had enough of them."""
    per_hour = settings().cases_per_hour
    if not per_hour:
        return
    share, client = RateLimitItemPerHour(per_hour), current().name or address()
    if not rates().hit(share, "cases", client):
        until = rates().get_window_stats(share, "cases", client).reset_time
        raise TooMany(
            f"At most {per_hour} cases an hour are taken from one client.",
            "Go on later; Retry-After says in how many seconds.",
            "too_many_cases",
            max(1, round(until - time.time())),
        )


def require_queue() -> None:
    """Raise QueueFull when enough cases are waiting."""
    waiting = sa.select(sa.func.count()).where(StoredCase.state == "queued")
    if db.session.scalar(waiting) >= settings().max_queued:
        raise QueueFull(
            f"{settings().max_queued} cases are waiting already.", "Try again in some minutes."
        )


def require_room(size_bytes: int) -> None:
    """Raise DiskFull when the disk would keep less than the reserve."""
    if free_bytes() - size_bytes < settings().disk_reserve_mb * 2**20:
        raise DiskFull


def free_bytes() -> int:
    """Return the room on the disk of the data folder."""
    return shutil.disk_usage(settings().data_dir).free


def rates() -> strategies.MovingWindowRateLimiter:
    """Return the counters of the current app."""
    return current_app.extensions["rates"]


def address() -> str:
    """Return the address of the client that is served."""
    return request.remote_addr or ""
