"""The queue's part in web processes when Celery workers run the cases: send messages, and clean up.

A case is queued by its row alone. A thread of each web process sends a message for each row that has
none. So uploads do not need the broker, and nothing is lost when it is down or loses messages.
"""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask import Flask
from kombu.exceptions import OperationalError

from app import audit
from app.config import settings
from app.jobs import case_queue, celery_app, heartbeat
from app.jobs.polling_thread import PollingThread
from app.store import removal, retention
from app.store.models import StoredCase, db

log = logging.getLogger(__name__)

# Messages sent in one transaction.
BATCH = 50
# Seconds between clean-ups of rows, and of folders, which takes longer.
TIDY_S = 60.0
SWEEP_S = 3600.0
# Seconds after which the last check of the broker is out of date.
OLD_S = 30.0
# A worker marks the case of a message that it has taken within this time.
ON_THE_WAY = timedelta(seconds=60)
# Uploads and results take less time than this; what is older was left behind.
STALE = timedelta(days=1)


class Dispatcher(PollingThread):
    """Sends queued cases to the workers."""

    name = "dispatch"

    def __init__(self, app: Flask):
        super().__init__(app)
        self._celery = celery_app.make(app.config["SETTINGS"], celery_app.ANSWER_S)
        self._tidied, self._swept = -TIDY_S, -SWEEP_S
        # Messages that wait at the broker; None while it cannot be reached.
        self.messages: int | None = None
        self._looked = time.monotonic()

    def obstacles(self) -> Iterator[str]:
        if not self.alive:
            yield "The queue is not running."
        elif not self.ready:
            yield "The queue is starting."
        elif self.messages is None or time.monotonic() - self._looked > OLD_S:
            yield "The broker cannot be reached."
        model = self._app.extensions["model"].card.checksum
        found = heartbeat.live_workers()
        if not found:
            yield "No worker is running."
        elif any(worker.model != model for worker in found):
            yield "Workers run another model than this server."

    def poll(self) -> bool:
        try:
            more = self._send()
            self.messages = celery_app.waiting(self._celery)
            self._looked = time.monotonic()
        except (OperationalError, OSError) as error:
            db.session.rollback()
            if self.messages is not None or not self.ready:
                log.warning("the broker cannot be reached: %s", type(error).__name__)
            self.messages, more = None, False
        if time.monotonic() - self._tidied >= TIDY_S:
            self._tidied = time.monotonic()
            self._tidy()
        if time.monotonic() - self._swept >= SWEEP_S:
            self._swept = time.monotonic()
            removal.remove_leftovers(datetime.now(UTC) - STALE)
        self.ready = True
        return more

    def _send(self) -> bool:
        """Send messages for rows without one; return whether there may be more."""
        unsent = sa.select(StoredCase).where(
            StoredCase.state == "queued",
            StoredCase.sent_at.is_(None),
            StoredCase.deleted_at.is_(None),
        )
        # Skips rows that another process is sending.
        batch = (
            unsent.order_by(StoredCase.created_at).limit(BATCH).with_for_update(skip_locked=True)
        )
        found = db.session.scalars(batch).all()
        for case in found:
            # The row is locked until the commit, so no worker can take it before.
            case.sent_at = datetime.now(UTC)
            celery_app.send(self._celery, case.id, case.sent_at)
        db.session.commit()
        return len(found) == BATCH

    def _tidy(self) -> None:
        now = datetime.now(UTC)
        heartbeat.forget_dead_workers()
        retention.remove_expired()
        removal.finish_removals()
        audit.write_refusals()
        # Attempts end themselves; one older than a message can be has lost its worker.
        longest = timedelta(seconds=settings().case_limit_s + 3 * celery_app.GRACE_S)
        case_queue.recover(started_before=now - longest)
        if self.messages == 0:
            _send_again(now - ON_THE_WAY)


def _send_again(before: datetime) -> None:
    """Mark messages as unsent that are neither at the broker nor with a worker."""
    lost = sa.update(StoredCase).where(StoredCase.state == "queued", StoredCase.sent_at < before)
    found = db.session.execute(lost.values(sent_at=None)).rowcount
    db.session.commit()
    if found:
        log.warning("%d messages were lost and are sent again", found)
