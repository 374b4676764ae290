"""The file of the audit log: whole lines or none, on a full disk, too."""

import errno
import json
import os

import pytest

from app import audit
from app.audit import MOST_ADDRESSES, OTHERS, REFUSALS_S, AuditLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / audit.FILE


@pytest.fixture
def disk(monkeypatch):
    """A disk with room for so many more bytes; `left` is None for any number."""
    real = os.write

    class Disk:
        left: int | None = None

    def write(handle: int, data: bytes) -> int:
        if Disk.left is None:
            return real(handle, data)
        if Disk.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(handle, data[: Disk.left])
        Disk.left -= written
        return written

    monkeypatch.setattr(os, "write", write)
    return Disk


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("room", range(0, 40, 7))
def test_a_full_disk_tears_no_line_and_loses_none(path, disk, room):
    log = AuditLog(path, 10**6)
    assert log.write({"n": 0, "text": "first"})
    disk.left = room
    for number in range(1, 30):
        log.write({"n": number, "text": "on a full disk"})
    assert [line["n"] for line in lines(path)] == list(range(len(lines(path))))
    disk.left = None
    assert log.write({"n": 30})
    assert [line["n"] for line in lines(path)] == list(range(31))


def test_the_file_is_moved_away_when_it_is_large(path):
    log = AuditLog(path, 1000)
    for number in range(200):
        log.write({"n": number})
    names = sorted(file.name for file in path.parent.iterdir())
    assert len(names) > 2
    assert max(file.stat().st_size for file in path.parent.iterdir()) <= 1000
    files = [path.with_name(f"{audit.FILE}.{n}") for n in range(len(names) - 1, 0, -1)]
    assert [line["n"] for file in (*files, path) for line in lines(file)] == list(range(200))


def test_refusals_are_counted(path, monkeypatch):
    log, now = AuditLog(path, 10**6), 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    log.count_refusal("192.0.2.1", 401)
    assert log.refusals() == [("192.0.2.1", 401, 1)]
    for number in range(10_000):
        log.count_refusal(f"192.0.{number % 200}.1", 401)
    assert log.refusals() == []
    now = REFUSALS_S
    found = log.refusals()
    assert len(found) <= MOST_ADDRESSES + 1
    assert sum(count for *_, count in found) == 10_000
    assert OTHERS in [address for address, *_ in found]


def test_strangers_cannot_fill_the_log(app, client):
    for _ in range(500):
        client.get("/api/cases", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    path = app.config["SETTINGS"].data_dir / audit.FILE
    assert len(lines(path)) == 1
    with app.app_context():
        audit.write_refusals(at_once=True)
    assert [line.get("count") for line in lines(path)] == [1, 499]
    assert lines(path)[-1] | {"what": "refuse", "outcome": 401, "who": "nobody"} == lines(path)[-1]


def test_nothing_is_handed_out_without_its_line_if_that_is_wanted(
    make_app, upload, run_queue, assert_error, monkeypatch
):
    case_id = upload().json["id"]
    run_queue()
    client, lax = make_app(audit_required=True).test_client(), make_app().test_client()
    address = f"/api/cases/{case_id}/segmentation.nii.gz"
    assert client.get(address).status_code == 200

    def full(self, line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(AuditLog, "_append", full)
    assert_error(client.get(address), 507, "audit_failed")
    assert_error(client.get(f"/api/cases/{case_id}"), 507, "audit_failed")
    assert client.get("/api/cases").status_code == 200
    assert lax.get(address).status_code == 200
