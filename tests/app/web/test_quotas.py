"""Limits, each tested by lowering it."""

import io
import socket
import threading
import time

import pytest
import sqlalchemy as sa

from app.store.models import db
from app.web import access, quotas, uploads
from model.io.modalities import MODALITIES
from tests.app.serving import serving
from tests.app.threads import at_once
from tests.app.web.hazards import four, packed, send, zipped
from tests.model.io.malformed import GOOD

LINES = b"POST /api/cases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="t1"; filename="a.nii"\r\n\r\n'


def test_parts(make_app, assert_error, assert_nothing_kept):
    app = make_app(max_parts=4)
    client = app.test_client()
    assert_error(send(client, [*four(), ("files", "x.nii", b"x")]), 413, "form_too_large")
    assert_nothing_kept(app)
    assert send(client, four()).status_code == 202


def test_text_fields(make_app, assert_error, assert_nothing_kept):
    app = make_app(max_field_kb=256)
    answer = app.test_client().post("/api/cases", data={"name": "n" * 2**18 + "n"})
    assert_error(answer, 413, "form_too_large")
    assert_nothing_kept(app)


def test_queue(make_app, assert_error):
    client = make_app(max_queued=2).test_client()
    assert [send(client, four()).status_code for _ in range(2)] == [202, 202]
    answer = send(client, four())
    assert_error(answer, 503, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0
    page = client.post("/cases/demo")
    assert page.status_code == 503
    assert "waiting already" in page.text


def test_uploads_at_once_do_not_pass_the_queue_together(make_app, monkeypatch):
    """Each finds the queue empty while its body is still to come."""
    app = make_app(max_queued=1)
    arrived, wanted_mode = threading.Barrier(4), uploads.wanted_mode

    def wait_for_the_others():
        arrived.wait(30)
        return wanted_mode()

    # The last step before one after the other is checked.
    monkeypatch.setattr(uploads, "wanted_mode", wait_for_the_others)
    answers = at_once(4, lambda: send(app.test_client(), four()).status_code)
    assert sorted(answers) == [202, 503, 503, 503]


def test_cases_per_hour_and_client(make_app, assert_error):
    client = make_app(cases_per_hour=2).test_client()
    # Refused ones count: they cost the server as much.
    assert [send(client, four()[:n]).status_code for n in (4, 1)] == [202, 422]
    answer = send(client, four())
    assert_error(answer, 429, "too_many_cases")
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    client.environ_base["REMOTE_ADDR"] = "127.0.0.2"
    assert send(client, four()).status_code == 202


def test_reserve_of_the_disk(make_app, monkeypatch, assert_error, assert_nothing_kept):
    app = make_app(disk_reserve_mb=10)
    client = app.test_client()
    monkeypatch.setattr(quotas, "free_bytes", lambda: 10 * 2**20 + 15_000)
    assert_error(send(client, [("t1", "a.nii", bytes(15_001))]), 507, "disk_full")
    # Small as a zip, too large once unpacked.
    bomb = zipped(packed({f"p_{key}.nii": GOOD + bytes(2**20) for key in MODALITIES}))
    assert len(bomb[0][2]) < 12_000
    assert_error(send(client, bomb), 507, "disk_full")
    assert_nothing_kept(app)
    monkeypatch.setattr(quotas, "free_bytes", lambda: 2**40)
    assert send(client, four()).status_code == 202


def test_a_body_of_unknown_length_counts_as_the_largest(make_app, monkeypatch, assert_error):
    client = make_app(disk_reserve_mb=10, max_upload_mb=2).test_client()
    chunked = {
        "headers": {"Transfer-Encoding": "chunked"},
        "environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
        "content_type": "multipart/form-data; boundary=x",
    }
    monkeypatch.setattr(quotas, "free_bytes", lambda: 12 * 2**20 - 1)
    answer = client.post("/api/cases", input_stream=io.BytesIO(b"--x--"), **chunked)
    assert_error(answer, 507, "disk_full")
    monkeypatch.setattr(quotas, "free_bytes", lambda: 12 * 2**20)
    answer = client.post("/api/cases", input_stream=io.BytesIO(b"--x--"), **chunked)
    assert_error(answer, 400, "no_files")


def test_uploads_at_once_share_the_room(make_app, monkeypatch):
    app = make_app(disk_reserve_mb=10)
    monkeypatch.setattr(quotas, "free_bytes", lambda: 10 * 2**20 + 10_000)
    arrived, received = threading.Barrier(3), uploads._received_parts

    def wait_for_the_others():
        # Those that were refused are waited for as well.
        arrived.wait(30)
        return received()

    monkeypatch.setattr(uploads, "_received_parts", wait_for_the_others)

    def post():
        status = send(app.test_client(), [("t1", "a.nii", bytes(6000))]).status_code
        if status == 507:
            arrived.wait(30)
        return status

    assert sorted(at_once(3, post)) == [422, 507, 507]
    # What is over is counted no more.
    arrived = threading.Barrier(1)
    assert post() == 422


def test_no_connection_to_the_database_waits_for_a_client(make_app, monkeypatch, assert_error):
    app = make_app()
    taken, received = [], uploads._received_parts

    def count():
        taken.append(db.engine.pool.checkedout())
        return received()

    monkeypatch.setattr(uploads, "_received_parts", count)
    assert_error(send(app.test_client(), [("t1", "a.nii", bytes(6000))]), 422, "missing_modality")
    assert taken == [0]


def test_a_database_without_a_free_connection_is_busy(make_app, monkeypatch, assert_error):
    def none_free(*_):
        raise sa.exc.TimeoutError("QueuePool limit reached")

    app = make_app()
    monkeypatch.setattr(quotas, "check_queue_length", none_free)
    assert_error(send(app.test_client(), four()), 503, "database_busy")


def test_signing_in_takes_no_files_and_little_text(make_app, monkeypatch, assert_error):
    app = make_app()
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    monkeypatch.setattr(quotas, "free_bytes", lambda: 0)
    monkeypatch.setattr(uploads, "new_staging_folder", lambda: pytest.fail("something was staged"))
    client = app.test_client()
    file = {"token": "x", "more": (io.BytesIO(b"x" * 100), "a.nii")}
    assert client.post("/login", data=file, **elsewhere).status_code == 415
    long = {"token": "x" * access.MAX_FORM_BYTES}
    assert client.post("/login", data=long, **elsewhere).status_code == 413
    assert client.post("/login", data={"token": "x"}, **elsewhere).status_code == 401


def test_demo_case_keeps_to_the_reserve(make_app, monkeypatch):
    client = make_app(disk_reserve_mb=10).test_client()
    monkeypatch.setattr(quotas, "free_bytes", lambda: 0)
    assert client.post("/cases/demo").status_code == 507


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    """A server that waits a second for its clients, and wants 10 KB/s of them."""
    data_dir = tmp_path_factory.mktemp("hurried") / "data"
    with serving(data_dir, client_timeout_s=1, min_client_kb_s=10) as server:
        yield server


def seconds_until_closed(server, first: bytes, then: bytes, pause_s: float) -> tuple[float, bytes]:
    """Send `first`, then a byte of `then` every `pause_s`; return when and how it ended."""
    start, answer = time.monotonic(), io.BytesIO()
    with socket.create_connection(("127.0.0.1", server.port), timeout=pause_s) as connection:
        connection.sendall(first)
        while time.monotonic() - start < 20:
            try:
                received = connection.recv(4096)
                answer.write(received)
                if not received:
                    break
            except TimeoutError:
                connection.sendall(then[:1])
                then = then[1:]
            except ConnectionError:
                break
    return time.monotonic() - start, answer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then", "pause_s"),
    [
        (LINES[:20], b"", 5),
        (LINES[:20], b"H" * 999, 0.3),
        (LINES + FORM + PART, b"", 5),
        (LINES + FORM + PART, b"x" * 999, 0.3),
    ],
    ids=["silent headers", "dripping headers", "silent body", "dripping body"],
)
def test_slow_clients_time_out(hurried, first, then, pause_s):
    seconds, answer = seconds_until_closed(hurried, first, then, pause_s)
    assert seconds < 8
    if first.endswith(PART):
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert b"client_too_slow" in answer
    assert not list((hurried.data_dir / "staging").iterdir())


