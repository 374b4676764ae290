"""The thread behind an app's queue: the embedded worker or, with BTS_BROKER_URL, the dispatcher."""

from flask import Flask

from app.jobs.embedded_worker import EmbeddedWorker
from app.jobs.polling_thread import PollingThread


def init_app(app: Flask) -> None:
    app.extensions["queue"] = _make(app)


def queue_runner(app: Flask) -> PollingThread:
    """Return the thread behind the queue of an app."""
    return app.extensions["queue"]


def _make(app: Flask) -> PollingThread:
    if not app.config["SETTINGS"].broker_url:
        return EmbeddedWorker(app)
    # Imported here: only this needs Celery.
    from app.jobs.dispatcher import Dispatcher

    return Dispatcher(app)
