"""Celery as this service uses it: one kind of message, which names a case, on Redis or RabbitMQ.

The database holds the queue; the broker hands it out. A message that is lost is sent again, and one
that comes twice is dropped, see `dispatch` and `queue.take`.
"""

from datetime import datetime
from typing import Any

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from app.config import Settings

TASK = "segment"
QUEUE = "bts-cases"
# A run ends itself after BTS_CASE_LIMIT_S; this much later its process is ended, and as much later again
# Redis hands the case to another worker.
GRACE_S = 30
# Longest wait for an answer of the broker by those who send to it.
ANSWER_S = 3.0


def make(settings: Settings, answer_s: float | None = None) -> Celery:
    """Return the Celery app that sends and receives cases.

    answer_s : longest wait for an answer of the broker, in seconds; None: any, as those need who
    wait for cases
    """
    rabbit = settings.broker_url.startswith("amqp")
    return Celery(
        "bts",
        broker=settings.broker_url,
        set_as_current=False,
        config_source={
            "task_queues": [_queue(rabbit)],
            "task_default_queue": QUEUE,
            "task_ignore_result": True,
            # A message goes away once its case has ended, and comes back if the worker does not.
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            # One case at a time, and none kept waiting at a worker that is busy.
            "worker_pool": "solo",
            "worker_concurrency": 1,
            "worker_prefetch_multiplier": 1,
            # The solo pool answers neither questions nor heartbeats during a case: RabbitMQ would
            # take the worker for dead. A closed connection tells it in time.
            "worker_enable_remote_control": False,
            "broker_heartbeat": 0,
            "broker_connection_retry_on_startup": True,
            "broker_transport_options": (
                _rabbit(answer_s) if rabbit else _redis(settings, answer_s)
            ),
        },
    )


def send(celery: Celery, case_id: str, sent_at: datetime) -> None:
    """Tell the workers of a case. Raises kombu's OperationalError."""
    celery.send_task(TASK, (case_id, sent_at.isoformat()), queue=QUEUE, retry=False)


def waiting(celery: Celery) -> int:
    """Return how many messages no worker has taken yet. Raises kombu's OperationalError."""
    with celery.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        try:
            queue = celery.amqp.queues[QUEUE](connection.default_channel)
            return queue.queue_declare().message_count
        except connection.recoverable_connection_errors as error:
            raise OperationalError(str(error)) from error


def _queue(rabbit: bool) -> Queue:
    # Quorum queues are kept by several nodes where there are several.
    return Queue(QUEUE, queue_arguments={"x-queue-type": "quorum"} if rabbit else None)


def _rabbit(answer_s: float | None) -> dict[str, Any]:
    return {"confirm_publish": True, "read_timeout": answer_s, "write_timeout": answer_s}


def _redis(settings: Settings, answer_s: float | None) -> dict[str, Any]:
    return {
        "socket_connect_timeout": answer_s,
        "socket_timeout": answer_s,
        "visibility_timeout": settings.case_limit_s + 2 * GRACE_S,
        # How often, in seconds, workers look for what has become visible again.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
