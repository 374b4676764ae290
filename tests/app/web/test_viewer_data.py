"""What the viewer of the case page is told."""

import json

import nibabel as nib
import numpy as np
import pytest

from app.store import cases
from app.web import viewer_data
from model.io.modalities import MODALITIES


@pytest.fixture
def told(finished):
    with finished.app.test_request_context():
        return viewer_data.viewer_data(cases.find(finished.id))


def test_it_names_volumes_and_the_values_of_both_conventions(told):
    assert json.loads(json.dumps(told)) == json.loads(json.dumps(told))
    assert list(told["volumes"]) == list(MODALITIES)
    values = {region["key"]: region["values"] for region in told["regions"]}
    assert values == {"core": [1], "edema": [2], "enhancing": [3, 4]}


def test_orientation_and_affine_are_those_of_canonical_order(told, finished):
    with finished.app.test_request_context():
        affine = cases.find(finished.id).record.geometry.affine_array
    assert sorted(axis for axis, _ in told["orientation"]) == [0, 1, 2]
    assert nib.aff2axcodes(np.array(told["affine"])) == ("R", "A", "S")
    np.testing.assert_allclose(np.abs(np.linalg.det(affine[:3, :3])), np.prod(told["spacing_mm"]))


def test_the_rendering_is_offered_only_where_its_library_is(finished, monkeypatch, tmp_path):
    monkeypatch.setattr(finished.app, "static_folder", str(tmp_path))
    page = f"/cases/{finished.id}"
    assert "three_d" in finished.client.get(page).text
    assert 'data-part="three-d"' not in finished.client.get(page).text
    (tmp_path / "vendor").mkdir()
    (tmp_path / viewer_data.LIBRARY).write_text("")
    assert 'data-part="three-d"' in finished.client.get(page).text
