"""The queue with several processes, on a real PostgreSQL and a real Redis."""

import json
import logging
import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
import sqlalchemy as sa
from redis import Redis

from app import logs
from app.analysis.record import record_of
from app.jobs import case_queue, celery_app, heartbeat
from app.jobs.attempt import CaseRunner, TooLong
from app.jobs.dispatcher import OLD_S, ON_THE_WAY, SWEEP_S, TIDY_S, Dispatcher
from app.jobs.queue_runner import queue_runner
from app.store import cases, removal, tokens
from app.store.models import StoredMask, WorkerRow, db
from tests import services
from tests.app.rows import change, row
from tests.app.serving import serving
from tests.app.web.hazards import four, send

pytestmark = pytest.mark.slow


@pytest.fixture
def app(scaled_out):
    return scaled_out


@pytest.fixture
def queued(app, client, dispatcher):
    """The id of a case of which the workers have been told."""
    case_id = send(client, four()).json["id"]
    with app.app_context():
        dispatcher.poll()
    return case_id


def take(case_id, redelivered=False):
    return case_queue.take(case_id, row(case_id).sent_at, redelivered)


def test_each_case_is_sent_once(app, dispatcher, queued):
    with app.app_context():
        sent_at = row(queued).sent_at
        assert dispatcher.messages == 1
        dispatcher.poll()
        assert dispatcher.messages == 1
        assert row(queued).sent_at == sent_at


def test_only_the_last_message_counts_and_only_once(app, queued):
    with app.app_context():
        assert case_queue.take(queued, datetime.now(UTC), False) is None
        assert case_queue.take("0" * 32, datetime.now(UTC), False) is None
        assert take(queued).attempts == 1
        # Whoever has it is at work.
        assert take(queued) is None
        assert row(queued).attempts == 1


def test_a_message_that_comes_back_is_worked_on_three_times(app, client, queued):
    with app.app_context():
        assert [take(queued, redelivered=True).attempts for _ in range(3)] == [1, 2, 3]
        assert take(queued, redelivered=True) is None
    assert client.get(f"/api/cases/{queued}").json["error"]["code"] == "gave_up"


def test_a_run_that_was_given_up_by_others_changes_nothing(app, queued, analysis, model_holder):
    record = record_of(analysis, model_holder.get().card, "brats2021", {})
    with app.app_context():
        old = take(queued)
        new = take(queued, redelivered=True)
        assert not case_queue.write(old, progress=0.9)
        assert not case_queue.finish(old, record, lambda: pytest.fail("moved the results"))
        assert case_queue.fail(old, case_queue.INTERNAL) == "deleted"
        assert case_queue.postpone(old, case_queue.NO_MEMORY)
        case_queue.hand_back(old)
        assert (row(queued).state, row(queued).attempts) == ("running", 2)
        assert case_queue.finish(new, record, lambda: None)


def test_what_is_put_back_is_sent_again(app, dispatcher, queued):
    with app.app_context():
        first = row(queued).sent_at
        case_queue.hand_back(take(queued))
        dispatcher.poll()
        assert row(queued).sent_at > first
        assert (row(queued).attempts, dispatcher.messages) == (0, 2)


def test_a_case_that_takes_too_long_is_tried_three_times(app, client, dispatcher, queued):
    def slow(*_, **__):
        raise TooLong

    with app.app_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.analysis.pipeline.analyse", slow)
        for _ in range(3):
            CaseRunner(app, dispatcher._stop, 60).run(take(queued))
            dispatcher.poll()
    assert client.get(f"/api/cases/{queued}").json["error"]["code"] == "took_too_long"


def test_uploads_need_no_broker(make_app, urls):
    with services.redis() as broker_url:
        app = make_app(**(urls | {"broker_url": broker_url}))
        found = queue_runner(app)
        with app.app_context():
            found.poll()
            assert found.messages == 0
    case_id = send(app.test_client(), four()).json["id"]
    with app.app_context():
        found.poll()
        assert found.messages is None
        assert row(case_id).sent_at is None
        assert not row(case_id).error
        removal.remove(row(case_id))


