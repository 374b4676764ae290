"""Deleting cases after BTS_RETENTION_HOURS, although the clock of the machine may be wrong.

A case is deleted once it was found too old at every look for a while, by a clock that cannot be set. When the clock
of the machine is put forward or back in between, the wait begins anew.
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask import Flask, current_app

from app import audit
from app.config import settings
from app.store import removal
from app.store.models import StoredCase, db

log = logging.getLogger(__name__)

# How long cases must have been too old, in seconds; and where so many, and so large a share of all, would go at once.
WAIT_S, WAIT_FOR_MANY_S = 600.0, 3600.0
MANY, MANY_SHARE = 10, 0.2
# The machine's clock may run this much apart from the other in between, in seconds.
DRIFT_S = 60.0


class Patience:
    """Since when cases have been found too old."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._offset_s: float | None = None

    def over(self, expired: Sequence[str], count: int, wall_s: float, steady_s: float) -> list[str]:
        """Return which of the expired cases have been so for long enough.

        count : of all cases ; wall_s : the machine's clock ; steady_s : one that cannot be set
        """
        offset = wall_s - steady_s
        if self._offset_s is not None and abs(offset - self._offset_s) > DRIFT_S:
            log.warning(
                "the clock was put by %.0f s: no case is deleted yet", offset - self._offset_s
            )
            self._since.clear()
        self._offset_s = offset
        self._since = {case_id: self._since.get(case_id, steady_s) for case_id in expired}
        many = len(expired) > max(MANY, MANY_SHARE * count)
        wait_s = WAIT_FOR_MANY_S if many else WAIT_S
        return [case_id for case_id, since in self._since.items() if steady_s - since >= wait_s]


def init_app(app: Flask) -> None:
    app.extensions["retention"] = Patience()


def remove_expired() -> int:
    """Delete the cases that have been older than the retention time for a while; return how many."""
    hours = settings().retention_hours
    if not hours:
        return 0
    wall_s = time.time()
    oldest = datetime.fromtimestamp(wall_s, UTC) - timedelta(hours=hours)
    selected = sa.select(StoredCase.id).where(StoredCase.created_at < oldest)
    expired = db.session.scalars(selected).all()
    count = db.session.scalar(sa.select(sa.func.count()).select_from(StoredCase)) if expired else 0
    patience = current_app.extensions["retention"]
    doomed = patience.over(expired, count, wall_s, steady_s())
    for case_id in doomed:
        case = db.session.get(StoredCase, case_id)
        # Another process may have deleted it.
        if case is not None:
            removal.remove(case)
            audit.write("purge", case_id)
    return len(doomed)


def steady_s() -> float:
    """Return seconds since the machine's start, as far as it says them, also those asleep."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
