import numpy as np
import pytest

from app.measure import largest_slice, measure, volumes_ml, voxel_ml
from model.labels import CORE, EDEMA, ENHANCING


def box(shape=(20, 30, 40)):
    labels = np.zeros(shape, np.uint8)
    labels[2:12, 5:15, 10:20] = EDEMA
    labels[4:9, 6:11, 12:17] = ENHANCING
    labels[5:7, 7:9, 13:15] = CORE
    return labels


def test_volumes_of_boxes():
    found = volumes_ml(box(), np.diag([1.0, 1.0, 2.0, 1.0]))
    assert found == {
        "edema": (1000 - 125) * 2 / 1000,
        "enhancing": (125 - 8) * 2 / 1000,
        "core": 8 * 2 / 1000,
        "tumor_core": 125 * 2 / 1000,
        "whole_tumor": 1000 * 2 / 1000,
    }


def test_volume_comes_from_the_affine():
    angle = np.deg2rad(30)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    oblique = np.eye(4)
    oblique[:3, :3] = turn @ np.diag([0.5, 2.0, 3.0])
    assert voxel_ml(oblique) == pytest.approx(0.003)
    assert voxel_ml(np.diag([-1.0, -1.0, 1.0, 1.0])) == pytest.approx(0.001)


def test_slices_are_counted_in_the_canonical_volume():
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2, 3:9, 4:8] = EDEMA
    labels[1, 5, 4] = CORE
    # Stored towards left and posterior: canonical indices run the other way.
    found = measure(labels, np.diag([-1.0, -1.0, 1.0, 1.0]), brain_voxels=500)
    assert found["slices"]["sagittal"] == {"count": 10, "largest": 10 - 1 - 2}
    assert found["slices"]["axial"] == {"count": 14, "largest": 4}
    assert found["slices"]["coronal"]["count"] == 12
    assert found["brain_ml"] == 0.5
    assert found["voxel_ml"] == 0.001


def test_nothing_marked():
    empty = np.zeros((8, 8, 8), np.uint8)
    found = measure(empty, np.eye(4), 0)
    assert set(found["volumes_ml"].values()) == {0.0}
    assert largest_slice(empty, "axial") is None


def test_phantom_volumes(phantom):
    case, labels = phantom
    found = volumes_ml(labels, case.affine)
    assert found["whole_tumor"] == pytest.approx(np.count_nonzero(labels) / 1000)
    assert found["tumor_core"] == pytest.approx(found["core"] + found["enhancing"])
