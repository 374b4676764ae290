"""Limits on what one client, and all of them together, may use of this server."""

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


class DiskReservation:
    """Bytes of the disk that are reserved for requests which have yet to write them."""

    def __init__(self) -> None:
        self._lock, self._reserved_bytes = threading.Lock(), 0

    def reserve(self, size_bytes: int, keep_free_bytes: int) -> None:
        """Reserve bytes. Raises DiskFull when less than `keep_free_bytes` would stay free."""
        with self._lock:
            if free_bytes() - self._reserved_bytes - size_bytes < keep_free_bytes:
                raise DiskFull
            self._reserved_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """End a reservation: the bytes have been written, or are not needed."""
        with self._lock:
            self._reserved_bytes -= size_bytes


def init_app(app: Flask) -> None:
    """Set up the counters, in memory: a restart sets them to zero."""
    app.extensions["rates"] = strategies.MovingWindowRateLimiter(storage.MemoryStorage())
    app.extensions["disk"] = DiskReservation()

    @app.teardown_request
    def release(_: BaseException | None) -> None:
        app.extensions["disk"].release(g.pop("reserved_bytes", 0))


def check_rate_limit() -> None:
    """Count an upload of the current client. Raises TooMany when it is over its hourly limit."""
    per_hour = settings().cases_per_hour
    if not per_hour:
        return
    limit, client = RateLimitItemPerHour(per_hour), current().name or address()
    if not rates().hit(limit, "cases", client):
        until = rates().get_window_stats(limit, "cases", client).reset_time
        raise TooMany(
            f"At most {per_hour} cases an hour are taken from one client.",
            "Go on later; Retry-After says in how many seconds.",
            "too_many_cases",
            max(1, round(until - time.time())),
        )


def check_queue_length() -> None:
    """Raise QueueFull when as many cases wait as may."""
    waiting = sa.select(sa.func.count()).where(
        StoredCase.state == "queued", StoredCase.deleted_at.is_(None)
    )
    if db.session.scalar(waiting) >= settings().max_queued:
        raise QueueFull(
            f"{settings().max_queued} cases are waiting already.", "Try again in some minutes."
        )


def reserve_disk(size_bytes: int) -> None:
    """Reserve bytes on the disk for the current request, up to its end.

    Raises DiskFull when less than BTS_DISK_RESERVE_MB would be free once all that has been reserved
    is written.
    """
    current_app.extensions["disk"].reserve(size_bytes, settings().disk_reserve_mb * 2**20)
    g.reserved_bytes = g.get("reserved_bytes", 0) + size_bytes


def reserve_disk_for_body() -> None:
    """Reserve bytes for the body of the current request; only then may its files be staged."""
    # Without a length, as in chunks, it can be as long as is allowed.
    size = request.content_length
    reserve_disk(settings().max_upload_mb * 2**20 if size is None else size)


def may_stage() -> bool:
    """Say whether bytes are reserved for files in the current request's body."""
    return "reserved_bytes" in g


def free_bytes() -> int:
    """Return the free bytes on the disk of the data folder."""
    return shutil.disk_usage(settings().data_dir).free


def rates() -> strategies.MovingWindowRateLimiter:
    """Return the counters of the current app."""
    return current_app.extensions["rates"]


def address() -> str:
    """Return the address of the client of the current request."""
    return request.remote_addr or ""
