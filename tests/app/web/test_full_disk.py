"""A full disk at any write: the answer says so, the service goes on, nothing half done remains."""

import errno
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from app import audit
from app.analysis import pipeline
from app.jobs import case_queue
from app.jobs.queue_runner import queue_runner
from app.store import removal, retention
from app.store.db_errors import is_disk_full
from app.store.models import StoredCase, db
from tests.app.jobs import crashing
from tests.app.jobs.crashing import stub
from tests.app.web.hazards import four, packed, scan, send, zipped

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """Counts what would take room in a folder, and refuses it from a chosen time on."""

    def __init__(self) -> None:
        self.folder, self.left = "", 0
        self.refused = 0

    def hook(self, event: str, args: tuple) -> None:
        if not self.folder or event not in ("open", "os.mkdir", "os.rename"):
            return
        if event == "open" and not (args[2] or 0) & WRITING:
            return
        # Not being able to write that down stops nobody; test_privacy.py has it.
        if str(args[0]).endswith(audit.FILE):
            return
        if str(args[1 if event == "os.rename" else 0]).startswith(self.folder):
            self.left -= 1
            if self.left < 0:
                self.refused += 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def room_for(self, writes: int, folder) -> Iterator["Disk"]:
        self.folder, self.left, self.refused = str(folder), writes, 0
        try:
            yield self
        finally:
            self.folder = ""


@pytest.fixture(scope="module")
def disk():
    """A disk that can be full; Python has no way to take an audit hook away again."""
    disk = Disk()
    sys.addaudithook(disk.hook)
    return disk


@pytest.fixture
def stubbed(monkeypatch, analysis):
    monkeypatch.setattr(pipeline, "analyse", stub(analysis))


@pytest.mark.parametrize(
    "parts",
    [four(), [four()[0], *four()[2:], *zipped(packed({"p_t1.nii": scan(9)}))]],
    ids=["files", "zip"],
)
def test_upload_without_room_at_any_write(
    app, client, disk, parts, assert_error, assert_nothing_kept
):
    parts = [("files", name, body) for _, name, body in parts]
    data_dir = app.config["SETTINGS"].data_dir
    for writes in itertools.count():
        with disk.room_for(writes, data_dir):
            answer = send(client, parts)
        if not disk.refused:
            break
        assert_error(answer, 507, "disk_full")
        assert client.get("/").status_code == 200
        assert_nothing_kept(app)
    assert writes > 6
    assert answer.status_code == 202


def test_case_without_room_at_any_write(make_app, disk, stubbed, monkeypatch):
    monkeypatch.setattr(case_queue, "MAX_ATTEMPTS", 99)
    app = make_app()
    client, data_dir = app.test_client(), app.config["SETTINGS"].data_dir
    url = send(client, four()).json["url"]
    for writes in itertools.count():
        with disk.room_for(writes, data_dir), app.app_context():
            queue_runner(app)._poll()
        if not disk.refused:
            break
        assert client.get(url).json["state"] == "queued"
        assert client.get(f"{url}/segmentation.nii.gz").status_code == 409
        assert not list((data_dir / "staging").iterdir())
    assert writes > 5
    assert client.get(url).json["state"] == "done"
    assert client.get(f"{url}/segmentation.nii.gz").status_code == 200


def test_changes_without_room_at_any_write(make_app, disk, stubbed, analysis, monkeypatch):
    """Masks, DELETE and purge: either all of it, or nothing."""
    monkeypatch.setattr(retention, "WAIT_S", 0)
    app = make_app(retention_hours=1)
    client, data_dir = app.test_client(), app.config["SETTINGS"].data_dir

    def correct(case_id):
        return crashing.correct(client, f"/api/cases/{case_id}", analysis).status_code

    def delete(case_id):
        return client.delete(f"/api/cases/{case_id}").status_code

    def purge(case_id):
        with app.app_context():
            case = db.session.get(StoredCase, case_id)
            case.created_at = datetime.now(UTC) - timedelta(hours=2)
            db.session.commit()
            return retention.remove_expired()

    for change, good in ((correct, 201), (delete, 204), (purge, 1)):
        for writes in itertools.count():
            case_id = send(client, four()).json["id"]
            with app.app_context():
                queue_runner(app).run_next()
            with disk.room_for(writes, data_dir):
                answer = change(case_id)
            assert answer == good or (change is correct and answer == 507)
            kept = client.get(f"/api/cases/{case_id}").status_code == 200
            assert kept == (change is correct)
            folder = data_dir / "cases" / case_id
            assert folder.exists() == kept
            assert len(list(folder.glob("masks/*"))) == (kept and answer == good)
            assert not list((data_dir / "staging").iterdir())
            if not disk.refused:
                break
        assert writes > 0


def test_after_three_attempts_it_says_what_to_do(app, client, disk, stubbed):
    url = send(client, four()).json["url"]
    other = send(client, four()).json["url"]
    for _ in range(case_queue.MAX_ATTEMPTS * 2):
        with disk.room_for(0, app.config["SETTINGS"].data_dir), app.app_context():
            queue_runner(app).run_next()
    for case in (client.get(url).json, client.get(other).json):
        assert case["state"] == "failed"
        assert case["error"]["code"] == "disk_full"
        assert "upload the scans again" in case["error"]["hint"]


