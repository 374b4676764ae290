"""The worklist: sorted, filtered and exported; what people write to cases; deletions that are undone."""

import csv
import io
import json
import zipfile
from datetime import timedelta

import pytest

from app import audit
from app.analysis.measurements import VOLUME_KEYS
from app.jobs.queue_runner import queue_runner
from app.store import removal, users
from app.store.models import db
from app.web import worklist_view
from tests.app.people import PASSWORD
from tests.app.rows import change, row
from tests.app.web.hazards import four, send


def ids(client, **query) -> list[str]:
    """Return the ids that a query of the list finds, in its order."""
    return [case["id"] for case in client.get("/api/cases", query_string=query).json["cases"]]


def volumes(ml: float) -> dict[str, float]:
    return dict.fromkeys((f"{key}_ml" for key in VOLUME_KEYS), ml)


@pytest.fixture
def three(app, client) -> list[str]:
    """Three queued cases with volumes, warnings and patients of their own."""
    found = [send(client, four()).json["id"] for _ in range(3)]
    values = (
        {"name": "beta", **volumes(5.0), "warning_count": 1, "patient_text": "Doe · 7"},
        {"name": "Alpha", "sequence_count": 3, "study_date": "20260102"},
        {"name": "gamma", **volumes(9.0), "status": "read", "patient_text": "Aal · 9"},
    )
    with app.app_context():
        for case_id, fields in zip(found, values, strict=True):
            change(case_id, **fields)
    return found


def test_sorting(client, three):
    beta, alpha, gamma = three
    assert ids(client) == [gamma, alpha, beta]
    assert ids(client, sort="name", order="asc") == [alpha, beta, gamma]
    # What is not known comes last in either order.
    assert ids(client, sort="whole_tumor") == [gamma, beta, alpha]
    assert ids(client, sort="whole_tumor", order="asc") == [beta, gamma, alpha]
    assert ids(client, sort="patient", order="asc") == [gamma, beta, alpha]
    assert ids(client, sort="warnings")[0] == beta
    assert ids(client, sort="sequences", order="asc")[0] == alpha
    assert ids(client, sort="study_date")[0] == alpha
    for sort in worklist_view.CHOICES["sort"]:
        assert len(ids(client, sort=sort, order="asc", per_page=2)) == 2


def test_filters(client, three):
    beta, alpha, gamma = three
    assert ids(client, only="warnings") == [beta]
    assert ids(client, only="incomplete") == [alpha]
    assert ids(client, status="read") == [gamma]
    assert ids(client, state="queued", q="A") == [gamma, alpha, beta]
    assert ids(client, state="done") == []
    assert ids(client, q="doe") == [beta]


@pytest.mark.parametrize("query", ["sort=size", "order=up", "state=lost", "status=x", "only=1"])
def test_odd_filters(client, assert_error, query):
    assert_error(client.get(f"/api/cases?{query}"), 400, "bad_parameter")
    assert client.get(f"/?{query}").status_code == 200


def test_patients_who_are_not_shown_are_not_found(app, client, three, make_app):
    hiding = make_app(show_patients=False).test_client()
    assert ids(hiding, q="doe") == []
    assert ids(hiding, sort="patient", order="asc") == ids(hiding, sort="name", order="asc")
    assert "Doe" not in hiding.get("/api/cases.csv").text
    assert "Doe" in client.get("/api/cases.csv").text


def test_what_is_shown_follows_the_mask_that_counts(app, client, done):
    listed = client.get("/api/cases").json["cases"][0]
    details = client.get(f"/api/cases/{done}").json
    assert listed["volumes_ml"] == details["measurements"]["volumes_ml"]
    assert listed["warning_count"] == len(details["warnings"])
    assert listed["sequences"] == ["flair", "t1", "t1ce", "t2"]
    with app.app_context():
        assert row(done).warning_texts == details["warnings"]


def test_changes(client, three, assert_error):
    url = f"/api/cases/{three[0]}"
    answer = client.patch(
        url, json={"name": "  Anna\u202e ", "note": "a\r\nb\x00 ", "status": "read"}
    )
    assert answer.status_code == 200
    told = (answer.json["name"], answer.json["note"], answer.json["status"])
    assert told == ("Anna", "a\nb", "read")
    assert client.patch(url, json={"status": "to_correct"}).json["note"] == "a\nb"
    for body in ({"status": "lost"}, {"name": ""}, {"name": "x" * 121}, {"state": "done"}, [], 1):
        assert_error(client.patch(url, json=body), 400, "bad_parameter")
    assert client.patch(url, data="x").status_code == 415
    assert client.patch(url, json={"note": "x" * 40_000}).status_code == 413
    assert client.get(url).json["status"] == "to_correct"


