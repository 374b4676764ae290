"""Limits, each tested by lowering it."""

import io
import socket
import time

import pytest

from app import limits
from tests.app.hazards import ONE, four, send, zipped
from tests.app.serving import serving

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
    monkeypatch.setattr(limits, "free_bytes", lambda: 10 * 2**20 + 5000)
    assert_error(send(client, [("t1", "a.nii", bytes(6000))]), 507, "disk_full")
    # Small as a zip, too large once unpacked.
    assert len(zipped(ONE)[0][2]) < 4000
    bomb = zipped(_zip_of_zeros())
    assert_error(send(client, bomb), 507, "disk_full")
    assert_nothing_kept(app)
    monkeypatch.setattr(limits, "free_bytes", lambda: 2**40)
    assert send(client, four()).status_code == 202


def test_demo_case_keeps_to_the_reserve(make_app, monkeypatch):
    client = make_app(disk_reserve_mb=10).test_client()
    monkeypatch.setattr(limits, "free_bytes", lambda: 0)
    assert client.post("/cases/demo").status_code == 507


def _zip_of_zeros() -> bytes:
    from tests.app.hazards import packed

    return packed({"p_t1.nii": bytes(2**20)})


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
