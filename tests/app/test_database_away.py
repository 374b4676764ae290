"""A database server that is away: what is asked for meanwhile, and what goes on with cases."""

import pytest

from app import tokens
from app.tables import db
from tests import services
from tests.app.people import bearer
from tests.app.test_access import ELSEWHERE


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
