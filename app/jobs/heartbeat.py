"""Which Celery workers are alive: each writes the time into its row of the database.

Celery's own heartbeats would stop during a case: the solo pool works in the thread that sends them.
"""

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask import Flask

from app.jobs.polling_thread import POLL_S, PollingThread
from app.store.models import WorkerRow, db
from model.inference.segmenter import Segmenter

# A worker whose row is older than this is gone.
MAX_AGE = timedelta(seconds=6 * POLL_S)


def live_workers() -> list[WorkerRow]:
    """Return the rows of the workers that are alive."""
    since = datetime.now(UTC) - MAX_AGE
    return list(db.session.scalars(sa.select(WorkerRow).where(WorkerRow.seen_at > since)))


def forget_dead_workers() -> None:
    """Delete the rows of workers that are gone."""
    since = datetime.now(UTC) - MAX_AGE
    db.session.execute(sa.delete(WorkerRow).where(WorkerRow.seen_at <= since))
    db.session.commit()


class Heartbeat(PollingThread):
    """Keeps the row of this process up to date until it ends."""

    name = "heartbeat"

    def __init__(self, app: Flask, segmenter: Segmenter):
        super().__init__(app)
        self._segmenter = segmenter
        self._row = f"{socket.gethostname()}:{os.getpid()}"

    def poll(self) -> bool:
        segmenter = self._segmenter
        row = WorkerRow(
            name=self._row,
            seen_at=datetime.now(UTC),
            engine=segmenter.provenance.engine,
            device=segmenter.provenance.device[:200],
            model=segmenter.card.checksum,
        )
        db.session.merge(row)
        db.session.commit()
        return False

    def release(self) -> None:
        # Without the database the row grows old, which says the same.
        with suppress(sa.exc.SQLAlchemyError), self._app.app_context():
            db.session.execute(sa.delete(WorkerRow).where(WorkerRow.name == self._row))
            db.session.commit()
