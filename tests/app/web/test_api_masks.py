"""Corrected masks: checked, measured, added, listed, gone back to; nothing is ever lost."""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.jobs.queue_runner import queue_runner
from app.reporting import wording
from app.store import cases, mask_versions
from app.store.models import StoredMask, db
from model.labels import from_file_values
from model.phantom import make_case
from tests.app.conftest import file_parts
from tests.app.corrections import changed, file_of, image_of
from tests.phantoms import write_case


def test_correction_counts_from_then_on(client, url, model_mask, save):
    before = client.get(url).json
    assert before["mask"] == {"number": 0, "kind": "model", "made_from": None, "by_hand": False}
    response = save()
    assert response.status_code == 201
    assert response.location == response.json["url"] == f"{url}/masks/1.nii.gz"
    assert (response.json["number"], response.json["kind"]) == (1, "corrected")
    after = client.get(url).json
    volumes = after["measurements"]["volumes_ml"]
    for key in ("enhancing", "tumor_core", "whole_tumor"):
        assert volumes[key] == pytest.approx(before["measurements"]["volumes_ml"][key] + 1)
    assert volumes["edema"] == before["measurements"]["volumes_ml"]["edema"]
    assert after["whole_tumor_ml"] == volumes["whole_tumor"]
    assert after["mask"] == {"number": 1, "kind": "corrected", "made_from": 0, "by_hand": True}
    # The model's probabilities say nothing of what a person drew.
    assert after["measurements"]["confidence"] is None
    assert after["measurements"]["location"] is not None
    current = image_of(client.get(f"{url}/segmentation.nii.gz").data)
    np.testing.assert_array_equal(np.asarray(current.dataobj), changed(model_mask))
    kept = image_of(client.get(f"{url}/masks/0.nii.gz").data)
    np.testing.assert_array_equal(np.asarray(kept.dataobj), np.asarray(model_mask.dataobj))


def test_measurements_are_those_of_the_mask(app, client, url, done, model_mask, save):
    """A correction that is the model's mask again has the model's volumes, side and diameters."""
    before = client.get(url).json["measurements"]
    save()
    assert save(np.asarray(model_mask.dataobj), base="1").status_code == 201
    after = client.get(url).json["measurements"]
    assert after.pop("confidence") is None
    assert after == {key: value for key, value in before.items() if key != "confidence"}


def test_reports_and_pictures_follow(client, url, save):
    picture = f"{url}/overlay/axial/6.png"
    before, csv = client.get(picture), client.get(f"{url}/report.csv").text
    save()
    after = client.get(picture)
    assert after.data != before.data
    assert after.headers["ETag"] != before.headers["ETag"]
    assert client.get(f"{picture}?mask=0").data == before.data
    assert client.get(f"{picture}?mask=1").data == after.data
    assert client.get(f"{url}/report.csv").text != csv
    report = client.get(f"{url}/report.json").json
    assert report["mask"]["number"] == 1
    made = client.get(f"{url}/masks").json["masks"][1]["created_at"]
    assert report["dates"]["corrected"] == made[:19] + "+00:00"
    assert client.get(f"{url}/report.pdf").data.startswith(b"%PDF")
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{url}/report.zip").data))
    assert archive.read("patient_seg.nii.gz") == client.get(f"{url}/masks/1.nii.gz").data
    assert archive.read("patient_seg_model.nii.gz") == client.get(f"{url}/masks/0.nii.gz").data
    page = url.removeprefix("/api")
    for text in (client.get(page).text, client.get(f"{page}/report").text):
        assert "mask=1" in text
        assert "orrected by hand" in text


def test_pictures_of_a_version_stay_and_of_the_current_one_are_asked_for(client, url):
    cache = client.get(f"{url}/overlay/axial/6.png").headers["Cache-Control"]
    assert cache == "private, no-cache"
    cache = client.get(f"{url}/overlay/axial/6.png?mask=0").headers["Cache-Control"]
    assert cache == "private, max-age=86400, immutable"


def test_two_tabs_lose_nothing(client, url, model_mask, save):
    first, second = changed(model_mask, 1), changed(model_mask, 2)
    assert save(first, base="0").json["number"] == 1
    assert save(second, base="0").json["number"] == 2
    listed = client.get(f"{url}/masks").json
    assert listed["current"] == 2
    assert [(m["number"], m["kind"], m["made_from"]) for m in listed["masks"]] == [
        (0, "model", None),
        (1, "corrected", 0),
        (2, "corrected", 0),
    ]
    for number, values in ((1, first), (2, second)):
        found = image_of(client.get(listed["masks"][number]["url"]).data)
        np.testing.assert_array_equal(np.asarray(found.dataobj), values)


def test_four_that_save_at_the_same_moment_are_all_kept(app, client, url, model_mask):
    def post(place: int) -> int:
        values = np.asarray(model_mask.dataobj).copy()
        values[place, :5, :5] = 2
        body = {"mask": file_of(values, model_mask.affine)}
        return app.test_client().post(f"{url}/masks", data=body).json["number"]

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(post, range(4))) == [1, 2, 3, 4]
    kept = [
        np.asarray(image_of(client.get(mask["url"]).data).dataobj)
        for mask in client.get(f"{url}/masks").json["masks"][1:]
    ]
    drawn = {next(place for place in range(4) if values[place, 0, 0]) for values in kept}
    assert drawn == {0, 1, 2, 3}


