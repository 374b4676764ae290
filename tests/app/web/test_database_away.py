"""A database server that is away: what is asked for meanwhile, and what goes on with cases."""

import logging
import socket
import time
from contextlib import ExitStack

import pytest

from app.analysis import pipeline
from app.config import CONNECT_S
from app.errors import StartupError
from app.jobs import case_queue
from app.jobs.queue_runner import queue_runner
from app.store import tokens
from app.store.models import db
from app.store.results import CaseFolder
from tests import services
from tests.app.jobs.crashing import stub
from tests.app.people import bearer
from tests.app.web.hazards import four, send
from tests.app.web.test_access import ELSEWHERE

pytestmark = pytest.mark.slow


@pytest.fixture
def app(make_app):
    """An app whose database server has ended after its start."""
    services.require("postgresql")
    with services.postgresql() as database_url:
        app = make_app(database_url=database_url, TESTING=False)
        # One connection that is known, and found broken.
        app.test_client().get("/api/cases")
    yield app
    with app.app_context():
        db.engine.dispose()


def test_readiness_gives_the_reason(app, client, caplog):
    for headers in ({}, bearer(tokens.rotate(app.config["SETTINGS"])), bearer("x" * 40)):
        answer = client.get("/readyz", headers=headers)
        assert answer.status_code == 503
        assert answer.json == {"ready": False, "reasons": ["The database cannot be reached."]}
    assert client.get("/healthz").status_code == 200
    assert "Traceback" not in caplog.text


def test_the_rules_of_access_stay(app, client, assert_error):
    for path in ("/readyz", "/metrics", "/api/cases"):
        assert_error(client.get(path, environ_overrides=ELSEWHERE), 401, "access_denied")


@pytest.mark.parametrize("path", ["/api/cases", "/metrics", "/api/cases/0"])
def test_calls_are_asked_to_come_later(client, path, assert_error):
    answer = client.get(path)
    assert_error(answer, 503, "database_busy")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["/", "/cases/0"])
def test_pages_are_asked_to_come_later(client, path):
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "cannot be reached" in answer.text


def test_a_login_is_asked_to_come_later(client):
    answer = client.post("/login", data={"user": "ann", "password": "something long"})
    assert answer.status_code == 503


def test_a_server_that_takes_calls_and_never_answers_is_given_up_soon(make_app):
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        with pytest.raises(StartupError, match="The database cannot be used: "):
            make_app(database_url=f"postgresql://bts@127.0.0.1:{server.getsockname()[1]}/bts")
    assert time.monotonic() - start < 3 * CONNECT_S


@pytest.fixture
def database_url():
    services.require("postgresql")
    with services.postgresql() as found:
        yield found


@pytest.fixture
def served(make_app, database_url, analysis, monkeypatch):
    """An app whose database is there, and whose pipeline knows its result."""
    monkeypatch.setattr(pipeline, "analyse", stub(analysis))
    app = make_app(database_url=database_url)
    yield app
    with app.app_context():
        db.engine.dispose()


def test_a_connection_that_is_lost_at_the_last_write(served, database_url, monkeypatch):
    publish, losses = CaseFolder.publish, [True]

    def lose_connection(folder, work):
        if losses:
            losses.pop()
            services.hang_up(database_url)
        publish(folder, work)

    monkeypatch.setattr(CaseFolder, "publish", lose_connection)
    url, worker = send(served.test_client(), four()).json["url"], queue_runner(served)
    with served.app_context():
        assert not worker.run_next()
    assert served.test_client().get(url).json["state"] == "queued"
    with served.app_context():
        assert worker.run_next()
    case = served.test_client().get(url).json
    assert (case["state"], case["attempts"]) == ("done", 2)


def test_after_three_attempts_it_says_what_to_do(served, database_url, monkeypatch):
    monkeypatch.setattr(CaseFolder, "publish", lambda *_: services.hang_up(database_url))
    url = send(served.test_client(), four()).json["url"]
    for _ in range(case_queue.MAX_ATTEMPTS):
        with served.app_context():
            queue_runner(served).run_next()
    case = served.test_client().get(url).json
    assert (case["state"], case["error"]["code"]) == ("failed", "database_busy")
    assert "upload the scans again" in case["error"]["hint"]


def test_a_database_that_is_away_when_a_case_ends(served, database_url, monkeypatch, caplog):
    """The case goes on when the database is back, and the log says so once, not every five seconds."""
    worker, url = queue_runner(served), send(served.test_client(), four()).json["url"]
    caplog.set_level(logging.INFO, "app")
    with ExitStack() as outage, monkeypatch.context() as patch:
        away = services.away(database_url)
        patch.setattr(CaseFolder, "publish", lambda *_: outage.enter_context(away))
        assert [worker._poll() for _ in range(3)] == [False] * 3
    assert worker._poll()
    assert served.test_client().get(url).json["state"] == "done"
    away, back = (
        record.message for record in caplog.records if record.name == "app.jobs.polling_thread"
    )
    assert away.startswith("cases: the database is busy or cannot be reached: ")
    assert "not currently accepting connections" in away
    assert back == "cases: the database answers again"
    assert "Traceback" not in caplog.text