def test_a_deletion_is_undone(app, client, done, assert_error):
    url = f"/api/cases/{done}"
    before = client.get(url).json
    answer = client.delete(f"{url}?undo=1")
    assert (answer.status_code, bool(answer.json["undo_until"])) == (200, True)
    for method in ("get", "delete", "patch"):
        assert_error(getattr(client, method)(url), 404, "not_found")
    assert client.get(f"/cases/{done}").status_code == 404
    assert ids(client) == []
    assert client.post(f"{url}/restore").status_code == 200
    assert client.get(url).json == before
    assert_error(client.post(f"{url}/restore"), 404, "not_found")
    assert_error(client.delete(f"{url}?undo=2"), 400, "bad_parameter")


def test_a_minute_later_it_cannot_be_undone(app, client, done, assert_error, assert_nothing_kept):
    url = f"/api/cases/{done}"
    client.delete(f"{url}?undo=1")
    with app.app_context():
        assert removal.remove_hidden() == 0
        change(done, deleted_at=row(done).deleted_at - timedelta(seconds=60))
    assert_error(client.post(f"{url}/restore"), 404, "not_found")
    with app.app_context():
        assert removal.remove_hidden() == 1
    assert_nothing_kept(app)


def test_a_deleted_case_waits_until_it_is_restored(app, client, run_queue, three):
    for case_id in three:
        client.delete(f"/api/cases/{case_id}?undo=1")
    with app.app_context():
        assert not queue_runner(app).run_next()
    assert 'bts_cases{state="queued"} 0.0' in client.get("/metrics").text
    client.post(f"/api/cases/{three[1]}/restore")
    with app.app_context():
        assert queue_runner(app).run_next()
        assert not queue_runner(app).run_next()


def test_forms_of_the_list(client, three):
    beta, alpha, gamma = three
    view = "sort=name&order=asc&evil=1"
    form = {"case": [beta, alpha], "status": "read", "view": view}
    answer = client.post("/cases/status", data=form)
    assert (answer.status_code, answer.location) == (303, "/?sort=name&order=asc")
    assert ids(client, status="read", sort="name", order="asc") == [alpha, beta, gamma]
    answer = client.post("/cases/delete", data={"case": [beta, alpha, "gone"], "view": view})
    page = client.get(answer.location).text
    assert "2 cases are deleted." in page
    assert ids(client) == [gamma]
    client.post("/cases/restore", data={"case": [beta, alpha]})
    assert len(ids(client)) == 3
    assert client.post("/cases/restore", data={"case": [beta]}).status_code == 404
    client.post(f"/cases/{beta}/details", data={"name": "delta", "note": "Look again"})
    assert ids(client, q="again") == [beta]
    for form in ({}, {"case": [beta], "status": "lost"}, {"status": "read"}):
        assert client.post("/cases/status", data=form).status_code == 400


def test_pages_and_sorting_are_links(client, three):
    first = client.get("/?per_page=2&sort=name&order=asc").text
    assert "1–2 of 3" in first
    assert 'aria-sort="ascending"' in first
    for link in ("page=2&amp;per_page=2&amp;sort=name", "sort=name", "sort=whole_tumor"):
        assert link in first
    assert "3–3 of 3" in client.get("/?per_page=2&sort=name&order=asc&page=2").text
    assert "No case fits" in client.get("/?q=nothing").text


def test_tables_of_the_list(client, three):
    client.patch(f"/api/cases/{three[0]}", json={"note": "=1+1"})
    answer = client.get("/api/cases.csv?sort=name&order=asc")
    assert answer.mimetype == "text/csv"
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["name"] for line in table] == ["Alpha", "beta", "gamma"]
    assert table[1]["note"] == "'=1+1"
    assert table[1]["patient"] == "Doe · 7"
    chosen = client.get("/api/cases.csv", query_string={"case": [three[2], "nothing"]}).text
    assert len(chosen.splitlines()) == 2


