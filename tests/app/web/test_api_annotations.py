"""What readers draw on the pictures of a case, kept with it."""

import json

import pytest

from app.store import users
from app.web.api_annotations import MOST_BYTES
from tests.app.conftest import file_parts
from tests.app.people import PASSWORD, bearer

RULER = {
    "id": "a-1",
    "kind": "ruler",
    "plane": "axial",
    "slice": 12,
    "points": [[1, 2, 12], [4.5, 6, 12]],
    "text": "",
    "modality": "t1ce",
}


def url(case_id: str) -> str:
    return f"/api/cases/{case_id}/annotations"


def test_what_was_drawn_comes_back(finished):
    assert finished.client.get(url(finished.id)).json == {"items": []}
    answer = finished.client.put(url(finished.id), json={"items": [RULER]})
    assert answer.status_code == 200
    assert finished.client.get(url(finished.id)).json == answer.json == {"items": [RULER]}
    finished.client.put(url(finished.id), json={"items": []})
    assert finished.client.get(url(finished.id)).json == {"items": []}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "rano"},
        {"kind": "circle"},
        {"points": [[1, 2], [3, 4]]},
        {"points": [[1, 2, 1e9], [3, 4, 5]]},
        {"slice": -1},
        {"id": "../up"},
        {"text": "x" * 201},
        {"modality": "ct"},
        {"more": 1},
    ],
)
def test_what_makes_no_sense_is_refused(finished, assert_error, change):
    answer = finished.client.put(url(finished.id), json={"items": [RULER | change]})
    error = assert_error(answer, 400, "bad_annotations")
    assert "items.0" in error["message"]


def test_other_bodies_are_refused(finished, assert_error):
    client, where = finished.client, url(finished.id)
    assert_error(
        client.put(where, data=b"{", content_type="application/json"), 400, "bad_annotations"
    )
    assert_error(client.put(where, data={"items": "[]"}), 415, "unsupported_type")
    many = json.dumps({"items": [RULER | {"text": "x" * 200}] * (MOST_BYTES // 200)})
    assert_error(
        client.put(where, data=many, content_type="application/json"), 413, "upload_too_large"
    )


def test_those_of_earlier_versions_name_no_sequence(finished):
    old = {key: value for key, value in RULER.items() if key != "modality"}
    answer = finished.client.put(url(finished.id), json={"items": [old]})
    assert answer.json == {"items": [RULER | {"modality": None}]}
    finished.client.put(url(finished.id), json={"items": []})


def test_only_who_may_correct_a_case_may_draw_on_it(app, client, scans, run_queue, assert_error):
    with app.app_context():
        anna, berta = (
            {"headers": bearer(users.new_token(users.add(name, PASSWORD)))}
            for name in ("anna", "berta")
        )
    case_id = client.post("/api/cases", data=file_parts(scans), **anna).json["id"]
    run_queue()
    body = {"items": [RULER]}
    assert client.put(url(case_id), json=body, **anna).status_code == 200
    # To others it does not exist, nor do corrections of it.
    masks = f"/api/cases/{case_id}/masks"
    for answer in (
        client.get(url(case_id), **berta),
        client.put(url(case_id), json={"items": []}, **berta),
        client.post(masks, data={}, **berta),
    ):
        assert_error(answer, 404, "not_found")
    # Who may read it sees what was drawn, and changes nothing.
    client.put(f"/api/cases/{case_id}/shares/berta", **anna)
    assert client.get(url(case_id), **berta).json == body
    for answer in (
        client.put(url(case_id), json={"items": []}, **berta),
        client.post(masks, data={}, **berta),
    ):
        assert_error(answer, 403, "forbidden")
    assert client.get(url(case_id), **anna).json == body
    # Nor does somebody who is not signed in.
    assert_error(client.put(url(case_id), json={"items": []}), 401, "access_denied")


def test_unfinished_case_has_none(upload, client, assert_error):
    assert_error(client.get(url(upload().json["id"])), 409, "not_ready")
