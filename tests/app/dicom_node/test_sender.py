"""Results reach an archive once, are tried again while it is away, and are given up after a day."""

import http.server
import logging
import shutil
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pydicom
import pytest
import sqlalchemy as sa
from pynetdicom import _config
from pynetdicom.sop_class import Comprehensive3DSRStorage, MRImageStorage, SegmentationStorage

from app.dicom_node import intake, sender
from app.dicom_node.spool import Spool
from app.jobs.queue_runner import queue_runner
from app.store import deliveries
from app.store.data_folder import INCOMING
from app.store.models import Delivery, StoredCase, db
from tests.app.conftest import app_on, close
from tests.app.corrections import changed, file_of, image_of
from tests.support.dicom_peer import archive, push

AWAY = "ARCHIVE@127.0.0.1:9"
KINDS = {SegmentationStorage, Comprehensive3DSRStorage}


@pytest.fixture(scope="session")
def segmented_study(tmp_path_factory, model_holder, study):
    """A data folder with a received study that is done, and the id of its case."""
    data_dir = tmp_path_factory.mktemp("node") / "data"
    app = app_on(data_dir, model_holder)
    spool = Spool(data_dir / INCOMING)
    for dataset in study:
        with spool.partial(lambda file, one=dataset: one.save_as(file)) as path:
            name = spool.add(path, dataset.StudyInstanceUID, dataset.SOPInstanceUID)
    with app.app_context():
        case_id = intake.make_case(spool.path(name), name).id
        spool.remove(name)
        queue_runner(app).run_next()
    close(app)
    return data_dir, case_id


@pytest.fixture
def make_done(tmp_path, model_holder, segmented_study):
    """Return a function that gives an app with that case, its client, and the address of the case."""
    apps = []
    original, case_id = segmented_study
    shutil.copytree(original, tmp_path / "data")

    def make(**settings):
        app = app_on(tmp_path / "data", model_holder, **settings)
        apps.append(app)
        with app.app_context():
            # As when the case was taken in by a server with these settings.
            deliveries.add_for_received(db.session.get(StoredCase, case_id))
            db.session.commit()
        return app, app.test_client(), f"/api/cases/{case_id}"

    yield make
    for app in apps:
        close(app)


def send(app) -> int:
    """Send all that is due; return how many attempts that were."""
    with app.app_context():
        count = 0
        while sender.send_next():
            count += 1
        return count


def make_due(app):
    with app.app_context():
        db.session.execute(sa.update(Delivery).values(due_at=datetime.now(UTC)))
        db.session.commit()


def listed(client, url):
    return client.get(f"{url}/deliveries").json["deliveries"]


def test_results_are_sent_when_the_case_is_done(make_done, caplog):
    caplog.set_level("DEBUG")
    with archive() as found:
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{found.port}")
        assert send(app) == 1
        assert {dataset.SOPClassUID for dataset in found.got} == KINDS
        row = listed(client, url)[0]
        assert (row["state"], row["attempts"], row["mask"], row["problem"]) == ("sent", 1, 0, "")
        assert row["sent_at"] and row["due_at"] is None
        assert send(app) == 0
        # The same results as those that are downloaded.
        seg = client.get(f"{url}/segmentation.dcm").data
        uids = {dataset.SOPInstanceUID for dataset in found.got}
        assert pydicom.dcmread(pydicom.filebase.DicomBytesIO(seg)).SOPInstanceUID in uids
    # What is written at whatever BTS_LOG_LEVEL.
    logged = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("app.") or record.levelno >= logging.WARNING
    ]
    words = {"Doe", "P-0815", *uids, *(dataset.StudyInstanceUID for dataset in found.got)}
    assert not [line for line in logged if any(word in line for word in words)]


