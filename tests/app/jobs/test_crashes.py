"""Processes really killed: nothing accepted is lost, and nothing half written is served."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time

import pytest

from app import create_app
from app.analysis import pipeline
from app.jobs import case_queue
from app.jobs.queue_runner import queue_runner
from model.io.nifti import read_volume
from tests.app.conftest import TidyClient, close
from tests.app.jobs.crashing import PLACES, stub, stub_model
from tests.app.serving import ROOT, Server, serving
from tests.app.web.hazards import four

pytestmark = pytest.mark.slow

SEEN_BY_NOBODY = ("upload: staged", "upload: half moved", "upload: moved")


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def killed(tmp_path_factory, analysis, model_holder):
    """Data folders of processes killed at each place, numbered."""
    base = tmp_path_factory.mktemp("crashes")
    saved = base / "analysis"
    saved.write_bytes(pickle.dumps((analysis, model_holder.get().card)))
    command = [sys.executable, "-m", "tests.app.jobs.crashing", str(saved), str(base)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return base


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere(killed, place, analysis, model_holder, monkeypatch):
    monkeypatch.setattr(pipeline, "analyse", stub(analysis))
    data_dir = killed / str(list(PLACES).index(place))
    app = create_app({"data_dir": data_dir, "TESTING": True}, serve=False)
    app.test_client_class = TidyClient
    app.extensions["model"] = stub_model(model_holder.get().card)
    client, worker = app.test_client(), queue_runner(app)
    before = client.get("/api/cases").json["cases"]
    assert len(before) == (0 if place in SEEN_BY_NOBODY else 1)
    for case in before:
        mask = client.get(f"{case['url']}/segmentation.nii.gz")
        assert mask.status_code == (200 if case["state"] == "done" else 409)
    worker.start()
    try:
        wait_until(lambda: worker.ready)
        wait_until(
            lambda: all(c["state"] == "done" for c in client.get("/api/cases").json["cases"])
        )
    finally:
        worker.stop()
    after = client.get("/api/cases").json["cases"]
    assert [case["id"] for case in after] == [case["id"] for case in before]
    assert {path.name for path in (data_dir / "cases").iterdir()} == {c["id"] for c in after}
    assert not list((data_dir / "staging").iterdir())
    assert not list((data_dir / "cases").glob("*/masks/*"))
    for case in after:
        scan = data_dir / "mask.nii.gz"
        scan.write_bytes(client.get(f"{case['url']}/segmentation.nii.gz").data)
        assert read_volume(scan).data.shape == analysis.segmentation.labels.shape
        assert client.get(case["url"]).json["attempts"] <= 2
    close(app)


@pytest.mark.parametrize("how", ["die", "hang"])
def test_a_poison_case_is_given_up_and_blocks_no_other(
    app, client, upload, analysis, model_holder, tmp_path, assert_error, how
):
    saved = tmp_path / "analysis"
    saved.write_bytes(pickle.dumps((analysis, model_holder.get().card)))
    poison, *others = [upload().json["id"] for _ in range(3)]
    command = [sys.executable, "-m", "tests.app.jobs.crashing", str(saved), str(tmp_path / "data")]
    run = subprocess.run(
        [*command, poison, how],
        cwd=ROOT,
        env=os.environ | {"BTS_CASE_LIMIT_S": "5"},
        timeout=120,
        check=True,
        capture_output=True,
    )
    code = {"die": b"-9", "hang": b"1"}[how]
    assert run.stdout.split() == [code] * case_queue.MAX_ATTEMPTS + [b"0"]
    # Where it hung, and with which case.
    assert (b"crashing.py" in run.stderr) == (how == "hang")
    assert f"case {poison}: was interrupted at attempt 1".encode() in run.stderr
    states = {case["id"]: case for case in client.get("/api/cases").json["cases"]}
    assert [states[case_id]["state"] for case_id in others] == ["done", "done"]
    assert states[poison]["error"]["code"] == "gave_up"
    assert states[poison]["error"]["hint"]
    assert_error(client.get(f"/api/cases/{poison}/segmentation.nii.gz"), 409, "case_failed")


def form(parts) -> tuple[bytes, str]:
    """Return (body, content type) of parts `(name, file name, content)`."""
    lines = []
    for name, file, content in parts:
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
        lines.append(head.encode() + content + b"\r\n")
    return b"".join(lines) + b"--x--\r\n", "multipart/form-data; boundary=x"


@pytest.fixture
def whole_case(scans):
    """An upload of the small case as (body, content type)."""
    return form([(key, path.name, path.read_bytes()) for key, path in scans.items()])


def test_sigterm_drains_and_hands_back(tmp_path, whole_case):
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        body, kind = form(four())
        head = (
            f"POST /api/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        # More than the fastest machine is done with before it is told to stop.
        urls = [server.upload(whole_case)[1]["url"] for _ in range(12)]
        wait_until(lambda: server.json(urls[0])["state"] != "queued")
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
            slow.sendall(head.encode() + body[:100])
            time.sleep(0.5)
            start = time.monotonic()
            os.kill(server.process.pid, signal.SIGTERM)
            time.sleep(0.5)
            # The upload that was under way is still taken.
            slow.sendall(body[100:])
            assert slow.recv(100).split()[1] == b"202"
        assert server.process.wait(40) == 0
        assert time.monotonic() - start < 30
    app = create_app({"data_dir": data_dir}, serve=False)
    cases = app.test_client().get("/api/cases").json["cases"]
    details = [app.test_client().get(case["url"]).json for case in cases]
    assert len(cases) == len(urls) + 1
    unfinished = [case for case in details if case["state"] != "done"]
    assert len(unfinished) >= 3
    assert {(case["state"], case["attempts"]) for case in unfinished} == {("queued", 0)}
    close(app)


def test_a_second_server_is_refused_at_once(tmp_path):
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        second = Server(data_dir)
        try:
            assert second.process.wait(60) == 3
            assert "Another process (" in second.log
            assert "Traceback" not in second.log
        finally:
            second.close()
        command = [sys.executable, "-m", "flask", "run", "--port", "0"]
        environment = os.environ | {"BTS_DATA_DIR": str(data_dir)}
        third = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=False
        )
        assert third.returncode == 1
        assert b"Another process (" in third.stderr
        assert server.json("/readyz")["ready"] in (True, False)
        # A worker that is replaced by its own master waits for its turn instead.
        os.kill(server.process.pid, signal.SIGHUP)
        wait_until(lambda: server.log.count("Booting worker") == 2)
        time.sleep(1)
        wait_until(lambda: server.request("GET", "/readyz")[0] == 200)
