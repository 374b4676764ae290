"""A service of several processes, with a real broker and a real PostgreSQL."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from app import config
from app.jobs import celery_app
from tests import services
from tests.app.serving import ROOT
from tests.phantoms import small_case, write_case
from tests.scale.fleet import running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("scans"), small_case()[0])


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def fleet(request, tmp_path_factory):
    services.require("postgresql", request.param)
    # Redis hands a killed worker's case to another a minute after this.
    with running(tmp_path_factory.mktemp("fleet"), request.param, case_limit_s=40) as fleet:
        yield fleet


def finished(fleet, ids):
    return lambda: all(fleet.states()[case_id] in ("done", "failed") for case_id in ids)


def test_cases_are_done_by_the_workers_alone(fleet, scans):
    ids = [fleet.upload(scans) for _ in range(4)]
    fleet.until(finished(fleet, ids))
    for case_id in ids:
        found = fleet.server.json(f"/api/cases/{case_id}")
        assert (found["state"], found["attempts"]) == ("done", 1)
        assert found["measurements"]["volumes_ml"]["whole_tumor"] > 0
        assert fleet.server.request("GET", f"/cases/{case_id}")[0] == 200
    assert "model loaded" not in fleet.server.log
    assert fleet.server.request("GET", "/about")[0] == 200
    assert 'bts_cases{state="done"}' in fleet.server.request("GET", "/metrics")[2].decode()


def test_errors_reach_the_page(fleet, scans):
    fleet.pause()
    case_id = fleet.upload(scans)
    (fleet.data_dir / "cases" / case_id / "scans" / "t1").write_bytes(b"overwritten")
    fleet.go_on()
    fleet.until(finished(fleet, [case_id]))
    assert fleet.server.json(f"/api/cases/{case_id}")["error"]["code"] == "not_nifti"


def test_a_busy_worker_keeps_no_further_case_waiting(fleet, scans):
    ids = [fleet.upload(scans) for _ in range(5)]
    fleet.until(lambda: list(fleet.states().values()).count("running") == 2)
    fleet.pause()
    try:
        unsent = "SELECT id FROM cases WHERE state = 'queued' AND sent_at IS NULL"
        fleet.until(lambda: not fleet.rows(unsent))
        waiting = list(fleet.states().values()).count("queued")
        assert (
            celery_app.waiting(celery_app.make(config.load_settings(fleet.settings))) == waiting > 0
        )
    finally:
        fleet.go_on()
    fleet.until(finished(fleet, ids))


def test_a_killed_worker_loses_nothing(fleet, scans):
    ids = [fleet.upload(scans) for _ in range(3)]
    fleet.kill_busy_worker()
    port = services.free_port()
    fleet.add_worker(metrics_port=port)
    fleet.until(finished(fleet, ids))
    found = [fleet.server.json(f"/api/cases/{case_id}") for case_id in ids]
    assert {case["state"] for case in found} == {"done"}
    assert sorted(case["attempts"] for case in found) == [1, 1, 2]
    # The others may have done it all before the new one was there.
    fleet.until(lambda: answers(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        assert "bts_case_wait_seconds_count" in answer.read().decode()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_worker_that_is_asked_to_end_hands_its_case_back(fleet, scans):
    ids = [fleet.upload(scans) for _ in range(3)]
    worker = fleet.busy_worker()
    worker.process.terminate()
    assert worker.process.wait(30) == 0
    fleet.workers.remove(worker)
    assert "handed back" in worker.log
    fleet.add_worker()
    fleet.until(finished(fleet, ids))
    found = [fleet.server.json(f"/api/cases/{case_id}") for case_id in ids]
    assert {(case["state"], case["attempts"]) for case in found} == {("done", 1)}


def test_a_restart_of_the_web_process_loses_nothing(fleet, scans):
    before = fleet.upload(scans)
    fleet.restart_web(signal.SIGKILL)
    after = fleet.upload(scans)
    fleet.until(finished(fleet, [before, after]))
    assert {fleet.states()[case_id] for case_id in (before, after)} == {"done"}


def test_a_case_whose_end_cannot_be_written_down_is_done_again_soon(fleet, scans):
    case_id = fleet.upload(scans)
    worker = fleet.busy_worker()
    fleet.pause()
    with services.away(fleet.database_url):
        fleet.go_on()
        fleet.until(lambda: "goes back to the broker" in worker.log)
    start = time.monotonic()
    fleet.until(finished(fleet, [case_id]))
    # Not only once its message would have been given up.
    assert time.monotonic() - start < 60
    found = fleet.server.json(f"/api/cases/{case_id}")
    assert (found["state"], found["attempts"]) == ("done", 2)
    # Celery's own, of the message that was given back.
    assert worker.log.count("Traceback") == 1
    assert "Traceback" not in fleet.server.log


def segment(fleet, study, out) -> subprocess.Popen:
    """Start `flask segment` on a folder of cases."""
    command = [sys.executable, "-m", "flask", "segment", "--batch", study, "--out", out]
    environment = os.environ | fleet.environment
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_batch_goes_to_the_workers_and_may_be_cut_off(fleet, scans, tmp_path):
    study, out, before = tmp_path / "study", tmp_path / "out", fleet.states()
    for number in range(4):
        shutil.copytree(scans["t1"].parent, study / f"case-{number}")
    (study / "broken").mkdir()
    first = segment(fleet, study, out)
    fleet.until(lambda: len(fleet.states()) > len(before))
    first.kill()
    first.communicate()
    under_way = set(fleet.states()) - set(before)
    fleet.until(finished(fleet, under_way))
    second = segment(fleet, study, out)
    fleet.until(lambda: list(out.glob("*.json")))
    with services.away(fleet.database_url):
        time.sleep(3)
    _, text = second.communicate(timeout=120)
    assert "4 of 5 segmented" in text
    assert "broken: missing_modality" in text
    assert len(list(out.glob("case-*_seg.nii.gz"))) == len(list(out.glob("case-*.json"))) == 4
    # Nothing of the batch stays in the service, and the workers did each case once.
    assert fleet.states() == before
    lines = [json.loads(line) for line in (fleet.data_dir / "audit.log").read_text().splitlines()]
    runs = [x["case"] for x in lines if x["what"] == "segment" and x["case"] not in before]
    assert len(runs) == len(set(runs)) == 4
    assert under_way <= set(runs)
    again = segment(fleet, study, out)
    assert "4 of them before" in again.communicate(timeout=60)[1]
    assert again.returncode == 1


def test_readiness_tells_of_workers(fleet):
    while fleet.workers:
        worker = fleet.workers.pop()
        worker.process.terminate()
        worker.process.wait(30)
    # Those that were killed by earlier tests are missed after a while, not at once.
    fleet.until(lambda: not fleet.server.json("/readyz")["ready"])
    assert fleet.server.json("/readyz") == {"ready": False, "reasons": ["No worker is running."]}
