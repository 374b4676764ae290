import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.analysis import pipeline
from app.errors import StartupError
from app.jobs import attempt, case_queue
from app.jobs.attempt import Stopped
from app.jobs.queue_runner import queue_runner
from app.store import removal, retention
from app.store.models import StoredCase, db


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def change(app):
    """Return a function that changes the row of a case."""

    def write(case_id, **values):
        with app.app_context():
            case = db.session.get(StoredCase, case_id)
            for name, value in values.items():
                setattr(case, name, value)
            db.session.commit()

    return write


def recover(app):
    with app.app_context():
        case_queue.recover()


def test_thread_runs_cases_one_after_another(app, upload, client):
    worker = queue_runner(app)
    worker.start()
    try:
        urls = [upload().json["url"] for _ in range(2)]
        wait_until(lambda: all(client.get(url).json["state"] == "done" for url in urls))
        first, second = (client.get(url).json for url in urls)
        assert first["finished_at"] <= second["started_at"]
        assert client.get("/readyz").json == {"ready": True, "reasons": []}
    finally:
        worker.stop()
    assert not worker.alive


def test_interrupted_case_is_queued_again(app, client, upload, change, run_queue):
    case_id = upload().json["id"]
    change(case_id, state="running", stage="inference", progress=0.5, attempts=1)
    recover(app)
    assert client.get(f"/api/cases/{case_id}").json["state"] == "queued"
    run_queue()
    answer = client.get(f"/api/cases/{case_id}").json
    assert (answer["state"], answer["attempts"]) == ("done", 2)


def test_interrupted_case_of_three_files_is_run_again(app, client, upload, change, run_queue):
    case_id = upload(t1ce=None).json["id"]
    change(case_id, state="running", stage="inference", progress=0.5, attempts=1)
    recover(app)
    run_queue()
    answer = client.get(f"/api/cases/{case_id}").json
    assert (answer["state"], answer["attempts"]) == ("done", 2)
    assert set(answer["modalities"]) == {"flair", "t1", "t2"}


def test_third_interruption_is_the_last(app, client, upload, change, assert_error):
    case_id = upload().json["id"]
    change(case_id, state="running", attempts=3)
    recover(app)
    answer = client.get(f"/api/cases/{case_id}").json
    assert answer["state"] == "failed"
    assert answer["error"]["code"] == "gave_up"
    assert answer["error"]["hint"]
    assert_error(client.get(f"/api/cases/{case_id}/report.json"), 409, "case_failed")


def test_a_case_that_failed_before_waits_behind_others(app, upload, change):
    poison, healthy = upload().json["id"], upload().json["id"]
    change(poison, attempts=1)
    with app.app_context():
        assert case_queue.take_oldest().id == healthy
        assert case_queue.take_oldest().id == poison
        assert case_queue.take_oldest() is None


def test_unreadable_case_fails_and_the_next_runs(app, client, upload, run_queue):
    broken, healthy = upload().json["id"], upload().json["id"]
    scans = app.config["SETTINGS"].data_dir / "cases" / broken / "scans"
    (scans / "t1").write_bytes(b"overwritten")
    run_queue()
    answer = client.get(f"/api/cases/{broken}").json
    assert answer["state"] == "failed"
    assert answer["error"]["code"] == "not_nifti"
    assert answer["error"]["file"] == "patient_t1.nii.gz"
    assert client.get(f"/api/cases/{healthy}").json["state"] == "done"


