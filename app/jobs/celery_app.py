"""The Celery app: one kind of message, which names a case, on Redis or RabbitMQ.

The queue is in the database; messages only tell workers of it. A lost message is sent again
(`dispatcher`), and one that comes twice is dropped (`case_queue.take`).
"""

from datetime import datetime
from typing import Any

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from app.config import Settings

TASK = "segment"
QUEUE = "bts-cases"
# Seconds. An attempt ends itself after BTS_CASE_LIMIT_S, its process this much later, and again this much
# later Redis gives the case to another worker.
GRACE_S = 30
# Longest wait for the broker when sending, in seconds.
ANSWER_S = 3.0


def make(settings: Settings, answer_s: float | None = None) -> Celery:
    """Return the Celery app that sends and receives cases.

    answer_s : longest wait for the broker, in seconds; None: no limit, which workers need
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
            # A message is removed when its case has ended, and delivered again if the worker dies.
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            # One case at a time; a busy worker reserves none.
            "worker_pool": "solo",
            "worker_concurrency": 1,
            "worker_prefetch_multiplier": 1,
            # The solo pool answers no heartbeats during a case, so RabbitMQ would take the worker
            # for dead. That a worker is gone shows by its closed connection.
            "worker_enable_remote_control": False,
            "broker_heartbeat": 0,
            "broker_connection_retry_on_startup": True,
            "broker_transport_options": (
                _rabbit(answer_s) if rabbit else _redis(settings, answer_s)
            ),
        },
    )


def send(celery: Celery, case_id: str, sent_at: datetime) -> None:
    """Send the message of a case. Raises kombu's OperationalError."""
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
    # Quorum queues survive the loss of a RabbitMQ node.
    return Queue(QUEUE, queue_arguments={"x-queue-type": "quorum"} if rabbit else None)


def _rabbit(answer_s: float | None) -> dict[str, Any]:
    return {"confirm_publish": True, "read_timeout": answer_s, "write_timeout": answer_s}


def _redis(settings: Settings, answer_s: float | None) -> dict[str, Any]:
    return {
        "socket_connect_timeout": answer_s,
        "socket_timeout": answer_s,
        "visibility_timeout": settings.case_limit_s + 2 * GRACE_S,
        # How often, in seconds, workers look for messages of dead workers.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