@pytest.mark.slow
def test_more_slow_clients_than_threads_keep_nobody_out(hurried):
    slow = [socket.create_connection(("127.0.0.1", hurried.port)) for _ in range(12)]
    try:
        for connection in slow:
            connection.sendall(LINES + FORM + PART)
        start = time.monotonic()
        assert hurried.request("GET", "/healthz")[0] == 200
        assert time.monotonic() - start < 5
    finally:
        for connection in slow:
            connection.close()


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A server as it comes."""
    with serving(tmp_path_factory.mktemp("patient") / "data", access="token") as server:
        yield server


LOGIN = b"POST /login HTTP/1.1\r\nHost: localhost\r\n"
TYPE = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = LOGIN + TYPE + b"Transfer-Encoding: chunked\r\n\r\n"


def drip(connections: list[socket.socket], content: bytes, done: threading.Event) -> None:
    """Send on all connections, 20 times a second, until they are closed or it is `done`."""
    while not done.wait(0.05):
        for connection in list(connections):
            try:
                connection.sendall(content)
            except OSError:
                connections.remove(connection)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (LOGIN + TYPE + b"Content-Length: 500000000\r\n\r\n", b"x" * 100),
        (CHUNKED, b"64\r\n" + b"x" * 100 + b"\r\n"),
        (LINES + FORM + PART, b"x" * 100),
    ],
    ids=["long", "chunked", "upload"],
)
def test_strangers_that_drip_keep_nobody_out(patient, first, then):
    """2 KB a second each, which is not too slow."""
    slow = [socket.create_connection(("127.0.0.1", patient.port)) for _ in range(24)]
    done = threading.Event()
    dripping = threading.Thread(target=drip, args=(list(slow), then, done))
    try:
        for connection in slow:
            connection.sendall(first)
        dripping.start()
        # After 5 s gunicorn gives up on what follows an answer.
        for _ in range(4):
            start = time.monotonic()
            assert patient.request("GET", "/healthz")[0] == 200
            assert time.monotonic() - start < 5
            time.sleep(2)
    finally:
        done.set()
        dripping.join()
        for connection in slow:
            connection.close()
