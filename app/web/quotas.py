"""What one client, and all of them together, may ask of this server."""

import shutil
import threading
import time

import sqlalchemy as sa
from flask import Flask, current_app, g, request
from limits import RateLimitItemPerHour, storage, strategies

from app.config import settings
from app.errors import DiskFull, QueueFull, TooMany
from app.identity import current
from app.store.models import StoredCase, db


class Room:
    """Bytes of the disk that are promised to requests under way, which have yet to write them."""

    def __init__(self) -> None:
        self._lock, self._promised = threading.Lock(), 0

    def take(self, size_bytes: int, reserve_bytes: int) -> None:
        """Promise room. Raises DiskFull when the disk would keep less than the reserve."""
        with self._lock:
            if free_bytes() - self._promised - size_bytes < reserve_bytes:
                raise DiskFull
            self._promised += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Count what was promised as written, or as not needed."""
        with self._lock:
            self._promised -= size_bytes


def init_app(app: Flask) -> None:
    """Count in memory: after a restart everyone starts anew."""
    app.extensions["rates"] = strategies.MovingWindowRateLimiter(storage.MemoryStorage())
    app.extensions["room"] = Room()

    @app.teardown_request
    def give_back(_: BaseException | None) -> None:
        app.extensions["room"].give_back(g.pop("room_bytes", 0))


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
    """Keep room on the disk for the current request, up to its end.

    Raises DiskFull when the disk would keep less than the reserve once all that is under way has
    been written.
    """
    current_app.extensions["room"].take(size_bytes, settings().disk_reserve_mb * 2**20)
    g.room_bytes = g.get("room_bytes", 0) + size_bytes


def require_room_for_body() -> None:
    """Keep room for the body of the current request, as `require_room` does.

    Only then may files in it be staged.
    """
    # Sent in chunks it does not say how long it is.
    size = request.content_length
    require_room(settings().max_upload_mb * 2**20 if size is None else size)


def may_stage() -> bool:
    """Say whether room is kept for files in the current request's body."""
    return "room_bytes" in g


def free_bytes() -> int:
    """Return the room on the disk of the data folder."""
    return shutil.disk_usage(settings().data_dir).free


def rates() -> strategies.MovingWindowRateLimiter:
    """Return the counters of the current app."""
    return current_app.extensions["rates"]


def address() -> str:
    """Return the address of the client that is served."""
    return request.remote_addr or ""
