"""Slices at a window that a reader chose."""

import io

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from app.reporting.rendering import picture_slice
from app.reporting.windows import greys


def test_black_and_white_are_those_of_the_window():
    values = np.array([-5.0, 0.0, 100.0, 150.0, 200.0, 900.0], np.float32)
    assert greys(values, (100.0, 200.0)).tolist() == [0, 0, 0, 128, 255, 255]


def test_a_slice_has_the_intensities_of_the_scan(finished, scans):
    scan = nib.as_closest_canonical(nib.load(scans["t2"]))
    values = picture_slice(np.asarray(scan.dataobj, np.float32), "axial", 40)
    low, high = np.percentile(values[values > 0], (20, 80))
    url = f"/api/cases/{finished.id}/overlay/axial/40.png?modality=t2&opacity=0"
    answer = finished.client.get(f"{url}&window={low},{high}")
    shown = np.asarray(Image.open(io.BytesIO(answer.data)))[..., 0]
    assert np.array_equal(shown, greys(values, (low, high)))


@pytest.mark.parametrize(
    "window", ["", "1", "2,1", "1,1", "nan,2", "0,inf", "a,b", "1,2,3", "0,1e39"]
)
def test_what_is_no_window_is_refused(finished, assert_error, window):
    url = f"/api/cases/{finished.id}/overlay/axial/40.png"
    assert_error(finished.client.get(url, query_string={"window": window}), 400, "bad_parameter")


def test_no_such_slice(finished):
    url = f"/api/cases/{finished.id}/overlay/axial/400.png?window=0,1"
    assert finished.client.get(url).status_code == 404