def test_an_archive_that_is_away_is_tried_again(make_done):
    app, client, url = make_done(dicom_send_to=AWAY)
    assert send(app) == 1
    row = listed(client, url)[0]
    assert (row["state"], row["attempts"]) == ("waiting", 1)
    assert row["problem"] == "The archive cannot be reached."
    assert datetime.fromisoformat(row["due_at"]) > datetime.now(UTC) + timedelta(seconds=20)
    page = client.get(url.replace("/api", "")).text
    assert "The archive cannot be reached." in page
    for attempt in range(2, deliveries.MAX_ATTEMPTS + 1):
        with app.app_context():
            db.session.execute(sa.update(Delivery).values(attempts=attempt - 1))
            db.session.commit()
        if attempt in (2, deliveries.MAX_ATTEMPTS):
            make_due(app)
            assert send(app) == 1
    assert listed(client, url)[0]["state"] == "failed"
    assert send(app) == 0


def test_the_pauses_are_a_day():
    pauses = [
        deliveries._pause(number).total_seconds() for number in range(1, deliveries.MAX_ATTEMPTS)
    ]
    assert pauses[:3] == [30, 60, 120]
    assert max(pauses) == 3600
    assert 23.5 < sum(pauses) / 3600 < 25


def test_an_attempt_that_was_killed_is_made_again(make_done):
    with archive() as found:
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{found.port}")
        with app.app_context():
            # As if the process had ended right after this.
            assert deliveries.take_due()
        assert send(app) == 0
        make_due(app)
        assert send(app) == 1
        assert listed(client, url)[0]["state"] == "sent"


@pytest.mark.parametrize(
    ("status", "state", "problem"),
    [
        (0xB000, "sent", ""),
        (0xA700, "waiting", "The archive answered with status 0xA700."),
        (0x0124, "waiting", "The archive answered with status 0x0124."),
    ],
)
def test_what_an_archive_answers_is_told(make_done, status, state, problem):
    with archive() as found:
        found.status = status
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{found.port}")
        send(app)
        row = listed(client, url)[0]
        assert (row["state"], row["problem"]) == (state, problem)


def test_an_archive_that_does_not_know_us_or_the_objects(make_done, monkeypatch):
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)
    with archive(title="OTHER") as stranger:
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{stranger.port}")
        send(app)
    assert listed(client, url)[0]["problem"] == "The archive refused the association."
    with archive(MRImageStorage, SegmentationStorage) as found:
        target = f"ARCHIVE@127.0.0.1:{found.port}"
        again = app_on(
            app.config["SETTINGS"].data_dir, app.extensions["model"], dicom_send_to=target
        )
        again.test_client().post(f"{url}/deliveries")
        send(again)
        rows = {row["target"]: row for row in listed(again.test_client(), url)}
        assert rows[target]["problem"] == "The archive does not take objects of this kind."
        close(again)


def test_an_archive_that_is_no_longer_named(make_done):
    app, client, url = make_done(dicom_send_to=AWAY)
    again = app_on(app.config["SETTINGS"].data_dir, app.extensions["model"])
    assert send(again) == 1
    row = listed(client, url)[0]
    assert (row["state"], row["problem"]) == ("failed", sender.NOT_CONFIGURED)
    close(again)


def test_a_corrected_mask_is_sent_by_the_button_alone(make_done):
    with archive() as found:
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{found.port}")
        mask = image_of(client.get(f"{url}/segmentation.nii.gz").data)
        file = file_of(changed(mask), mask.affine)
        assert client.post(f"{url}/masks", data={"mask": file}).status_code == 201
        # What was due is still the model's.
        assert send(app) == 1
        assert not any("by hand" in dataset.SeriesDescription for dataset in found.got)
        page = url.replace("/api", "")
        answer = client.post(f"{page}/deliveries")
        assert (answer.status_code, answer.location) == (303, page)
        assert send(app) == 1
        assert sum("by hand" in dataset.SeriesDescription for dataset in found.got) == 2
        assert [row["mask"] for row in listed(client, url)] == [0, 1]
        assert "Send to the archive" in client.get(page).text


def test_sending_again_makes_the_same_objects(make_done):
    with archive() as found:
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{found.port}")
        send(app)
        answer = client.post(f"{url}/deliveries")
        assert answer.status_code == 202
        assert answer.json["deliveries"][0]["state"] == "waiting"
        assert send(app) == 1
        assert len(found.got) == 4
        assert len({dataset.SOPInstanceUID for dataset in found.got}) == 2
        assert len(listed(client, url)) == 1


