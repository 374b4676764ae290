"""What readers draw on the pictures of a case, kept with it."""

import json

import pytest

from app.web.api_annotations import MOST_BYTES

RULER = {
    "id": "a-1",
    "kind": "ruler",
    "plane": "axial",
    "slice": 12,
    "points": [[1, 2, 12], [4.5, 6, 12]],
    "text": "",
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


def test_unfinished_case_has_none(upload, client, assert_error):
    assert_error(client.get(url(upload().json["id"])), 409, "not_ready")
