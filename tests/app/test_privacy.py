"""What is known of a patient stays in the case, and goes away with it."""

import gzip
import io
import json
import logging
import sqlite3
import struct
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app import audit
from app.analysis import pipeline
from app.jobs.queue_runner import queue_runner
from app.store import retention, users
from app.store.models import StoredCase, db
from tests.app.conftest import file_parts
from tests.app.jobs.crashing import stub

MARKER = "MUSTERMANN"


def marked(content: bytes) -> bytes:
    """Return a gzipped NIfTI with the marker in each text field and in an extension."""
    plain = bytearray(gzip.decompress(content))
    for offset, size in ((14, 18), (148, 80), (228, 24), (328, 16)):
        plain[offset : offset + size] = MARKER.encode()[:size].ljust(size, b"\0")
    extension = struct.pack("<ii", 32, 6) + MARKER.encode().ljust(24)
    plain[108:112] = struct.pack("<f", 384)
    return gzip.compress(bytes(plain[:348]) + b"\1\0\0\0" + extension + bytes(plain[352:]), 1)


@pytest.fixture
def marked_upload(client, scans, caplog):
    """Address of a queued case that has the marker wherever a client can put it."""
    caplog.set_level(logging.DEBUG)
    parts = {
        key: (io.BytesIO(marked(stream.read())), f"{MARKER}_{key}.nii.gz")
        for key, (stream, _) in file_parts(scans).items()
    }
    response = client.post("/api/cases", data=parts | {"name": MARKER})
    assert response.status_code == 202, response.text
    return response.json["url"]


@pytest.fixture
def marked_case(marked_upload, run_queue, monkeypatch, analysis):
    """The same, finished by what stands for the pipeline."""
    monkeypatch.setattr(pipeline, "analyse", stub(analysis))
    run_queue()
    return marked_upload


def logged(caplog) -> str:
    """Return all that a test has logged, its set-up too."""
    return "\n".join(
        record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)
    )


def everything_in(folder) -> bytes:
    """Return the bytes of all files, also unpacked."""
    found = []
    for path in folder.rglob("*"):
        found.append(path.name.encode())
        if path.is_file():
            content = path.read_bytes()
            found.append(content)
            if content[:2] == b"\x1f\x8b":
                found.append(gzip.decompress(content))
    return b"\n".join(found)


def test_header_text_is_dropped_on_output(client, marked_upload, run_queue):
    run_queue()
    marked_case = marked_upload
    for name in ("segmentation.nii.gz", *(f"volumes/{m}.nii.gz" for m in ("flair", "t1", "t2"))):
        answer = client.get(f"{marked_case}/{name}")
        assert answer.status_code == 200
        assert MARKER[:8].encode() not in gzip.decompress(answer.data)
    with zipfile.ZipFile(io.BytesIO(client.get(f"{marked_case}/report.zip").data)) as bundle:
        mask = next(name for name in bundle.namelist() if name.endswith("_seg.nii.gz"))
        assert MARKER[:8].encode() not in gzip.decompress(bundle.read(mask))


def test_deleting_leaves_nothing(app, client, marked_case, caplog):
    data_dir = app.config["SETTINGS"].data_dir
    assert MARKER.encode() in everything_in(data_dir)
    client.get("/", query_string={"q": MARKER})
    client.get(f"{marked_case}/report.pdf")
    assert client.delete(marked_case).status_code == 204
    assert MARKER.encode() not in everything_in(data_dir)
    assert MARKER[:12].encode() not in everything_in(data_dir)
    assert MARKER not in logged(caplog)
    case_id = marked_case.rsplit("/", 1)[1]
    assert case_id in logged(caplog)
    assert not [path for path in data_dir.rglob("*") if case_id in path.name]


def test_a_refused_upload_leaves_nothing(app, client, scans, caplog):
    caplog.set_level(logging.DEBUG)
    parts = {
        key: (io.BytesIO(marked(stream.read())[:-9]), f"{MARKER}_{key}.nii.gz")
        for key, (stream, _) in file_parts(scans).items()
    }
    assert client.post("/api/cases", data=parts | {"name": MARKER}).status_code == 422
    assert MARKER.encode() not in everything_in(app.config["SETTINGS"].data_dir)
    assert MARKER not in logged(caplog)


def test_retention_goes_on_after_a_restart(make_app, client, marked_case, monkeypatch):
    monkeypatch.setattr(retention, "WAIT_S", 0)
    case_id = marked_case.rsplit("/", 1)[1]
    later = make_app(retention_hours=1)
    with later.app_context():
        case = db.session.get(StoredCase, case_id)
        case.created_at = datetime.now(UTC) - timedelta(hours=1, seconds=1)
        db.session.commit()
        queue_runner(later)._poll()
        data_dir = later.config["SETTINGS"].data_dir
        assert MARKER.encode() not in everything_in(data_dir)
        assert audit_lines(later)[-1]["what"] == "purge"
        assert retention.remove_expired() == 0


