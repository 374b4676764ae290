"""A Celery worker: it takes one case after another from the broker and runs it.

`celery -A celery_worker worker --pool solo`, one for each GPU, or for some cores.
"""

import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from celery import Celery, signals
from celery.concurrency.solo import TaskPool
from celery.exceptions import Reject
from flask import Flask
from prometheus_client import start_http_server

from app.config import settings
from app.errors import StartupError
from app.jobs import case_queue, celery_app, metrics
from app.jobs.attempt import CaseRunner
from app.jobs.heartbeat import Heartbeat
from app.store import database
from app.store.db_errors import database_error, is_database_busy

# Seconds before a message is given back to the broker while the database is away.
RETRY_S = 5.0

log = logging.getLogger(__name__)


def make_worker(flask_app: Flask) -> Celery:
    """Return the Celery app of a worker, with its task and what it does at start and end."""
    celery = celery_app.make(flask_app.config["SETTINGS"])
    stopping = threading.Event()

    @celery.task(name=celery_app.TASK, bind=True)
    def segment(self, case_id: str, sent_at: str) -> None:
        """Segment a case, if this message is its last one and no other worker has taken it."""
        redelivered = bool(self.request.delivery_info.get("redelivered"))
        with flask_app.app_context(), _return_message():
            case = case_queue.take(case_id, datetime.fromisoformat(sent_at), redelivered)
            if case is not None:
                _run(flask_app, stopping, case)

    # Strong references: nothing else holds these functions.
    signals.setup_logging.connect(_keep_logging, weak=False)
    signals.worker_init.connect(lambda sender, **_: _start(flask_app, sender), weak=False)
    signals.worker_shutting_down.connect(lambda **_: stopping.set(), weak=False)
    return celery


def _run(flask_app: Flask, stopping: threading.Event, case: Any) -> None:
    """Run a case that has been taken. When the worker shuts down it goes back into the queue."""
    limit_s = settings().case_limit_s
    # A library that hangs is ended with the process; the case then comes again.
    faulthandler.dump_traceback_later(limit_s + celery_app.GRACE_S, exit=True)
    try:
        CaseRunner(flask_app, stopping, limit_s).run(case)
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _return_message() -> Iterator[None]:
    """Give the message back to the broker, after a while, if the database is away."""
    try:
        yield
    except Exception as error:
        if not is_database_busy(error):
            raise
        cause = database_error(error)
        log.warning("the database is away, the case goes back to the broker: %s", cause)
        time.sleep(RETRY_S)
        # Without its cause: Celery would log the whole traceback.
        raise Reject(type(error).__name__, requeue=True) from None


def _keep_logging(**_: Any) -> None:
    """Keep Celery from setting up logging: `create_app` has done it."""


def _start(flask_app: Flask, sender: Any) -> None:
    """Load the model before there is work, and report this worker as alive."""
    if sender.pool_cls is not TaskPool:
        sys.exit("Error: start workers with --pool solo: a process with a network must not fork.")
    try:
        database.prepare(flask_app)
        segmenter = flask_app.extensions["model"].get()
        segmenter.warm_up()
    # Celery would log an exception, and go on without a model or a database.
    except StartupError as error:
        sys.exit(f"Error: {error.message}")
    except Exception:
        log.exception("the worker cannot start")
        sys.exit(1)
    port = flask_app.config["SETTINGS"].metrics_port
    if port:
        try:
            start_http_server(port, registry=metrics.registry(flask_app))
        except OSError as error:
            sys.exit(
                f"Error: BTS_METRICS_PORT={port} cannot be used: {error.strerror}.\n"
                "Each worker on a machine needs a port of its own."
            )
    Heartbeat(flask_app, segmenter).start()
