"""A case whose FLAIR lies elsewhere: prepared, shown on every grid, and prepared again."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from model.io.modalities import MODALITIES
from model.io.nifti import encode, read_volume, write_scan
from tests.app.conftest import file_parts

# How far FLAIR's header puts it from the others, in mm.
SHIFT_MM = np.array([12.0, -5.0, 4.0])


@pytest.fixture
def elsewhere(scans, tmp_path):
    """The small case with FLAIR in another order of voxels and, by its header, at another place."""
    volume = read_volume(scans["flair"])
    affine = volume.affine.copy()
    affine[:3, 3] += SHIFT_MM
    turn = np.array([[1, 1], [0, -1], [2, 1]])
    data = nib.apply_orientation(volume.data, turn).astype(np.int16)
    affine = affine @ nib.orientations.inv_ornt_aff(turn, volume.data.shape)
    path = tmp_path / "flair.nii.gz"
    write_scan(path, data, affine)
    return scans | {"flair": path}


@pytest.fixture
def native(client, elsewhere, run_queue) -> str:
    """The address of that case, segmented."""
    url = client.post("/api/cases", data=file_parts(elsewhere)).json["url"]
    run_queue()
    return url


def image(response) -> nib.Nifti1Image:
    assert response.status_code == 200, response.text
    return nib.Nifti1Image.from_bytes(gzip.decompress(response.data))


def volume_ml(mask: nib.Nifti1Image) -> float:
    voxel = abs(np.linalg.det(mask.affine[:3, :3]))
    return np.count_nonzero(np.asarray(mask.dataobj)) * voxel / 1000


def test_what_was_done_is_told(client, native):
    found = client.get(native).json
    assert found["state"] == "done", found["error"]
    preparation = found["preparation"]
    assert (preparation["reference"], preparation["source"]) == ("t1ce", "nifti")
    assert preparation["brain_extracted"] is False
    assert preparation["brain_ml"] == pytest.approx(found["measurements"]["brain_ml"], abs=0.01)
    flair = preparation["registered"]["flair"]
    assert flair["translation_mm"] == pytest.approx(np.linalg.norm(SHIFT_MM), abs=1)
    assert flair["rotation_deg"] < 2 and flair["agreement"] > 0.95
    assert {"register", "resample", "inference"} <= found["timings_s"].keys()


def test_masks_lie_on_every_scans_own_grid(client, native, elsewhere):
    whole = image(client.get(f"{native}/segmentation.nii.gz"))
    for modality in MODALITIES:
        mask = image(client.get(f"{native}/segmentation.nii.gz?grid={modality}"))
        scan = read_volume(elsewhere[modality])
        assert mask.shape == scan.data.shape
        np.testing.assert_allclose(mask.affine, scan.affine, atol=1e-4)
        assert volume_ml(mask) == pytest.approx(volume_ml(whole), rel=0.05)
    # The tumour lies in FLAIR where its own header puts it.
    own = image(client.get(f"{native}/segmentation.nii.gz?grid=flair"))
    centres = [
        nib.affines.apply_affine(m.affine, np.argwhere(np.asarray(m.dataobj)).mean(axis=0))
        for m in (own, whole)
    ]
    np.testing.assert_allclose(centres[0] - centres[1], SHIFT_MM, atol=1.5)


def test_a_grid_is_that_of_a_sequence(client, native, assert_error):
    assert_error(client.get(f"{native}/segmentation.nii.gz?grid=ct"), 400, "bad_parameter")


def test_a_grid_of_a_sequence_that_is_missing(client, scans, run_queue, assert_error):
    three = {key: path for key, path in scans.items() if key != "t1"}
    url = client.post("/api/cases", data=file_parts(three)).json["url"]
    run_queue()
    answer = client.get(f"{url}/segmentation.nii.gz?grid=t1")
    assert_error(answer, 404, "modality_not_given")


def test_sequences_are_shown_on_the_reference(client, native, scans):
    shown = image(client.get(f"{native}/volumes/flair.nii.gz"))
    mask = image(client.get(f"{native}/segmentation.nii.gz"))
    np.testing.assert_allclose(shown.affine, mask.affine, atol=1e-4)
    original = read_volume(scans["flair"]).data
    assert np.corrcoef(shown.get_fdata().ravel(), original.ravel())[0, 1] > 0.95


def test_the_brain_is_a_mask_on_the_reference(client, native, scans):
    brain = image(client.get(f"{native}/brain.nii.gz"))
    expected = read_volume(scans["t1ce"]).data > 0
    np.testing.assert_array_equal(np.asarray(brain.dataobj) > 0, expected)


def test_the_page_shows_each_sequence_over_the_reference(client, native):
    page = client.get(native.replace("/api", "") + "/preparation").text
    for title in ("FLAIR over T1ce", "T1 over T1ce", "T2 over T1ce"):
        assert title in page
    assert "moved by 13." in page
    plain = client.get(f"{native}/overlay/axial/40.png?regions=")
    outlined = client.get(f"{native}/overlay/axial/40.png?regions=&brain=1")
    before, after = (np.asarray(Image.open(io.BytesIO(r.data))) for r in (plain, outlined))
    different = (before != after).any(axis=-1)
    assert 50 < np.count_nonzero(different) < 2000
    assert {tuple(colour) for colour in after[different]} == {(0x39, 0xC5, 0xE8)}


def test_a_case_is_prepared_again(client, native, run_queue, assert_error):
    assert_error(client.post(f"{native}/preparation", data={"start": "x"}), 400, "bad_parameter")
    answer = client.post(f"{native}/preparation", data={"start": "centres"})
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert_error(client.post(f"{native}/preparation"), 409, "not_ready")
    run_queue()
    found = client.get(native).json
    assert (found["state"], found["attempts"]) == ("done", 1)
    assert found["preparation"]["registered"]["flair"]["agreement"] > 0.95


def test_a_drawn_brain_counts_until_the_case_is_prepared_again(
    client, native, scans, run_queue, assert_error
):
    volume = read_volume(scans["t1ce"])
    drawn = (volume.data > 0).astype(np.uint8)
    drawn[: len(drawn) // 4] = 0
    file = (io.BytesIO(encode(drawn, volume.affine)), "brain.nii")
    answer = client.post(f"{native}/masks?kind=brain", data={"mask": file})
    assert answer.status_code == 202
    run_queue()
    found = client.get(native).json
    assert found["preparation"]["brain_drawn"] is True
    assert found["measurements"]["brain_ml"] == pytest.approx(drawn.sum() / 1000, rel=0.01)
    client.post(f"{native}/preparation", data={"start": "auto"})
    run_queue()
    assert client.get(native).json["preparation"]["brain_drawn"] is False
    empty = (io.BytesIO(encode(drawn * 0, volume.affine)), "brain.nii")
    refused = client.post(f"{native}/masks?kind=brain", data={"mask": empty})
    assert_error(refused, 422, "no_brain")


def test_a_correction_is_not_undone_and_lies_on_every_grid(client, native, assert_error):
    mask = image(client.get(f"{native}/segmentation.nii.gz"))
    values = np.asarray(mask.dataobj).copy()
    values[values > 0] = 2
    file = (io.BytesIO(encode(values.astype(np.uint8), mask.affine)), "mask.nii")
    assert client.post(f"{native}/masks", data={"mask": file}).status_code == 201
    own = image(client.get(f"{native}/segmentation.nii.gz?grid=flair"))
    assert set(np.unique(np.asarray(own.dataobj))) == {0, 2}
    assert volume_ml(own) == pytest.approx(volume_ml(mask), rel=0.05)
    assert_error(client.post(f"{native}/preparation"), 422, "mask_corrected")