@contextmanager
def frozen(broker_url):
    """Keep Redis from doing anything; the kernel goes on taking connections for it."""
    with Redis.from_url(broker_url) as connection:
        pid = connection.info()["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_broker_that_hangs_is_given_up_soon(app, client, dispatcher, queued, urls):
    with app.app_context():
        with frozen(urls["broker_url"]):
            start = time.monotonic()
            dispatcher.poll()
            assert dispatcher.messages is None
            case_id = send(client, four()).json["id"]
            dispatcher.poll()
            assert row(case_id).sent_at is None
            assert time.monotonic() - start < 2 * OLD_S
        dispatcher.poll()
        assert row(case_id).sent_at
        # What had been sent may have arrived after all; workers drop what comes twice.
        assert dispatcher.messages in (2, 3)


def test_an_old_look_at_the_broker_does_not_count(app, dispatcher, monkeypatch):
    monkeypatch.setattr(Dispatcher, "alive", True)
    with app.app_context():
        dispatcher.poll()
        assert list(dispatcher.obstacles()) == ["No worker is running."]
        dispatcher._looked -= 2 * OLD_S
        assert "The broker cannot be reached." in dispatcher.obstacles()


def test_folders_are_looked_through_at_the_start_and_then_seldom(app, dispatcher, monkeypatch):
    times = []
    monkeypatch.setattr("app.store.removal.remove_leftovers", times.append)
    with app.app_context():
        for _ in range(3):
            dispatcher._tidied = -TIDY_S
            dispatcher.poll()
        assert len(times) == 1
        dispatcher._swept = -SWEEP_S
        dispatcher.poll()
    assert len(times) == 2


def test_lost_messages_are_sent_again(app, dispatcher, queued):
    with app.app_context():
        with dispatcher._celery.connection_for_write() as connection:
            dispatcher._celery.amqp.queues[celery_app.QUEUE](connection.default_channel).purge()
        long_ago = datetime.now(UTC) - 2 * ON_THE_WAY
        change(queued, sent_at=long_ago)
        dispatcher._tidied = -TIDY_S
        dispatcher.poll()
        dispatcher.poll()
        assert row(queued).sent_at > long_ago
        assert dispatcher.messages == 1


def test_a_run_that_nobody_can_be_at_is_queued_again(app, dispatcher, queued):
    with app.app_context():
        take(queued)
        for age, state in ((timedelta(seconds=100), "running"), (timedelta(hours=1), "queued")):
            change(queued, started_at=datetime.now(UTC) - age)
            dispatcher._tidy()
            assert row(queued).state == state


def test_readiness(app, client, dispatcher, model_holder):
    reasons = client.get("/readyz").json["reasons"]
    assert reasons == ["The queue is not running.", "No worker is running."]
    dispatcher.start()
    presence = heartbeat.Heartbeat(app, model_holder.get())
    with app.app_context():
        presence.poll()
    try:
        while "The queue is starting." in (found := client.get("/readyz").json)["reasons"]:
            pass
        assert found == {"ready": True, "reasons": []}
        assert 'engine="openvino"} 1.0' in client.get("/metrics").text
        with app.app_context():
            db.session.execute(sa.update(WorkerRow).values(model="another"))
            db.session.commit()
        found = client.get("/readyz").json["reasons"]
        assert found == ["Workers run another model than this server."]
    finally:
        presence.release()
        dispatcher.stop()
    assert "No worker is running." in client.get("/readyz").json["reasons"]


def test_a_worker_that_falls_silent_is_forgotten(app, model_holder):
    with app.app_context():
        heartbeat.Heartbeat(app, model_holder.get()).poll()
        assert len(heartbeat.live_workers()) == 1
        db.session.execute(
            sa.update(WorkerRow).values(seen_at=datetime.now(UTC) - 2 * heartbeat.MAX_AGE)
        )
        db.session.commit()
        assert heartbeat.live_workers() == []
        heartbeat.forget_dead_workers()
        assert db.session.scalar(sa.select(sa.func.count()).select_from(WorkerRow)) == 0


def test_workers_hold_one_message_at_a_time(dispatcher):
    conf = dispatcher._celery.conf
    assert conf.worker_concurrency * conf.worker_prefetch_multiplier == 1
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost


@pytest.mark.parametrize(
    ("path", "status"), [("/api/cases?q=%00", 200), ("/api/cases/%00", 400), ("/?q=a%00", 200)]
)
def test_characters_that_postgresql_has_not(client, path, status):
    """The worklist leaves them out of what is searched for."""
    assert client.get(path).status_code == status


def test_deleting_while_a_mask_is_added(app, queued):
    """The deletion waits for the version, and takes it along."""
    with app.app_context():
        db.session.execute(
            sa.insert(StoredMask).values(
                case_id=queued,
                number=1,
                kind="corrected",
                created_at=datetime.now(UTC),
                folder="masks/x",
                findings={},
            )
        )

        def delete():
            with app.app_context():
                removal.remove(cases.find(queued))

        other = Thread(target=delete)
        other.start()
        other.join(0.5)
        assert other.is_alive()
        db.session.commit()
        other.join()
        assert row(queued) is None


def test_several_processes_make_one_token(app):
    made = []
    threads = [
        Thread(target=lambda: made.append(tokens.create_missing(app.config["SETTINGS"])))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 1


def test_log_entries_name_the_case_as_json(app, client, queued, capsys):
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        logs.configure("INFO", "json")
        with app.app_context():
            assert CaseRunner(app, queue_runner(app)._stop).run(take(queued)) in (
                "done",
                "failed",
            )
    finally:
        root.handlers = before
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines
    assert {line["case"] for line in lines} == {queued}
    assert {"time", "level", "logger", "message"} <= set(lines[0])


def test_the_servers_own_log_is_json_too(tmp_path):
    with serving(tmp_path / "data", log_format="json") as server:
        lines = [json.loads(line) for line in server.log.splitlines()]
    assert {"gunicorn.error", "app.jobs.model_holder"} <= {line["logger"] for line in lines}
