"""Corrected masks that are refused: nothing is kept of them."""

import io

import numpy as np

from app.store import cases, mask_versions, removal
from app.store.models import StoredMask, db
from tests.app.corrections import changed, file_of, image_of


def test_odd_masks_are_refused(client, url, model_mask, save, assert_error):
    values, affine = changed(model_mask), model_mask.affine
    moved = affine.copy()
    moved[0, 3] += 0.5
    assert_error(save(values[:-1]), 422, "grid_mismatch")
    assert_error(save(values, moved), 422, "grid_mismatch")
    assert_error(save(changed(model_mask, 3)), 422, "mask_values")
    assert_error(save(changed(model_mask, 200)), 422, "mask_values")
    assert_error(save(values.astype(np.float32) + 0.5), 422, "mask_values")
    assert_error(save(np.pad(values, 1)), 422, "grid_mismatch")
    assert_error(save(np.asarray(model_mask.dataobj)), 422, "mask_unchanged")
    assert_error(save(base="7"), 404, "not_found")
    assert_error(save(base="x"), 400, "bad_parameter")
    text = {"mask": (io.BytesIO(b"no scan"), "a.nii")}
    assert_error(client.post(f"{url}/masks", data=text), 415, "not_nifti")
    assert_error(client.post(f"{url}/masks", data={"base": "0"}), 400, "no_files")
    assert_error(client.post(f"{url}/masks", json={}), 415, "unsupported_type")
    assert client.get(f"{url}/masks").json["current"] == 0


def test_body_is_limited_before_it_is_read(client, url, model_mask, assert_error):
    voxels = int(np.prod(model_mask.shape))
    body = {"mask": (io.BytesIO(bytes(8 * voxels + 2**20)), "mask.nii")}
    assert_error(client.post(f"{url}/masks", data=body), 413, "upload_too_large")


def test_long_forms_around_a_mask_are_told_as_such(client, url, assert_error):
    text = {"base": "0" * 2**20}
    assert_error(client.post(f"{url}/masks", data=text), 413, "form_too_large")


def test_a_mask_that_comes_too_slowly_is_told_as_such(client, url, assert_error):
    class Silent(io.BytesIO):
        def read(self, size=-1):
            raise TimeoutError

        readinto = read

    answer = client.post(
        f"{url}/masks",
        input_stream=Silent(bytes(1000)),
        content_type="multipart/form-data; boundary=x",
    )
    assert_error(answer, 408, "client_too_slow")


def test_other_sites_cannot_correct(client, url, assert_error):
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for address in (f"{url}/masks", f"{url}/masks/0/restore", f"{url[4:]}/masks"):
        assert client.post(address, headers=foreign).status_code == 403


def test_versions_are_limited(client, url, save, assert_error, monkeypatch):
    monkeypatch.setattr(mask_versions, "MAX_VERSIONS", 1)
    save()
    assert_error(client.post(f"{url}/masks/0/restore"), 422, "too_many_versions")


def test_a_failed_save_leaves_nothing(app, done, save, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(mask_versions, "findings_of", fail)
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert save().status_code == 500
    with app.app_context():
        folder = cases.find(done).folder
    assert folder.corrected() == []
    assert list((app.config["SETTINGS"].data_dir / "staging").iterdir()) == []


def test_unfinished_case_cannot_be_corrected(client, upload, assert_error):
    case_id = upload().json["id"]
    body = {"mask": (io.BytesIO(b"x"), "mask.nii")}
    assert_error(client.post(f"/api/cases/{case_id}/masks", data=body), 409, "not_ready")
    assert_error(client.get(f"/api/cases/{case_id}/masks"), 409, "not_ready")


def test_no_row_appears_for_a_case_that_is_gone(app, client, url, save, monkeypatch, assert_error):
    """A deletion between the check and the row wins."""
    measure = mask_versions.findings_of

    def delete_first(*args):
        with app.app_context():
            assert app.test_client().delete(url).status_code == 204
        return measure(*args)

    monkeypatch.setattr(mask_versions, "findings_of", delete_first)
    assert_error(save(), 404, "not_found")
    with app.app_context():
        assert db.session.query(StoredMask).count() == 0


def test_a_full_disk_takes_no_correction(client, save, assert_error, monkeypatch):
    monkeypatch.setattr("app.web.quotas.free_bytes", lambda: 0)
    assert_error(save(), 507, "disk_full")


def test_a_case_that_is_deleted_right_after_its_version_was_added(
    app, upload, run_queue, client, monkeypatch, assert_error
):
    case_id = upload().json["id"]
    run_queue()
    mask = image_of(client.get(f"/api/cases/{case_id}/segmentation.nii.gz").data)
    append = mask_versions._append

    def then_delete(*args):
        number = append(*args)
        removal.remove(cases.find(case_id))
        return number

    monkeypatch.setattr(mask_versions, "_append", then_delete)
    file = file_of(changed(mask), mask.affine)
    answer = client.post(f"/api/cases/{case_id}/masks", data={"mask": file})
    assert_error(answer, 404, "not_found")