def test_a_bug_fails_the_case_without_its_details(client, upload, run_queue, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(pipeline, "analyse", fail)
    case_id = upload().json["id"]
    run_queue()
    answer = client.get(f"/api/cases/{case_id}").json
    assert answer["error"]["code"] == "internal_error"
    assert "secret" not in str(answer)
    assert f"case {case_id}: unforeseen error" in caplog.text


@pytest.mark.parametrize("moment", ["inference", "save"])
def test_deleted_while_it_runs(
    app, client, upload, run_queue, monkeypatch, moment, assert_nothing_kept
):
    url = upload().json["url"]
    analyse = pipeline.analyse

    def delete_during(segmenter, loaded, options, *, progress):
        def deleting(stage, fraction):
            if stage == moment and client.get(url).status_code == 200:
                client.delete(url)
            # Past the pause between two looks at the row.
            time.sleep(attempt.PROGRESS_S if stage == moment else 0)
            progress(stage, fraction)

        found = analyse(segmenter, loaded, options, progress=deleting)
        if moment == "save":
            client.delete(url)
        return found

    monkeypatch.setattr(pipeline, "analyse", delete_during)
    run_queue()
    assert_nothing_kept(app)
    assert 'bts_cases_ended_total{outcome="deleted"} 1.0' in client.get("/metrics").text


def test_results_moved_but_not_written_down(app, client, done, change, run_queue):
    """A crash between the two leaves a folder that the next attempt replaces."""
    change(done, state="running", record=None)
    recover(app)
    run_queue()
    assert client.get(f"/api/cases/{done}/report.json").status_code == 200


def test_stopping_hands_the_case_back(app, client, upload, monkeypatch):
    case_id = upload().json["id"]

    def stop(*args, **kwargs):
        raise Stopped

    monkeypatch.setattr(pipeline, "analyse", stop)
    with app.app_context():
        queue_runner(app).run_next()
    answer = client.get(f"/api/cases/{case_id}").json
    assert (answer["state"], answer["attempts"]) == ("queued", 0)


def test_old_cases_are_deleted_at_the_second_look(
    make_app, parts, assert_nothing_kept, monkeypatch
):
    app = make_app(retention_hours=1)
    client = app.test_client()
    case_id = client.post("/api/cases", data=parts).json["id"]
    steady_s = 0.0
    monkeypatch.setattr(retention, "steady_s", lambda: steady_s)
    with app.app_context():
        assert retention.remove_expired() == 0
        db.session.get(StoredCase, case_id).created_at = datetime.now(UTC) - timedelta(hours=2)
        db.session.commit()
        assert retention.remove_expired() == 0
        steady_s, start = retention.WAIT_S, time.time()
        monkeypatch.setattr(time, "time", lambda: start + steady_s)
        assert retention.remove_expired() == 1
    assert_nothing_kept(app)


def test_leftovers_of_a_crash_are_removed(app, upload):
    kept = upload().json["id"]
    data_dir = app.config["SETTINGS"].data_dir
    (data_dir / "cases" / "0123").mkdir()
    (data_dir / "staging" / "4567").mkdir()
    with app.app_context():
        removal.remove_leftovers(datetime.now(UTC) - timedelta(minutes=1))
        assert (data_dir / "staging" / "4567").exists()
        removal.remove_leftovers(datetime.now(UTC) + timedelta(minutes=1))
    assert [path.name for path in (data_dir / "cases").iterdir()] == [kept]
    assert not list((data_dir / "staging").iterdir())


def test_a_second_worker_is_refused(make_app):
    first, second = (queue_runner(make_app()) for _ in range(2))
    first.start()
    wait_until(lambda: first.ready)
    with pytest.raises(StartupError, match="Another process"):
        second.start()
    first.stop()
    second.start()
    wait_until(lambda: second.ready)
    second.stop()


KILLED = """
import os, signal, sys, time
from app import create_app
app = create_app({"data_dir": sys.argv[1]}, serve=True)
client = app.test_client()
while True:
    stage = client.get("/api/cases/" + sys.argv[2]).json["stage"]
    if stage == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["load", "inference"])
def test_killed_and_started_again(app, upload, client, run_queue, stage):
    case_id = upload().json["id"]
    data_dir = app.config["SETTINGS"].data_dir
    command = [sys.executable, "-c", KILLED, str(data_dir), case_id, stage]
    environment = {**os.environ, "PYTHONPATH": "."}
    killed = subprocess.run(command, check=False, env=environment, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert client.get(f"/api/cases/{case_id}").json["state"] == "running"
    worker = queue_runner(app)
    worker.start()
    try:
        wait_until(lambda: client.get(f"/api/cases/{case_id}").json["state"] == "done")
    finally:
        worker.stop()
    assert client.get(f"/api/cases/{case_id}").json["attempts"] == 2


def test_readyz_tells_of_a_case_without_progress(make_app):
    app = make_app(case_limit_s=5)
    watchdog, client = queue_runner(app)._watchdog, app.test_client()
    complaint = "The case in hand makes no progress."
    with watchdog:
        assert complaint not in client.get("/readyz").json["reasons"]
        watchdog._reset_at -= 3
        assert complaint in client.get("/readyz").json["reasons"]
        watchdog.reset()
        assert complaint not in client.get("/readyz").json["reasons"]
    # Late, from a thread of the engine: nothing is being watched any more.
    watchdog.reset()
    assert watchdog._reset_at is None