@pytest.mark.parametrize("kind", ["results alone", "whole study", "case was deleted"])
def test_results_do_not_go_round(make_done, listen, spool, few, quiet, kind):
    with archive() as found:
        app, client, url = make_done(dicom_send_to=f"ARCHIVE@127.0.0.1:{found.port}")
        send(app)
    images = [] if kind == "results alone" else few
    if kind == "case was deleted":
        client.delete(url)
    before = client.get("/api/cases").json["total"]
    assert set(push(listen().port, [*images, *found.got])) == {0x0000}
    with app.app_context():
        case = intake.take_in(spool, spool.complete()[0])
        assert (case is None) == (kind != "case was deleted")
    assert client.get("/api/cases").json["total"] == before + (case is not None)
    assert list(spool._folder.iterdir()) == []


def test_an_order_during_an_attempt_counts(make_done):
    app, client, url = make_done(dicom_send_to=AWAY)
    with app.app_context():
        row = deliveries.take_due()
        assert client.post(f"{url}/deliveries").status_code == 202
        deliveries.not_sent(row, "away", final=True)
    assert listed(client, url)[0]["state"] == "waiting"


def test_a_case_that_is_deleted_meanwhile(make_done, monkeypatch, caplog):
    app, client, url = make_done(dicom_send_to=AWAY)

    def deleted(*_):
        client.delete(url)
        raise FileNotFoundError

    monkeypatch.setattr(sender, "store", deleted)
    assert send(app) == 1
    assert "unforeseen" not in caplog.text
    assert client.get(url).status_code == 404


@contextmanager
def web_archive(status=200, body=b"", kind="application/dicom+json"):
    """Run what stands for a DICOMweb archive; yields its port and the requests that it got."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                content = b""
                while size := int(self.rfile.readline(), 16):
                    content += self.rfile.read(size)
                    self.rfile.readline()
            else:
                content = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers, content))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], got
        server.shutdown()


def test_results_are_sent_by_web(make_done):
    with web_archive(body=b"{}") as (port, got):
        app, client, url = make_done(dicomweb_url=f"http://user:p%40ss@127.0.0.1:{port}/dicom-web")
        assert send(app) == 1
        path, headers, content = got[0]
        assert path == "/dicom-web/studies"
        assert headers["Authorization"] == "Basic dXNlcjpwQHNz"
        assert content.count(b"DICM") == 2
        row = listed(client, url)[0]
        assert row["state"] == "sent"
        assert row["target"] == f"http://127.0.0.1:{port}/dicom-web"
        assert "p%40ss" not in client.get(url.replace("/api", "")).text


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (409, b"", "The archive answered with status 409."),
        (503, b"", "The archive answered with status 503."),
        (
            202,
            b'{"00081198":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}}]}}',
            "The archive did not store all of the results.",
        ),
    ],
)
def test_what_a_web_archive_answers_is_told(make_done, status, body, problem):
    with web_archive(status, body) as (port, _):
        app, client, url = make_done(dicomweb_url=f"http://127.0.0.1:{port}")
        assert send(app) == 1
        row = listed(client, url)[0]
        assert (row["state"], row["problem"]) == ("waiting", problem)


def test_a_web_archive_that_is_away(make_done):
    app, client, url = make_done(dicomweb_url="http://127.0.0.1:9/dicom-web")
    assert send(app) == 1
    assert listed(client, url)[0]["problem"] == "The archive cannot be reached."


def test_scans_that_are_no_study_have_nothing_to_send(finished, assert_error):
    answer = finished.client.post(f"/api/cases/{finished.id}/deliveries")
    assert_error(answer, 409, "not_dicom")
    assert "Send to the archive" not in finished.client.get(f"/cases/{finished.id}").text


def test_nobody_to_send_to(make_done, assert_error):
    _, client, url = make_done()
    assert_error(client.post(f"{url}/deliveries"), 409, "no_archive")
    assert listed(client, url) == []
    assert "Send to the archive" not in client.get(url.replace("/api", "")).text
