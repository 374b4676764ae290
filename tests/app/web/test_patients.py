"""Cases of one patient: put together, dated, followed over REST, and seen by nobody else."""

import re

import pytest
import sqlalchemy as sa

from app.intake.dicom_study import Patient
from app.jobs.queue_runner import queue_runner
from app.store import patient_keys, users
from app.store.models import StoredCase, db
from app.store.patient_models import TimePoint
from tests.app.conftest import app_on, close, file_parts
from tests.app.people import PASSWORD, bearer
from tests.app.rows import change, change_record, row


def named(scans, name):
    """The small case as parts of an upload of this name."""
    return file_parts(scans) | {"name": name}


@pytest.fixture(scope="module")
def series(tmp_path_factory, model_holder, scans):
    """Three sessions of one subject and a case of nobody: `(app, client, ids, other id)`."""
    app = app_on(tmp_path_factory.mktemp("series"), model_holder)
    client = app.test_client()
    names = ("sub-07_ses-20240401", "sub-07_ses-20240101", "sub-07_ses-20240701", "Other")
    ids = [client.post("/api/cases", data=named(scans, name)).json["id"] for name in names]
    with app.app_context():
        while queue_runner(app).run_next():
            pass
        volumes = row(ids[0]).record.measurements.volumes_ml
        rano = row(ids[0]).record.measurements.rano
        change_record(ids[0], {"volumes_ml": volumes.__class__(1, 0, 1, 1, 2), "rano": None})
        big = rano.__class__(**vars(rano) | {"product_mm2": 2 * rano.product_mm2})
        change_record(ids[2], {"rano": big})
    yield app, client, [ids[1], ids[0], ids[2]], ids[3]
    close(app)


def key_of(client, case_id):
    return client.get(f"/api/cases/{case_id}/time-point").json["patient"]


def test_sessions_are_one_series_in_the_order_of_their_dates(series):
    _, client, ids, other = series
    point = client.get(f"/api/cases/{ids[0]}/time-point").json
    assert point["study_date"] == "2024-01-01"
    assert key_of(client, other) != point["patient"]
    found = client.get(point["url"]).json
    assert [one["id"] for one in found["examinations"]] == ids
    assert found["baseline"] == ids[0]
    assert found["subject"] == "07"
    first, second, third = (one["followed"] for one in found["examinations"])
    assert first["since_prior"] is None
    assert second["days"] == 91
    assert second["since_prior"]["enhancing"]["percent"] == -100
    assert second["since_prior"]["product_mm2"]["percent"] == -100
    assert second["categories"]["rano_2010"]["category"] == "CR"
    assert third["categories"]["rano_2_volume"]["category"] == "PD"
    assert "no diagnosis" in found["notes"][0]
    volume = next(one for one in found["criteria"] if one["key"] == "rano_2_volume")
    assert (volume["growth_percent"], volume["shrinkage_percent"]) == (40, 65)


def test_listed_by_a_key_that_tells_nothing(series):
    _, client, _, _ = series
    listed = client.get("/api/patients").json["patients"]
    assert [one["examinations"] for one in listed] == [1, 3]
    assert (listed[1]["first"], listed[1]["last"]) == ("2024-01-01", "2024-07-01")
    assert len(listed[1]["key"]) == 32


def test_by_hand(client, upload, assert_error):
    one, two = (upload().json["id"] for _ in range(2))
    assert key_of(client, one) != key_of(client, two)
    address = f"/api/cases/{two}/time-point"
    answer = client.patch(
        address, data={"patient": key_of(client, one), "study_date": "2024-02-29"}
    )
    assert answer.json["patient"] == key_of(client, one)
    assert answer.json["study_date"] == "2024-02-29"
    # The worklist sorts by the same date.
    assert client.get("/api/cases?sort=study_date").json["cases"][0]["id"] == two
    assert client.patch(address, data={"baseline": "1"}).json["baseline"] is True
    assert client.patch(address, data={"study_date": ""}).json["study_date"] is None
    # Another patient's baseline is none here.
    apart = client.patch(address, data={"patient": "new"}).json
    assert apart["patient"] != key_of(client, one) and apart["baseline"] is False
    for wrong in ({}, {"study_date": "29.2.2024"}, {"baseline": "2"}, {"patient": "0" * 32}):
        assert_error(client.patch(address, data=wrong), 400, "bad_parameter")
    assert_error(client.get("/api/patients/none"), 404, "not_found")


