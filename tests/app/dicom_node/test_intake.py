"""Received studies become cases, each exactly one, whatever happens in between."""

import errno
import os
from copy import deepcopy

import pytest
import sqlalchemy as sa

from app.dicom_node import intake
from app.dicom_node.spool import Spool
from app.jobs import case_queue
from app.store import cases
from app.store.data_folder import INCOMING
from app.store.models import Delivery, StoredCase, db
from tests.support.dicom_study import Patient, classic_files, scanned

TARGET = "ARCHIVE@127.0.0.1:4242"


@pytest.fixture
def make_app(make_app):
    """Apps with an archive."""
    return lambda **settings: make_app(dicom_send_to=TARGET, **settings)


@pytest.fixture
def spool(app):
    return Spool(app.config["SETTINGS"].data_dir / INCOMING)


@pytest.fixture
def receive(spool, quiet):
    """Return a function that puts objects into the spool, as a complete study, and returns its name."""

    def keep(datasets) -> str:
        for dataset in datasets:
            with spool.partial(lambda file, one=dataset: one.save_as(file)) as path:
                name = spool.add(path, dataset.StudyInstanceUID, dataset.SOPInstanceUID)
        spool.complete()
        return name

    return keep


@pytest.fixture
def take_in(app, spool):
    """Return a function that makes a case of a study."""

    def take(name):
        with app.app_context():
            case = intake.take_in(spool, name)
            return case and case.id

    return take


@pytest.fixture
def listed(client):
    return lambda: client.get("/api/cases").json["cases"]


def rows(app, table=Delivery):
    with app.app_context():
        return list(db.session.scalars(sa.select(table)))


def nothing_left(spool):
    return not list(spool._folder.iterdir()) and not list(
        spool._folder.with_name("staging").iterdir()
    )


def test_a_study_becomes_a_case(app, client, spool, receive, take_in, listed, study):
    case_id = take_in(receive(study))
    assert [(case["id"], case["state"]) for case in listed()] == [(case_id, "queued")]
    assert listed()[0]["patient"]["identifier"] == "P-0815"
    assert "Doe" not in listed()[0]["name"]
    assert nothing_left(spool)
    found = rows(app)
    assert [(row.case_id, row.mask, row.target, row.state) for row in found] == [
        (case_id, 0, TARGET, "waiting")
    ]
    # Nothing is sent before there is a result.
    assert client.get(f"/api/cases/{case_id}/deliveries").json == {"deliveries": []}


def test_there_is_no_second_case(app, spool, receive, take_in, listed, study, monkeypatch):
    name = receive(study)
    with monkeypatch.context() as patch:
        patch.setattr(spool, "remove", lambda _: None)
        assert take_in(name)
    assert spool.path(name).is_dir()
    assert take_in(name) is None
    assert len(listed()) == 1
    assert nothing_left(spool)


def test_missing_sequences_wait_for_a_person(
    app, client, spool, receive, take_in, listed, study, series
):
    # The localiser and two sequences.
    numbers = {one.number for one in series[:3]}
    few = [dataset for dataset in study if dataset.SeriesNumber in numbers]
    case_id = take_in(receive(few))
    assert listed()[0]["state"] == "unconfirmed"
    assert nothing_left(spool)
    rows_of_study = client.get(f"/api/cases/{case_id}/series").json["series"]
    keys = [row["key"] for row in rows_of_study if row["readable"]][:3]
    chosen = dict(zip(("t1ce", "t2", "flair"), keys, strict=True))
    assert client.post(f"/api/cases/{case_id}/series", data={"t1": ""} | chosen).status_code == 202
    assert listed()[0]["state"] == "queued"
    assert [row.state for row in rows(app)] == ["waiting"]


def test_doubtful_guesses_wait_for_a_person(receive, take_in, listed, study, monkeypatch):
    monkeypatch.setattr(intake, "LEAST_SURE", 1.0)
    take_in(receive(study))
    assert listed()[0]["state"] == "unconfirmed"


@pytest.mark.parametrize("kind", ["one series", "two patients", "same twice"])
def test_what_cannot_be_a_case_is_seen(
    app, client, spool, receive, take_in, listed, study, few, phantom, kind, assert_error
):
    if kind == "one series":
        sent, code = few, "missing_modality"
    elif kind == "two patients":
        other = classic_files(scanned(phantom[0], "ge")[1], Patient("Roe^Richard", "X"))[:3]
        for dataset in other:
            dataset.StudyInstanceUID = few[0].StudyInstanceUID
        sent, code = [*study, *other], "dicom_two_patients"
    else:
        other = deepcopy(few[0])
        other.PixelData = bytes(len(other.PixelData))
        sent, code = [*study, other], "dicom_conflict"
    case_id = take_in(receive(sent))
    case = client.get(f"/api/cases/{case_id}").json
    assert (case["state"], case["error"]["code"]) == ("failed", code)
    assert nothing_left(spool)
    assert rows(app) == []
    assert client.get(f"/cases/{case_id}").status_code == 200
    assert client.delete(f"/api/cases/{case_id}").status_code == 204


def test_a_study_that_ends_the_process_is_given_up(spool, receive, take_in, client, study):
    name = receive(study)
    for _ in range(case_queue.MAX_ATTEMPTS):
        spool.count_try(name)
    case = client.get(f"/api/cases/{take_in(name)}").json
    assert case["error"]["code"] == "gave_up"
    assert nothing_left(spool)


def test_a_fault_of_ours_is_seen(spool, receive, take_in, client, study, monkeypatch, caplog):
    def broken(*_):
        raise TypeError("a fault")

    monkeypatch.setattr(intake.study_case, "examine", broken)
    case = client.get(f"/api/cases/{take_in(receive(study))}").json
    assert case["error"]["code"] == "internal_error"
    assert "unforeseen error" in caplog.text


def test_a_full_disk_is_waited_for(spool, receive, take_in, listed, study, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    name = receive(study)
    with monkeypatch.context() as patch:
        patch.setattr(intake.study_case, "write_scans", full)
        for _ in range(case_queue.MAX_ATTEMPTS + 1):
            with pytest.raises(OSError):
                take_in(name)
    assert listed() == []
    assert take_in(name)
    assert listed()[0]["state"] == "queued"


def test_a_full_queue_is_waited_for(app, spool, receive, take_in, listed, study, monkeypatch):
    name = receive(study)
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_is_full", lambda: True)
        assert take_in(name) is None
    assert listed() == []
    assert take_in(name)


def test_little_memory_is_tried_again(spool, receive, take_in, listed, study, monkeypatch):
    def too_much(*_, **__):
        raise MemoryError

    name = receive(study)
    with monkeypatch.context() as patch:
        patch.setattr(intake.study_case, "write_scans", too_much)
        for _ in range(case_queue.MAX_ATTEMPTS):
            assert take_in(name) is None
    assert listed() == []
    assert take_in(name)
    assert listed()[0]["error"]["code"] == "gave_up"


def test_nothing_of_the_patient_is_logged(receive, take_in, study, caplog, app):
    caplog.set_level("DEBUG")
    take_in(receive(study))
    audit = (app.config["SETTINGS"].data_dir / "audit.log").read_text()
    for word in ("Doe", "P-0815", "A42", study[0].StudyInstanceUID):
        assert word not in caplog.text + audit
    assert "receive" in audit


def test_a_deleted_case_takes_its_deliveries_along(app, client, receive, take_in, study):
    case_id = take_in(receive(study))
    assert client.delete(f"/api/cases/{case_id}").status_code == 204
    assert rows(app) == rows(app, StoredCase) == []
    with app.app_context():
        assert not cases.was_received("x")
