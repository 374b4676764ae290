"""Two cases side by side: differences, what limits them, and the page."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app.analysis.comparison import Change, change, notes
from app.analysis.record import MaskInfo, record_of
from app.jobs.queue_runner import queue_runner
from model.io.nifti import compress, encode
from tests.app.conftest import app_on, close, file_parts
from tests.app.web.test_api_masks import image_of


@pytest.fixture(scope="module")
def pair(tmp_path_factory, model_holder, scans):
    """Two finished cases, the second without any enhancing tumour, and one that waits."""
    app = app_on(tmp_path_factory.mktemp("pair"), model_holder)
    client = app.test_client()
    ids = [
        client.post("/api/cases", data=file_parts(scans) | {"name": name}).json["id"]
        for name in ("Earlier", "Later")
    ]
    with app.app_context():
        while queue_runner(app).run_next():
            pass
    url = f"/api/cases/{ids[1]}"
    mask = image_of(client.get(f"{url}/segmentation.nii.gz").data)
    values = np.asarray(mask.dataobj).copy()
    values[values == 4] = 0
    part = io.BytesIO(compress(encode(values, mask.affine))), "mask.nii.gz"
    assert client.post(f"{url}/masks", data={"mask": part}).status_code == 201
    waiting = client.post("/api/cases", data=file_parts(scans)).json["id"]
    yield client, *ids, waiting
    close(app)


@pytest.mark.parametrize(
    ("first", "second", "difference", "percent"),
    [
        (10.0, 12.5, 2.5, 25.0),
        (10.0, 0.0, -10.0, -100.0),
        (0.0, 4.0, 4.0, None),
        (0.0, 0.0, 0.0, None),
        (None, 3.0, None, None),
        (3.0, None, None, None),
    ],
)
def test_change(first, second, difference, percent):
    found = change(first, second)
    assert found == Change(first, second, difference, percent)


def test_comparison_is_the_difference_of_both_reports(pair):
    client, first, second, _ = pair
    found = client.get(f"/api/comparison?first={first}&second={second}").json
    reports = [client.get(f"/api/cases/{case}/report.json").json for case in (first, second)]
    before, after = (report["measurements"] for report in reports)
    for key, row in found["volumes_ml"].items():
        assert row["first"] == before["volumes_ml"][key]
        assert row["second"] == after["volumes_ml"][key]
        assert row["change"] == pytest.approx(row["second"] - row["first"], abs=1e-6)
    assert found["volumes_ml"]["enhancing"]["percent"] == -100
    assert found["rano"]["longest_mm"]["first"] == before["rano"]["longest_mm"]
    # Nothing enhances in the second: no diameter is 0 mm, and the loss is complete.
    assert found["rano"]["longest_mm"]["second"] == 0
    assert found["rano"]["longest_mm"]["percent"] == -100
    assert found["second"]["mask"]["by_hand"] is True
    assert "The mask of the second case was corrected by hand." in found["notes"]
    swapped = client.get(f"/api/comparison?first={second}&second={first}").json
    change_back = swapped["volumes_ml"]["whole_tumor"]["change"]
    assert change_back == -found["volumes_ml"]["whole_tumor"]["change"]


def test_notes_tell_what_limits_the_comparison(analysis, model_holder):
    record = record_of(analysis, model_holder.card, "brats2021", {})
    one = record, MaskInfo(0, "model", None, by_hand=False)
    assert len(notes(one, one)) == 1
    other = replace(
        record,
        model=replace(record.model, checksum="another"),
        missing_modalities=("t2",),
        geometry=replace(record.geometry, spacing_mm=(1.0, 1.0, 5.0)),
    )
    assert len(notes(one, (other, MaskInfo(1, "corrected", 0, by_hand=True)))) == 5


def test_odd_choices_are_refused(pair, assert_error):
    client, first, second, waiting = pair
    for query in ("", f"first={first}", f"first={first}&second={first}", f"case={first}"):
        assert_error(client.get(f"/api/comparison?{query}"), 400, "two_cases")
    three = f"case={first}&case={second}&case={waiting}"
    assert_error(client.get(f"/api/comparison?{three}"), 400, "two_cases")
    assert_error(client.get(f"/api/comparison?first={first}&second=none"), 404, "not_found")
    assert_error(client.get(f"/api/comparison?first={first}&second={waiting}"), 409, "not_ready")
    assert client.get(f"/compare?case={first}").status_code == 400


def test_page_shows_both_older_first_and_judges_nothing(pair):
    client, first, second, _ = pair
    page = client.get(f"/compare?case={second}&case={first}").text
    assert page.index("Earlier") < page.index("Later")
    assert f"/compare?first={second}&amp;second={first}" in page
    pictures = re.findall(r'<image href="([^"]*overlay[^"]*)"', page)
    assert len(pictures) == 2
    for picture in pictures:
        assert client.get(picture.replace("&amp;", "&")).status_code == 200
    assert '<td class="number">−100.0</td>' in page
    # The regions come as on all pages.
    titles = re.findall(r'aria-hidden="true">(NCR|ED|ET)</span>', page)
    assert titles == ["NCR", "ED", "ET"]
    words = ("progress", "respon", "stable", "worse", "better", "improve", "recurr")
    assert not [word for word in words if word in page.lower()]
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", page)


def test_every_case_of_the_worklist_can_be_chosen(pair):
    """Also one that waits: it can be deleted, or marked; comparing it is answered as not ready."""
    client, first, _, waiting = pair
    page = client.get("/").text
    boxes = dict(re.findall(r'<input type="checkbox" name="case" value="(\w+)"([^>]*)>', page))
    assert {first, waiting} <= boxes.keys()
    assert not any("disabled" in attributes for attributes in boxes.values())


def test_thumbnails_show_the_current_mask(pair):
    client, first, second, waiting = pair
    listed = {case["id"]: case["thumbnail"] for case in client.get("/api/cases").json["cases"]}
    assert listed[waiting] is None
    answers = {case: client.get(listed[case]) for case in (first, second)}
    for answer in answers.values():
        assert answer.mimetype == "image/png"
        assert answer.headers["Cache-Control"].endswith("immutable")
        picture = np.asarray(Image.open(io.BytesIO(answer.data)))
        assert picture.shape == (112, 112, 3)
        # Cut to the head: it reaches two opposite edges.
        assert picture[0].any() or picture[:, 0].any()
    assert listed[second].endswith("mask=1")
    assert answers[first].data != answers[second].data
    model = client.get(f"/api/cases/{second}/thumbnail.png?mask=0")
    assert model.data == answers[first].data
    assert f'src="{listed[first]}"' in client.get("/").text