def test_another_baseline(series):
    _, client, ids, _ = series
    address = f"/api/patients/{key_of(client, ids[0])}"
    client.patch(f"/api/cases/{ids[1]}/time-point", data={"baseline": "1"})
    found = client.get(address).json
    assert found["baseline"] == ids[1]
    assert [one["followed"]["days"] for one in found["examinations"]] == [-91, 0, 91]
    client.patch(f"/api/cases/{ids[1]}/time-point", data={"baseline": "0"})
    assert client.get(address).json["baseline"] == ids[0]


def test_headers_put_cases_together(app, client, upload):
    ids = [upload().json["id"] for _ in range(3)]
    with app.app_context():
        jane = Patient(name="Doe^Jane", identifier="P-1", study_date="20240105")
        for case_id, patient in zip(ids, (jane, jane, Patient(identifier="P-2")), strict=True):
            change(case_id, patient=patient)
            db.session.delete(db.session.get_one(TimePoint, case_id))
            db.session.flush()
            patient_keys.add(db.session.get_one(StoredCase, case_id))
            db.session.commit()
    keys = [key_of(client, case_id) for case_id in ids]
    assert keys[0] == keys[1] != keys[2]
    assert client.get(f"/api/cases/{ids[0]}/time-point").json["study_date"] == "2024-01-05"


def test_each_user_has_patients_of_their_own(app, client, scans, assert_error):
    with app.app_context():
        tokens = {}
        for name in ("anna", "berta"):
            tokens[name] = bearer(users.new_token(users.add(name, PASSWORD)))
    ids = {
        name: client.post("/api/cases", data=named(scans, "sub-07_ses-1"), headers=who).json["id"]
        for name, who in tokens.items()
    }
    keys = {
        name: client.get(f"/api/cases/{ids[name]}/time-point", headers=who).json["patient"]
        for name, who in tokens.items()
    }
    assert keys["anna"] != keys["berta"]
    berta = {"headers": tokens["berta"]}
    assert_error(client.get(f"/api/patients/{keys['anna']}", **berta), 404, "not_found")
    assert_error(client.get(f"/api/cases/{ids['anna']}/time-point", **berta), 404, "not_found")
    own = f"/api/cases/{ids['berta']}/time-point"
    assert_error(client.patch(own, data={"patient": keys["anna"]}, **berta), 400, "bad_parameter")
    assert len(client.get("/api/patients", **berta).json["patients"]) == 1
    # What is shared can be read, and not changed.
    shared = f"/api/cases/{ids['anna']}"
    client.put(f"{shared}/shares/berta", headers=tokens["anna"])
    assert client.get(f"/api/patients/{keys['anna']}", **berta).status_code == 200
    assert_error(
        client.patch(f"{shared}/time-point", data={"baseline": "1"}, **berta), 403, "forbidden"
    )


def test_a_deleted_case_leaves_the_series(client, upload):
    case_id = upload().json["id"]
    address = f"/api/patients/{key_of(client, case_id)}"
    assert client.get(address).json["examinations"][0]["followed"] is None
    client.delete(f"/api/cases/{case_id}")
    assert client.get(address).status_code == 404


def test_pages(series):
    _, client, ids, _ = series
    key = key_of(client, ids[0])
    assert f"/patients/{key}" in client.get("/patients").text
    page = client.get(f"/patients/{key}").text
    assert page.index("2024-01-01") < page.index("2024-07-01")
    assert ">−100</td>" in page
    assert "no diagnosis" in page and "calculated" in page
    assert f"/compare?first={ids[0]}&amp;second={ids[1]}" in page
    assert page.count('class="timeline"') == 3
    report = client.get(f"/patients/{key}/report").text
    assert "complete response by size" in report and "no diagnosis" in report
    for text in (page, report):
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", text)