# The audit log.


def audit_lines(app) -> list[dict]:
    path = app.config["SETTINGS"].data_dir / audit.FILE
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_audit_log_says_who_did_what_when(app, client, marked_case, model_holder):
    client.get(f"{marked_case}/report.json")
    client.get(marked_case)
    client.get(f"/cases/{marked_case.rsplit('/', 1)[1]}")
    client.delete(marked_case)
    client.get("/api/cases", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    lines = audit_lines(app)
    assert [line["what"] for line in lines] == [
        "upload",
        "segment",
        "download",
        "read",
        "read",
        "delete",
        "refuse",
    ]
    assert [line["outcome"] for line in lines] == [202, "done", 200, 200, 200, 204, 401]
    case_id = marked_case.rsplit("/", 1)[1]
    assert {line["case"] for line in lines[:-1]} == {case_id}
    assert {line["who"] for line in lines[:-1]} == {"operator"}
    assert lines[-1]["who"] == "nobody"
    assert {line["model"] for line in lines} == {model_holder.get().card.checksum}
    assert lines[-1]["address"] == "192.0.2.7"
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    assert MARKER not in json.dumps(lines)


def test_audit_log_names_no_stranger_as_the_operator(app, client):
    with app.app_context():
        users.add("anna", "correct horse battery")
    for name, password in (
        ("anna", "wrong"),
        ("typed password", "wrong"),
        ("anna", "correct horse battery"),
    ):
        client.post("/login", data={"user": name, "password": password})
    client.get("/api/cases/0")
    lines = audit_lines(app)
    assert [(line["who"], line.get("user")) for line in lines] == [
        ("nobody", "anna"),
        ("nobody", None),
        ("anna", None),
        ("anna", None),
    ]
    assert "typed" not in json.dumps(lines)


def test_audit_log_has_both_cases_of_a_comparison(app, client):
    for address in ("/api/comparison", "/compare"):
        client.get(address, query_string={"first": "a" * 32, "second": "b" * 99})
    for line in audit_lines(app):
        assert (line["what"], line["case"], line["with_case"]) == ("read", "a" * 32, "b" * 64)
        assert line["outcome"] == 404
    assert len(audit_lines(app)) == 2


def test_audit_log_leaves_out_the_waiting(app, client, marked_upload):
    client.get(marked_upload)
    assert [line["what"] for line in audit_lines(app)] == ["upload"]


def test_a_locked_database_names_nobody(app, client, parts, caplog, assert_error):
    path = app.config["SETTINGS"].data_dir / "cases.sqlite"
    with app.app_context():
        sa.event.listen(
            db.engine, "checkout", lambda c, *_: c.execute("PRAGMA busy_timeout=50").close()
        )
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        named = {key: (stream, f"{MARKER}_{name}") for key, (stream, name) in parts.items()}
        answer = client.post("/api/cases", data=named | {"name": MARKER})
    finally:
        other.close()
    assert_error(answer, 503, "database_busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert MARKER not in logged(caplog)
    assert client.get("/api/cases").json["total"] == 0


def test_a_fault_in_the_database_names_nobody(app, client, parts, caplog):
    with app.app_context():
        db.session.execute(sa.text("ALTER TABLE cases DROP COLUMN sent_at"))
        db.session.commit()
    named = {key: (stream, f"{MARKER}_{name}") for key, (stream, name) in parts.items()}
    client.post("/api/cases", data=named | {"name": MARKER})
    assert "unforeseen error" in caplog.text
    assert "INSERT INTO cases" in caplog.text
    assert MARKER not in caplog.text


def test_audit_log_is_only_appended_and_private(app, client, marked_case):
    path = app.config["SETTINGS"].data_dir / audit.FILE
    before = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    client.delete(marked_case)
    assert path.read_bytes().startswith(before)
    assert len(path.read_bytes()) > len(before)
    # Moved away while the server runs, as rotation does.
    path.rename(path.with_suffix(".1"))
    client.delete(marked_case)
    assert audit_lines(app)[-1]["outcome"] == 404


def test_audit_log_without_room_stops_nobody(app, client, caplog):
    (app.config["SETTINGS"].data_dir / audit.FILE).mkdir()
    assert client.delete("/api/cases/0").status_code == 404
    assert "the audit log cannot be written" in caplog.text
