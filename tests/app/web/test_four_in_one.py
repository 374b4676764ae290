"""A 4-D file with all four sequences, as the Medical Segmentation Decathlon has them."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest

from model.io.modalities import MODALITIES
from model.phantom import make_case

NAME = "BRATS_001.nii.gz"


@pytest.fixture(scope="module")
def four() -> bytes:
    """The small case as one file; its volumes stand in the order T2, T1ce, T1, FLAIR."""
    case, _ = make_case(seed=1, shape=(80, 96, 72))
    data = np.rint(case.data[..., ::-1]).astype(np.int16)
    return gzip.compress(nib.Nifti1Image(data, case.affine).to_bytes(), 1)


def send(client, content: bytes, name: str = NAME, **fields):
    parts = {"files": (io.BytesIO(content), name)} | fields
    return client.post("/api/cases", data=parts)


def test_nothing_is_taken_in_silence(client, four, assert_error, app, assert_nothing_kept):
    error = assert_error(send(client, four), 422, "several_volumes")
    assert "4 volumes" in error["message"] and "confirm=1" in error["hint"]
    assert_nothing_kept(app)


def test_the_volumes_are_shown_and_told_apart_by_a_person(client, four, run_queue, phantom):
    answer = send(client, four, confirm="1")
    assert (answer.status_code, answer.json["state"]) == (202, "unconfirmed")
    url = answer.json["url"]
    rows = client.get(f"{url}/series").json["series"]
    assert [row["used_as"] for row in rows] == list(MODALITIES)
    assert {row["confidence"] for row in rows} == {0.5}
    assert rows[0]["description"] == f"Volume 1 of {NAME}"
    pictures = {client.get(row["picture"]).data for row in rows}
    assert len(pictures) == 4 and all(data[1:4] == b"PNG" for data in pictures)
    page = client.get(url.removeprefix("/api")).text
    assert "nothing in it says which is which" in page and "Volumes of the file" in page
    wanted = dict(zip(MODALITIES, [row["key"] for row in rows[::-1]], strict=True))
    assert client.post(f"{url}/series", data=wanted).status_code == 202
    run_queue()
    case = client.get(url).json
    assert case["state"] == "done"
    assert case["modalities"]["flair"] == f"Volume 4 of {NAME}"
    assert case["preparation"]["source"] == "nifti"
    assert case["measurements"]["volumes_ml"]["whole_tumor"] > 0
    volume = client.get(f"{url}/volumes/flair.nii.gz").data
    found = nib.Nifti1Image.from_bytes(gzip.decompress(volume)).get_fdata()
    np.testing.assert_array_equal(found, np.rint(phantom[0].data[..., 0]))


def test_wrong_choices_are_refused_and_the_case_still_waits(client, four, assert_error):
    url = send(client, four, confirm="1").json["url"]
    for wanted, code in (
        ({"flair": "volume-9"}, "unknown_series"),
        ({"flair": "volume-1", "t2": "volume-1"}, "duplicate_modality"),
        ({"flair": "", "t1": ""}, "missing_modality"),
    ):
        assert_error(client.post(f"{url}/series", data=wanted), 422, code)
    assert client.get(url).json["state"] == "unconfirmed"
    assert client.post(f"{url}/series", data={"t1": ""}).status_code == 202


def test_a_damaged_file_is_refused(client, four, assert_error, app, assert_nothing_kept):
    cut = gzip.compress(gzip.decompress(four)[:-9])
    for content, code in ((four[:-9], "corrupt_gzip"), (cut, "truncated")):
        error = assert_error(send(client, content, confirm="1"), 422, code)
        assert error["file"] == NAME
        assert_nothing_kept(app)