def test_a_number_that_was_just_taken_is_not_taken_again(app, done, model_mask, save, monkeypatch):
    """Two that ask for the highest number at the same moment both get one of their own."""
    save()
    with app.app_context():
        scalar, stale = db.session.scalar, [0]
        monkeypatch.setattr(
            db.session, "scalar", lambda query: stale.pop() if stale else scalar(query)
        )
        mask = mask_versions.restore(cases.find(done), 0)
        assert mask.number == 2
        assert not stale


def test_page_tells_the_model_s_probability_of_its_own_mask_only(client, url, save):
    page = url.removeprefix("/api")
    confidence = client.get(url).json["measurements"]["confidence"]
    assert f"ED {confidence['edema']:.2f}" in client.get(page).text
    save()
    assert "Mean probability" not in client.get(page).text


def test_going_back_adds_a_version(client, url, save, assert_error):
    before = client.get(url).json["measurements"]
    save()
    response = client.post(f"{url}/masks/0/restore")
    assert response.status_code == 201
    assert (response.json["number"], response.json["kind"]) == (2, "restored")
    after = client.get(url).json
    assert after["measurements"] == before
    assert after["mask"] == {"number": 2, "kind": "restored", "made_from": 0, "by_hand": False}
    assert client.post(f"{url}/masks/1/restore").json["number"] == 3
    assert [m["current"] for m in client.get(f"{url}/masks").json["masks"]] == [False] * 3 + [True]
    assert_error(client.post(f"{url}/masks/1/restore"), 422, "mask_unchanged")
    assert_error(client.post(f"{url}/masks/9/restore"), 404, "not_found")


def test_only_other_masks_are_offered_to_go_back_to(client, url, save):
    save()
    client.post(f"{url}/masks/0/restore")
    save(base="1")
    client.post(f"{url}/masks/0/restore")
    same = [mask["same_as_current"] for mask in client.get(f"{url}/masks").json["masks"]]
    assert same == [True, False, True, False, True]
    page = client.get(url.removeprefix("/api")).text
    assert [f"/masks/{number}/restore" in page for number in range(5)] == [not s for s in same]
    assert "drawn on version 1" in page


def test_emptied_mask_says_so(client, url, model_mask, save):
    assert save(np.zeros(model_mask.shape, np.uint8)).status_code == 201
    answer = client.get(url).json
    assert answer["message"] == wording.EMPTY_CORRECTION
    assert answer["measurements"]["volumes_ml"]["whole_tumor"] == 0
    page = client.get(url.removeprefix("/api")).text
    assert wording.EMPTY_CORRECTION in page
    assert client.get(f"{url}/report.pdf").status_code == 200


def test_float_masks_of_other_programs_are_taken(client, url, model_mask, save):
    assert save(changed(model_mask).astype(np.float32)).status_code == 201
    current = image_of(client.get(f"{url}/segmentation.nii.gz").data)
    assert current.get_data_dtype() == np.uint8


def test_masks_of_coarse_scans_are_taken(client, run_queue, tmp_path):
    """A mask may not have more voxels than the scans; that they are more at 1 mm does not count."""
    case, _ = make_case(seed=3, shape=(40, 48, 36), affine=np.diag([-2.0, -2.0, 2.0, 1.0]))
    url = client.post("/api/cases", data=file_parts(write_case(tmp_path, case))).json["url"]
    run_queue()
    mask = image_of(client.get(f"{url}/segmentation.nii.gz").data)
    made = client.post(f"{url}/masks", data={"mask": file_of(changed(mask), mask.affine)})
    assert made.status_code == 201


def test_deleting_removes_versions_too(app, client, url, save, assert_nothing_kept):
    save()
    assert client.delete(url).status_code == 204
    assert_nothing_kept(app)
    with app.app_context():
        assert db.session.query(StoredMask).count() == 0


def test_forms_do_the_same_without_script(client, url, model_mask):
    page = url.removeprefix("/api")
    body = {"mask": file_of(changed(model_mask), model_mask.affine)}
    response = client.post(f"{page}/masks", data=body)
    assert (response.status_code, response.location) == (303, page)
    assert client.get(url).json["mask"]["number"] == 1
    assert f'action="{page}/masks/0/restore"' in client.get(page).text
    assert client.post(f"{page}/masks/0/restore").status_code == 303
    assert client.get(url).json["mask"]["kind"] == "restored"
    odd = {"mask": (io.BytesIO(b"no scan"), "a.nii")}
    response = client.post(f"{page}/masks", data=odd)
    assert response.status_code == 415
    assert "not a NIfTI" in response.text


def test_values_follow_the_convention_of_the_case(make_app, scans):
    app = make_app(label_convention="brats2023")
    client = app.test_client()
    url = client.post("/api/cases", data=file_parts(scans)).json["url"]
    with app.app_context():
        queue_runner(app).run_next()
    mask = image_of(client.get(f"{url}/segmentation.nii.gz").data)

    def post(value):
        return client.post(
            f"{url}/masks", data={"mask": file_of(changed(mask, value), mask.affine)}
        )

    assert post(4).json["error"]["code"] == "mask_values"
    assert post(3).status_code == 201
    found = np.asarray(image_of(client.get(f"{url}/segmentation.nii.gz").data).dataobj)
    assert (from_file_values(found)[2:12, 2:12, 2:12] == 3).all()


def test_correcting_is_written_down(app, client, url, done, save):
    assert save().status_code == 201
    lines = (app.config["SETTINGS"].data_dir / "audit.log").read_text().splitlines()
    assert f'"what": "correct", "case": "{done}", "outcome": 201' in lines[-1]
