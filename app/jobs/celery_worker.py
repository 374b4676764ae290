"""The worker: `celery -A app.worker worker --pool solo`, one for each GPU, or for some cores.

It takes one case after another from the broker, and runs it as the embedded queue does.
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

from celery import signals
from celery.concurrency.solo import TaskPool
from celery.exceptions import Reject
from prometheus_client import start_http_server

from app import create_app
from app.config import settings
from app.errors import StartupError
from app.jobs import case_queue, celery_app, metrics
from app.jobs.attempt import Runner
from app.jobs.heartbeat import Presence
from app.store import data_folder
from app.store.db_errors import database_fault, is_database_busy

# Seconds before a message is given back to the broker while the database is away.
PATIENCE_S = 5.0

log = logging.getLogger(__name__)

try:
    flask_app = create_app(serve=False)
except StartupError as error:
    sys.exit(f"Error: {error.message}")
if not flask_app.config["SETTINGS"].broker_url:
    sys.exit("Error: A worker needs BTS_BROKER_URL and BTS_DATABASE_URL.")
celery = celery_app.make(flask_app.config["SETTINGS"])
stopping = threading.Event()


@celery.task(name=celery_app.TASK, bind=True)
def segment(self, case_id: str, sent_at: str) -> None:
    """Segment a case, if this message is its last one and nobody else is at it."""
    redelivered = bool(self.request.delivery_info.get("redelivered"))
    with flask_app.app_context(), _giving_back():
        limit_s = settings().case_limit_s
        case = case_queue.take(case_id, datetime.fromisoformat(sent_at), redelivered)
        if case is None:
            return
        # What hangs, in whatever library, ends with the process; the case then comes again.
        faulthandler.dump_traceback_later(limit_s + celery_app.GRACE_S, exit=True)
        try:
            Runner(flask_app, stopping, limit_s).run(case)
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextmanager
def _giving_back() -> Iterator[None]:
    """Give the message back to the broker, after a while, if the database is away."""
    try:
        yield
    except Exception as error:
        if not is_database_busy(error):
            raise
        fault = database_fault(error)
        log.warning("the database is away, the case goes back to the broker: %s", fault)
        time.sleep(PATIENCE_S)
        # Celery logs it with all that it came from.
        raise Reject(type(error).__name__, requeue=True) from None


@signals.setup_logging.connect
def keep_own_logging(**_: Any) -> None:
    """Keep Celery from setting up logging: `create_app` has done it."""


@signals.worker_init.connect
def load(sender: Any, **_: Any) -> None:
    """Load the model before there is work, and say that this worker is there."""
    if sender.pool_cls is not TaskPool:
        sys.exit("Error: start workers with --pool solo: a process with a network must not fork.")
    try:
        data_folder.make(flask_app)
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
    Presence(flask_app, segmenter).start()


@signals.worker_shutting_down.connect
def halt(**_: Any) -> None:
    """Hand back the case that is being worked on, rather than finish it first."""
    stopping.set()
