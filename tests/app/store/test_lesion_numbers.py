"""Lesions keep their numbers from version to version of a case's mask, in all that tells of them."""

import html
import re

import numpy as np

from tests.app.corrections import file_of, image_of
from tests.app.reporting.test_report import text_of
from tests.app.rows import change_record


def lesions(client, case_id):
    found = client.get(f"/api/cases/{case_id}").json["measurements"]["named_lesions"]
    return {one["number"]: one for one in found}


def correct(client, case_id, change, base):
    url = f"/api/cases/{case_id}"
    image = image_of(client.get(f"{url}/masks/{base}.nii.gz").data)
    values = np.asarray(image.dataobj).astype(np.uint8)
    change(values)
    answer = client.post(
        f"{url}/masks", data={"mask": file_of(values, image.affine), "base": str(base)}
    )
    assert answer.status_code == 201, answer.get_data(as_text=True)


def cube(x, edge=8, value=4):
    def change(values):
        values[x : x + edge, 2 : 2 + edge, 2 : 2 + edge] = value

    return change


def test_numbers_stay_over_versions(app, client, done):
    (model,) = lesions(client, done).values()
    assert model["number"] == 1
    correct(client, done, cube(2), 0)
    assert set(lesions(client, done)) == {1, 2}
    # It goes, and another comes elsewhere.
    correct(client, done, lambda values: (cube(2, value=0)(values), cube(60)(values)), 1)
    found = lesions(client, done)
    assert set(found) == {1, 3}
    # The second again, drawn on the first version: what it is now called no version had.
    correct(client, done, cube(30, 6), 0)
    assert set(lesions(client, done)) == {1, 4}
    # Whoever goes back has the names of that version.
    client.post(f"/api/cases/{done}/masks/2/restore")
    assert lesions(client, done) == found
    page = html.unescape(client.get(f"/cases/{done}/report").text)
    pdf = text_of(client.get(f"/api/cases/{done}/report.pdf").data)
    csv = client.get(f"/api/cases/{done}/report.csv").text
    for number, one in found.items():
        assert f"<dt>Lesion {number}</dt>" in page and f"{one['ml']:.2f} mL, " in page
        assert f"(Lesion {number}) Tj" in pdf
        assert f'"lesion_{number}",{one["ml"]:.3f},"mL"' in csv
    assert "Lesion 2" not in page
    viewer = html.unescape(client.get(f"/cases/{done}").text)
    assert re.findall(r'"number": (\d+), "point"', viewer) == ["1", "3"]


def test_cases_whose_lesions_had_no_names_get_them_by_a_correction(app, client, done):
    with app.app_context():
        change_record(done, {"named_lesions": None})
    assert client.get(f"/api/cases/{done}").json["measurements"]["named_lesions"] is None
    assert "<dt>Lesion 1" not in client.get(f"/cases/{done}/report").text
    correct(client, done, cube(2), 0)
    assert set(lesions(client, done)) == {1, 2}