def test_forms(series):
    _, client, ids, other = series
    key = key_of(client, ids[0])
    address = f"/cases/{other}/time-point"
    moved = client.post(address, data={"patient": key})
    assert (moved.status_code, moved.location) == (303, f"/patients/{key}")
    assert len(client.get(f"/api/patients/{key}").json["examinations"]) == 4
    back = client.post(address, data={"patient": "new", "from": key})
    assert back.location == f"/patients/{key}"
    assert len(client.get(f"/api/patients/{key}").json["examinations"]) == 3


def test_identifiers_are_in_no_address_and_no_log(series, caplog):
    app, client, ids, _ = series
    with app.app_context():
        patient = Patient(name="Marker^Jane", identifier="MARKER-17")
        change(ids[0], patient=patient)
    key = key_of(client, ids[0])
    assert "MARKER" in client.get(f"/patients/{key}").text.upper()
    client.get(f"/patients/{key}/report")
    with app.app_context():
        change(ids[0], patient=None)
    audit = (app.config["SETTINGS"].data_dir / "audit.log").read_text()
    assert f'"patient": "{key}"' in audit
    assert "marker" not in (audit + caplog.text).lower()


def test_patients_who_are_not_shown_have_no_dates(series, model_holder):
    app, client, ids, _ = series
    key = key_of(client, ids[0])
    # Under names that tell no date.
    with app.app_context():
        names = {case_id: row(case_id).name for case_id in ids}
        sessions = dict(db.session.execute(sa.select(TimePoint.case_id, TimePoint.session)).all())
        for case_id in ids:
            change(case_id, name="Case", patient=Patient(name="Doe^Jane", study_date="20240101"))
        db.session.execute(sa.update(TimePoint).values(session=""))
        db.session.commit()
    hiding_app = app_on(app.config["SETTINGS"].data_dir, model_holder, show_patients=False)
    hiding = hiding_app.test_client()
    addresses = [
        "/",
        "/patients",
        f"/patients/{key}",
        f"/patients/{key}/report",
        f"/cases/{ids[0]}",
        f"/compare?first={ids[0]}&second={ids[1]}",
        "/api/patients",
        f"/api/patients/{key}",
        f"/api/cases/{ids[0]}/time-point",
        f"/api/comparison?first={ids[0]}&second={ids[1]}",
    ]
    shown = {address: client.get(address).text for address in addresses}
    hidden = {address: hiding.get(address).text for address in addresses}
    found = hiding.get(f"/api/patients/{key}").json
    answer = hiding.patch(f"/api/cases/{ids[0]}/time-point", data={"baseline": "0"}).json
    with app.app_context():
        for case_id in ids:
            change(case_id, name=names[case_id], patient=None)
        for case_id, session in sessions.items():
            db.session.get_one(TimePoint, case_id).session = session
        db.session.commit()
    close(hiding_app)
    assert "2024-0" in shown[f"/patients/{key}"] and "2024-0" in shown["/api/patients"]
    for address, text in hidden.items():
        # The random key of the patient is no date.
        assert not re.search(r"2024-?0|Jane", text.replace(key, "")), address
    assert "Set date" in shown[f"/patients/{key}"] and "Set date" not in hidden[f"/patients/{key}"]
    # The order and the days between the examinations are those of the dates.
    assert [one["id"] for one in found["examinations"]] == ids
    assert [one["followed"]["days"] for one in found["examinations"]] == [0, 91, 182]
    assert answer["study_date"] is None
    # Nor is there a link to the patient.
    for address in ("/", f"/cases/{ids[0]}"):
        assert f'href="/patients/{key}"' in shown[address]
        assert f'href="/patients/{key}"' not in hidden[address]


def test_worklist_and_case_lead_to_the_patient(series):
    _, client, ids, other = series
    key = key_of(client, ids[0])
    worklist = client.get("/").text
    assert worklist.count(f'href="/patients/{key}"') == 3
    assert f'href="/patients/{key}"' in client.get(f"/cases/{ids[1]}").text
    # Of a case alone there is nothing to follow.
    alone = key_of(client, other)
    assert f"/patients/{alone}" not in worklist
    assert f"/patients/{alone}" not in client.get(f"/cases/{other}").text
