"""Whole sequences for the viewer."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest

from app.web import api_volumes
from app.web.volume_files import compact
from model.io.modalities import MODALITIES
from model.io.nifti import DISCLAIMER, Volume


def url(case_id: str, modality: str) -> str:
    return f"/api/cases/{case_id}/volumes/{modality}.nii.gz"


def image_of(response) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(response.data))


@pytest.mark.parametrize("modality", MODALITIES)
def test_sequence_comes_back_on_its_grid(finished, phantom, modality):
    response = finished.client.get(url(finished.id, modality))
    assert response.status_code == 200
    image, (case, _) = image_of(response), phantom
    expected = np.rint(case.data[..., MODALITIES.index(modality)])
    np.testing.assert_array_equal(image.get_fdata(), expected)
    np.testing.assert_allclose(image.affine, case.affine)


def test_answer_is_a_private_attachment_that_stays_a_gzip(finished):
    response = finished.client.get(url(finished.id, "t1"), headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers
    assert response.mimetype == "application/gzip"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Cache-Control"].startswith("private")
    again = {"If-None-Match": response.headers["ETag"]}
    assert finished.client.get(url(finished.id, "t1"), headers=again).status_code == 304
    other = finished.client.get(url(finished.id, "t2"), headers=again)
    assert other.status_code == 200


def test_nothing_of_the_uploaded_header_is_passed_on(upload, run_queue, client, scans):
    image = nib.Nifti1Image.from_bytes(gzip.decompress(scans["flair"].read_bytes()))
    for field in ("descrip", "aux_file", "intent_name"):
        image.header[field] = b"SECRET"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"SECRET"))
    named = io.BytesIO(gzip.compress(image.to_bytes()))
    case_id = upload(flair=(named, "patient_flair.nii.gz")).json["id"]
    run_queue()
    found = gzip.decompress(client.get(url(case_id, "flair")).data)
    assert b"SECRET" not in found
    assert DISCLAIMER.encode() in found


def test_confidence_lies_on_the_grid_and_agrees_with_the_measurements(finished, phantom):
    response = finished.client.get(f"/api/cases/{finished.id}/confidence.nii.gz")
    assert response.mimetype == "application/gzip"
    image, (case, _) = image_of(response), phantom
    assert image.shape == case.shape
    np.testing.assert_allclose(image.affine, case.affine)
    probability = image.get_fdata()
    assert 0 < probability.min() < 1
    assert probability.max() == pytest.approx(1)
    mask = image_of(finished.client.get(f"/api/cases/{finished.id}/segmentation.nii.gz"))
    answer = finished.client.get(f"/api/cases/{finished.id}").json
    mean = probability[np.asarray(mask.dataobj) > 0].mean()
    assert mean == pytest.approx(answer["measurements"]["confidence"]["whole_tumor"], abs=1e-3)


def test_missing_sequence_is_named(finished_without, assert_error):
    finished, missing = finished_without
    error = assert_error(finished.client.get(url(finished.id, missing)), 404, "modality_not_given")
    assert "without" in error["message"]
    assert_error(finished.client.get(url(finished.id, "seg")), 404, "not_found")


def test_unfinished_case_has_no_volumes_to_look_at(upload, client, assert_error):
    assert_error(client.get(url(upload().json["id"], "t1")), 409, "not_ready")


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], np.uint8),
        ([-3, 255], np.int16),
        ([0, 30_000], np.int16),
        ([0, 70_000], np.int16),
        ([0.0, 0.5, 1.0], np.int16),
        ([-1e6, 0.25, 1e6], np.int16),
        ([0.1, 0.1], np.int16),
    ],
)
def test_compact_keeps_intensities(values, dtype):
    values = np.array(values, np.float32).reshape(1, 1, -1)
    found = compact(values)
    stored, (slope, inter) = found.of(values), found.scaling
    assert stored.dtype == dtype
    tolerance = 0 if slope == 1 and inter == 0 else slope
    np.testing.assert_allclose(stored * slope + inter, values, atol=tolerance)


def test_scaled_intensities_survive_the_file(finished, monkeypatch):
    with finished.app.test_request_context():
        geometry = api_volumes.cases.find(finished.id).record.geometry
    scan = np.linspace(0, 1, geometry.voxels, dtype=np.float32).reshape(geometry.shape)
    volume = Volume(scan, geometry.affine_array, None)
    monkeypatch.setattr(api_volumes, "read_volume", lambda *_, **__: volume)
    image = image_of(finished.client.get(url(finished.id, "t1ce")))
    assert image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.get_fdata(), scan, atol=1e-4)