def test_results_of_several_cases_in_one_zip(client, upload, run_queue, three, assert_error):
    assert_error(client.get("/api/cases.zip"), 400, "bad_parameter")
    assert_error(client.get("/api/cases.zip", query_string={"case": three}), 409, "not_ready")
    same = [upload(name="Same").json["id"] for _ in range(2)]
    run_queue()
    answer = client.get("/api/cases.zip", query_string={"case": [*same, "nothing"]})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {f"Same_{case[:8]}" for case in same}
    assert len(names) == 8


def test_others_cases_are_left_alone(app, client, assert_error):
    with app.app_context():
        for name in ("anna", "berta"):
            users.add(name, PASSWORD)
    anna, berta = app.test_client(), app.test_client()
    for name, one in (("anna", anna), ("berta", berta)):
        one.post("/login", data={"user": name, "password": PASSWORD})
    case_id = send(anna, four()).json["id"]
    url = f"/api/cases/{case_id}"
    assert_error(berta.patch(url, json={"name": "x"}), 404, "not_found")
    assert case_id not in berta.get(f"/api/cases.csv?case={case_id}").text
    assert_error(berta.get(f"/api/cases.zip?case={case_id}"), 409, "not_ready")
    berta.post("/cases/delete", data={"case": case_id})
    anna.put(f"{url}/shares/berta")
    assert_error(berta.patch(url, json={"name": "x"}), 403, "forbidden")
    for path in ("delete", "status", f"{case_id}/details"):
        form = {"case": case_id, "status": "read", "name": "x"}
        assert berta.post(f"/cases/{path}", data=form).status_code == 403
    anna.delete(f"{url}?undo=1")
    assert "is deleted" in anna.get("/").text
    assert "is deleted" not in berta.get("/").text
    assert_error(berta.post(f"{url}/restore"), 404, "not_found")
    assert berta.post("/cases/restore", data={"case": case_id}).status_code == 404
    assert anna.post(f"{url}/restore").status_code == 200


def test_each_case_has_its_line_in_the_audit_log(app, client, three):
    client.patch(f"/api/cases/{three[0]}", json={"note": "Secret"})
    client.post("/cases/delete", data={"case": three[:2]})
    client.post("/cases/restore", data={"case": three[:2]})
    client.get("/api/cases.csv")
    text = (app.config["SETTINGS"].data_dir / audit.FILE).read_text()
    lines = [json.loads(line) for line in text.splitlines()][3:]
    told = [(line["what"], line["case"], line.get("count")) for line in lines]
    assert sorted(told[1:5]) == sorted(
        (what, case, None) for what in ("delete", "restore") for case in three[:2]
    )
    assert told[0] == ("change", three[0], None)
    assert told[5] == ("download", "", 3)
    assert "Secret" not in text


@pytest.mark.slow
def test_postgresql_sorts_filters_and_undoes_alike(make_app):
    # Imported here, since one process alone does without the driver.
    from tests import services

    services.require("postgresql")
    with services.postgresql() as url:
        app = make_app(database_url=url)
        client = app.test_client()
        found = [send(client, four()).json["id"] for _ in range(3)]
        with app.app_context():
            for case_id, name, ml in zip(found, ("b", "A", "c"), (1.0, 2.0, None), strict=True):
                change(case_id, name=name, **volumes(ml) if ml else {})
        assert ids(client, sort="name", order="asc") == [found[1], found[0], found[2]]
        for order, first in (("asc", found[0]), ("desc", found[1])):
            assert ids(client, sort="whole_tumor", order=order)[0] == first
            assert ids(client, sort="whole_tumor", order=order)[2] == found[2]
        for sort in worklist_view.CHOICES["sort"]:
            assert len(ids(client, sort=sort, q="\0")) == 3
        client.patch(f"/api/cases/{found[0]}", json={"note": "a\0b"})
        client.delete(f"/api/cases/{found[0]}?undo=1")
        assert len(ids(client)) == 2
        assert client.post(f"/api/cases/{found[0]}/restore").json["note"] == "ab"
        client.delete(f"/api/cases/{found[0]}?undo=1")
        with app.app_context():
            change(found[0], deleted_at=row(found[0]).deleted_at - removal.UNDO)
            assert removal.remove_hidden() == 1
            db.engine.dispose()
