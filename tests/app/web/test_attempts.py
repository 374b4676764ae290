"""Limits on wrong tokens and passwords, with many attempts at once."""

import threading
from collections import Counter

import pytest

from app.store import users
from app.web import attempts, quotas
from tests.app.people import PASSWORD, bearer
from tests.app.threads import at_once
from tests.app.web.test_access import ELSEWHERE


def log_in(app, user="anna", password="wrong", address="192.0.2.7"):
    form = {"user": user, "password": password}
    environ = {"REMOTE_ADDR": address}
    return app.test_client().post("/login", data=form, environ_overrides=environ)


@pytest.fixture
def anna(app):
    with app.app_context():
        return users.new_token(users.add("anna", PASSWORD))


@pytest.mark.parametrize("way", ["password", "token", "bearer", "link"])
def test_of_many_at_once_no_more_are_checked_than_may_be_wrong(app, anna, token, way):
    def attempt():
        client = app.test_client()
        if way == "password":
            return log_in(app).status_code
        if way == "token":
            form = {"token": "wrong"}
            return client.post("/login", data=form, environ_overrides=ELSEWHERE).status_code
        headers = bearer("wrong") if way == "bearer" else {}
        address = "/api/cases?token=wrong" if way == "link" else "/api/cases"
        answer = client.get(address, headers=headers, environ_overrides=ELSEWHERE)
        return answer.status_code

    assert Counter(at_once(64, attempt)) == {401: 10, 429: 54}


def test_two_passwords_are_compared_at_a_time(app, anna, monkeypatch):
    running, most, lock = [], [], threading.Lock()
    compare = users.check_password_hash

    def counted(*pair):
        with lock:
            running.append(1)
            most.append(len(running))
        try:
            return compare(*pair)
        finally:
            with lock:
                running.pop()

    monkeypatch.setattr(users, "check_password_hash", counted)
    statuses = at_once(8, lambda: log_in(app, password=PASSWORD).status_code)
    assert statuses == [303] * 8
    assert max(most) == 2


def test_whoever_waits_too_long_is_asked_to_come_later(app, anna, monkeypatch):
    monkeypatch.setattr(users, "COMPARISON_WAIT_S", 0.01)
    with users._comparisons, users._comparisons:
        answer = log_in(app, password=PASSWORD)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    # It was not wrong.
    statuses = [log_in(app).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_checks_that_take_too_long_keep_others_waiting_not_forever(app, monkeypatch, token):
    monkeypatch.setattr(attempts, "WAIT_S", 0.01)
    with app.test_request_context(environ_base=ELSEWHERE):
        open_ones = app.extensions["attempts"]
        for _ in range(10):
            open_ones.begin([attempts._of_address()])
    answer = app.test_client().get("/api/cases", headers=bearer(token), environ_overrides=ELSEWHERE)
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "logins_busy"


def test_right_ones_do_not_count(app, anna):
    def get():
        client = app.test_client()
        return client.get("/api/cases", headers=bearer(anna)).status_code

    assert at_once(64, get) == [200] * 64
    assert [log_in(app).status_code for _ in range(9)] == [401] * 9
    # Nor do they wipe out the wrong ones.
    assert log_in(app, password=PASSWORD).status_code == 303
    assert [log_in(app).status_code for _ in range(2)] == [401, 429]


def test_a_fault_is_no_failure(app, anna, monkeypatch):
    def fail(*_):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(users, "check_password_hash", fail)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        assert [log_in(app).status_code for _ in range(12)] == [500] * 12
    assert log_in(app).status_code == 401


def test_a_name_is_not_tried_from_many_addresses(app, anna, assert_error):
    statuses = [log_in(app, address=f"192.0.2.{n}").status_code for n in range(20)]
    assert statuses == [401] * 20
    blocked = log_in(app, "Anna ", PASSWORD, "198.51.100.1")
    assert blocked.status_code == 429
    assert "for this name" in blocked.text
    assert 0 < int(blocked.headers["Retry-After"]) <= 60
    # Other names, and her programs, go on.
    assert log_in(app, "berta", address="198.51.100.1").status_code == 401
    answer = app.test_client().get("/api/cases", headers=bearer(anna))
    assert answer.status_code == 200


def test_names_that_do_not_exist_are_treated_alike(app, anna):
    for name in ("anna", "nobody"):
        statuses = [log_in(app, name, address=f"192.0.2.{n}").status_code for n in range(21)]
        assert statuses[-1] == 429


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
    ],
)
def test_addresses_of_one_client_count_together(app, first, second, same):
    for _ in range(10):
        assert log_in(app, "", address=first).status_code == 401
    assert log_in(app, "", address=second).status_code == (429 if same else 401)


def test_nothing_is_left_of_attempts_that_are_over(app, anna):
    log_in(app)
    log_in(app, password=PASSWORD)
    assert not app.extensions["attempts"]._open
    with app.app_context():
        assert quotas.rates().test(attempts.OF_NAME[0], "name", "anna", cost=19)
