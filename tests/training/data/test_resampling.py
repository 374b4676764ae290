"""Cases on other voxels: the same patient, on another grid."""

import numpy as np
import pytest

from model.geometry import spacing_mm
from model.io.case import Case
from model.phantom import make_case
from training.data.resampling import with_voxels

SHAPE = (88, 104, 80)


@pytest.fixture(scope="module")
def phantom():
    return make_case(shape=SHAPE)


def corner(affine: np.ndarray) -> np.ndarray:
    return (affine @ [-0.5, -0.5, -0.5, 1])[:3]


@pytest.mark.parametrize("edges", [(1, 1, 4), (0.8, 0.8, 2.5), (2, 1, 1)])
def test_the_patient_stays_where_it_was_and_as_large(phantom, edges):
    case, labels = phantom
    other, other_labels = with_voxels(case, labels, edges)
    np.testing.assert_allclose(spacing_mm(other.affine), edges)
    np.testing.assert_allclose(corner(other.affine), corner(case.affine), atol=1e-9)
    assert other.shape == other_labels.shape
    np.testing.assert_allclose(np.multiply(other.shape, edges), SHAPE, atol=max(edges) / 2)
    for before, after in (
        (case.data.any(axis=-1), other.data.any(axis=-1)),
        (labels, other_labels),
    ):
        volume, other_volume = np.count_nonzero(before), np.count_nonzero(after) * np.prod(edges)
        # The small phantom's tumour has borders of a voxel everywhere.
        assert abs(other_volume / volume - 1) < 0.08
        places = [
            (affine @ [*np.mean(np.nonzero(mask), axis=1), 1])[:3]
            for affine, mask in ((case.affine, before), (other.affine, after))
        ]
        np.testing.assert_allclose(*places, atol=0.3)


def test_the_same_voxels_change_nothing(phantom):
    case, labels = phantom
    same, same_labels = with_voxels(case, labels, (1, 1, 1))
    np.testing.assert_array_equal(same.affine, case.affine)
    np.testing.assert_allclose(same.data, case.data, rtol=1e-6)
    np.testing.assert_array_equal(same_labels, labels)


def test_thick_slices_are_blurred_across_and_not_along():
    data = np.ones((20, 20, 40, 4), np.float32)
    data[10, 10, 20] = 101
    case = Case(data, np.eye(4))
    thick, _ = with_voxels(case, np.zeros(case.shape, np.uint8), (1, 1, 4))
    bright = thick.data[..., 0] - 1
    assert thick.shape == (20, 20, 10)
    assert np.count_nonzero(bright.sum(axis=2) > 1e-3) == 1
    # The peak is shared among the slices near it, and none of it is lost.
    assert np.count_nonzero(bright[10, 10] > 1) >= 2 and bright.max() < 50
    np.testing.assert_allclose(4 * bright.sum(), 100, rtol=0.1)
