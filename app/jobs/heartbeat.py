"""The workers of a service that is scaled out: each says in the database that it is there.

Celery's own signs of life would stop during a case: the solo pool works in the thread that sends them.
"""

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Mapped, mapped_column

from app.jobs.polling_thread import TICK_S, Background
from app.store.models import UtcDateTime, db
from model.inference.segmenter import Segmenter

# A worker that has not been heard of for so long is gone.
SILENT = timedelta(seconds=6 * TICK_S)


class Worker(db.Model):
    """A process that takes cases from the broker."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    engine: Mapped[str] = mapped_column(sa.String(32))
    device: Mapped[str] = mapped_column(sa.String(200))
    model: Mapped[str] = mapped_column(sa.String(64))


def present() -> list[Worker]:
    """Return the workers that have been heard of lately."""
    since = datetime.now(UTC) - SILENT
    return list(db.session.scalars(sa.select(Worker).where(Worker.seen_at > since)))


def forget_silent() -> None:
    """Delete the rows of workers that are gone."""
    since = datetime.now(UTC) - SILENT
    db.session.execute(sa.delete(Worker).where(Worker.seen_at <= since))
    db.session.commit()


class Presence(Background):
    """Says that this process is a worker, until it ends."""

    name = "presence"

    def __init__(self, app: Flask, segmenter: Segmenter):
        super().__init__(app)
        self._segmenter = segmenter
        self._row = f"{socket.gethostname()}:{os.getpid()}"

    def turn(self) -> bool:
        segmenter = self._segmenter
        row = Worker(
            name=self._row,
            seen_at=datetime.now(UTC),
            engine=segmenter.engine_name,
            device=segmenter.device[:200],
            model=segmenter.card.checksum,
        )
        db.session.merge(row)
        db.session.commit()
        return False

    def release(self) -> None:
        # A database that is away finds out by the silence.
        with suppress(sa.exc.SQLAlchemyError), self._app.app_context():
            db.session.execute(sa.delete(Worker).where(Worker.name == self._row))
            db.session.commit()