def test_too_little_memory_is_tried_again(app, client, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(pipeline, "analyse", fail)
    url = send(client, four()).json["url"]
    with app.app_context():
        for attempt in range(1, case_queue.MAX_ATTEMPTS + 1):
            assert client.get(url).json["attempts"] == attempt - 1
            queue_runner(app).run_next()
    assert client.get(url).json["error"]["code"] == "out_of_memory"


def test_database_without_room(app, client, stubbed):
    """SQLite itself finds no room: for the row of an upload, and for the report of a case."""
    url = send(client, four()).json["url"]
    full = []
    with app.app_context():
        sa.event.listen(
            db.engine,
            "checkout",
            lambda c, *_: c.execute(f"PRAGMA max_page_count={1 if full else 2**30}").close(),
        )
    full.append(True)
    answers = [send(client, four()) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {202, 507}
    with app.app_context():
        queue_runner(app)._poll()
    full.clear()
    with app.app_context():
        while queue_runner(app)._poll():
            pass
    listed = client.get("/api/cases?per_page=100").json
    assert listed["total"] == 1 + sum(answer.status_code == 202 for answer in answers)
    assert {case["state"] for case in listed["cases"]} == {"done"}
    assert client.get(url).json["state"] == "done"
    folders = list((app.config["SETTINGS"].data_dir / "cases").iterdir())
    assert len(folders) == listed["total"]


def mounted(folder, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MB, really full when it is."""
    folder = tmp_path / "data"
    folder.mkdir()
    if not mounted(folder, "16m"):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path, keep_bytes: int) -> None:
    """Fill a disk up to some bytes."""
    stats = os.statvfs(path.parent)
    size = stats.f_bavail * stats.f_frsize - keep_bytes
    if size > 0:
        path.write_bytes(bytes(size))


def test_really_full_disk(small_disk, make_app, stubbed):
    app = make_app(disk_reserve_mb=0)
    client, filler = app.test_client(), small_disk / "filler"
    statuses, urls = [], []
    for keep_kb in (0, 8, 60, 2000):
        fill(filler, keep_kb * 1024)
        answer = send(client, four())
        statuses.append(answer.status_code)
        urls += [answer.json["url"]] if answer.status_code == 202 else []
        assert client.get("/").status_code == 200
        filler.unlink()
    assert set(statuses) == {202, 507}
    states = []
    for keep_kb in (16, 700, 9000, 9000, 9000, 9000):
        fill(filler, keep_kb * 1024)
        with app.app_context():
            queue_runner(app)._poll()
        states.append(client.get(urls[0]).json["state"])
        served = client.get(f"{urls[0]}/segmentation.nii.gz").status_code
        assert served == (200 if states[-1] == "done" else 409)
        filler.unlink(missing_ok=True)
    # Where not even that could be written down, the next turn queues it again.
    assert states[0] in ("queued", "running")
    assert {client.get(url).json["state"] for url in urls} == {"done"}
    assert not list((small_disk / "staging").iterdir())


def test_cases_can_be_deleted_on_a_disk_full_to_the_last_byte(
    small_disk, make_app, stubbed, monkeypatch
):
    def no_room(case_id):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    app = make_app(disk_reserve_mb=0)
    client, filler = app.test_client(), small_disk / "filler"
    urls = [send(client, four()).json["url"] for _ in range(4)]
    with app.app_context():
        while queue_runner(app)._poll():
            pass
    for url in urls[:2]:
        # What a deletion frees is filled up again, and the log of the database cut to nothing.
        fill(filler, 0)
        assert client.delete(url).status_code == 204
        assert client.get(url).status_code == 404
        filler.unlink()
    # Somebody else takes what the files free before the database can.
    with monkeypatch.context() as patch:
        patch.setattr(removal, "_remove_rows", no_room)
        for url in urls[2:]:
            assert client.delete(url).status_code == 204
            assert client.get(url).status_code == 404
            assert client.delete(url).status_code == 404
    assert client.get("/api/cases").json["total"] == 0
    assert client.get("/").status_code == 200
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(StoredCase)) == 2
        queue_runner(app)._poll()
        assert db.session.scalar(sa.select(sa.func.count()).select_from(StoredCase)) == 0
    assert not list((small_disk / "cases").iterdir())
    assert not list((small_disk / "staging").iterdir())
    lines = [json.loads(line) for line in (small_disk / audit.FILE).read_text().splitlines()]
    assert [line["what"] for line in lines].count("delete") == 6


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError("4096 requested and 12 written"), True),
        (OSError(errno.EACCES, "x"), False),
        (OSError("something else"), False),
        (ValueError("x"), False),
    ],
)
def test_what_counts_as_a_full_disk(error, full):
    assert is_disk_full(error) is full


def test_numpy_says_it_as_expected():
    with open("/dev/full", "wb") as file, pytest.raises(OSError) as caught:
        np.zeros(10**6, np.uint8).tofile(file)
        file.flush()
    assert is_disk_full(caught.value)
