"""Sequences and mask of an earlier case on the grid of a later one."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from app.jobs.queue_runner import queue_runner
from app.store import pairs
from tests.app.conftest import app_on, close, file_parts
from tests.app.corrections import changed, file_of, image_of

# Voxels by which the earlier examination is said to lie elsewhere.
SHIFT = 5


@pytest.fixture(scope="module")
def two(tmp_path_factory, model_holder, scans):
    """Two cases of the same scans and one patient, the earlier said to lie 5 mm to the left of the later:
    `(client, later, earlier)`."""
    app = app_on(tmp_path_factory.mktemp("two"), model_holder)
    client = app.test_client()
    ids = [client.post("/api/cases", data=file_parts(scans)).json["id"] for _ in range(2)]
    with app.app_context():
        while queue_runner(app).run_next():
            pass
    for case_id, day in zip(ids, ("2024-01-10", "2024-04-02"), strict=True):
        client.patch(f"/api/cases/{case_id}/time-point", data={"study_date": day})
    key = client.get(f"/api/cases/{ids[0]}/time-point").json["patient"]
    client.patch(f"/api/cases/{ids[1]}/time-point", data={"patient": key})
    real = pairs.register_pair
    matrix = np.eye(4)
    matrix[0, 3] = SHIFT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pairs, "register_pair", lambda *given: replace(real(*given), matrix=matrix.tolist())
        )
        assert client.post(f"/api/cases/{ids[1]}/priors/{ids[0]}").status_code == 200
    yield client, ids[1], ids[0]
    close(app)


def canonical(response) -> nib.Nifti1Image:
    assert response.status_code == 200, response.text
    return nib.as_closest_canonical(image_of(response.data))


@pytest.mark.parametrize("modality", ["flair", "t1ce"])
def test_a_sequence_is_moved_with_its_own_numbers(two, modality):
    client, now, prior = two
    found = image_of(client.get(f"/api/cases/{now}/priors/{prior}/volumes/{modality}.nii.gz").data)
    plain = image_of(client.get(f"/api/cases/{now}/volumes/{modality}.nii.gz").data)
    np.testing.assert_allclose(found.affine, plain.affine)
    assert found.get_data_dtype() == plain.get_data_dtype()
    found, plain = (nib.as_closest_canonical(one).get_fdata() for one in (found, plain))
    np.testing.assert_array_equal(found[:-SHIFT], plain[SHIFT:])
    # What lies outside the earlier scan is as dark as its background.
    assert (found[-SHIFT:] == plain.min()).all()


def test_the_mask_is_moved_and_keeps_the_values_of_the_files(two):
    client, now, prior = two
    found = canonical(client.get(f"/api/cases/{now}/priors/{prior}/segmentation.nii.gz"))
    plain = canonical(client.get(f"/api/cases/{now}/segmentation.nii.gz"))
    np.testing.assert_allclose(found.affine, plain.affine)
    moved, there = found.get_fdata(), plain.get_fdata()
    np.testing.assert_array_equal(moved[:-SHIFT], there[SHIFT:])
    assert 4 in moved


def test_browsers_ask_again_and_are_told_that_nothing_changed(two):
    client, now, prior = two
    for name in ("volumes/t2.nii.gz", "segmentation.nii.gz"):
        url = f"/api/cases/{now}/priors/{prior}/{name}"
        first = client.get(url)
        assert first.headers["Cache-Control"] == "private, no-cache"
        again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_the_viewer_of_the_later_case_names_the_earlier(two):
    client, now, prior = two
    page, other = (client.get(f"/cases/{case_id}").text for case_id in (now, prior))
    assert f"/api/cases/{now}/priors/{prior}/volumes/t1ce.nii.gz" in page
    assert "2024-01-10" in page and 'value="prior"' in page
    assert "/priors/" not in other and 'value="prior"' not in other


def test_nothing_that_is_not_registered_is_handed_out(two, assert_error):
    client, now, prior = two
    for name in ("volumes/t2.nii.gz", "segmentation.nii.gz"):
        backwards = client.get(f"/api/cases/{prior}/priors/{now}/{name}")
        assert_error(backwards, 404, "not_registered")
        assert_error(client.get(f"/api/cases/{now}/priors/x/{name}"), 404, "not_found")


def test_a_corrected_mask_has_to_be_registered_again(two, assert_error):
    client, now, prior = two
    mask = image_of(client.get(f"/api/cases/{prior}/segmentation.nii.gz").data)
    url = f"/api/cases/{now}/priors/{prior}/segmentation.nii.gz"
    before = client.get(url)
    part = file_of(changed(mask), mask.affine)
    assert client.post(f"/api/cases/{prior}/masks", data={"mask": part}).status_code == 201
    assert_error(client.get(url), 404, "not_registered")
    client.post(f"/api/cases/{now}/priors/{prior}")
    # A browser that kept the mask of before is not told that it is still good.
    after = client.get(url, headers={"If-None-Match": before.headers["ETag"]})
    assert (canonical(after).get_fdata() == 4).sum() > (canonical(before).get_fdata() == 4).sum()
