import numpy as np
import pytest

from app.analysis.lesions import MIN_LESION_ML, count, largest, locate

ORIGIN = (0.0, 0.0, 0.0)


def test_neighbours_across_a_corner_are_one_lesion():
    mask = np.zeros((20, 20, 20), bool)
    mask[0:5, 0:5, 0:5] = True
    mask[5:10, 5:10, 5:10] = True
    assert count(mask, 0.001) == 1
    mask[4, 4, 4] = False
    assert count(mask, 0.001) == 2


def test_islands_below_the_limit_are_not_counted():
    voxels = round(MIN_LESION_ML * 1000)
    mask = np.zeros((80, 5, 5), bool)
    mask[:voxels, 0, 0] = True
    mask[: voxels - 1, 4, 4] = True
    assert count(mask, 0.001) == 1
    assert count(mask, 0.002) == 2
    assert count(np.zeros((4, 4, 4), bool), 0.001) == 0
    assert count(np.ones((4, 4, 4), bool), 0.001) == 1


def test_largest():
    mask = np.zeros((20, 20, 20), bool)
    mask[2:5, 2:5, 2:5] = True
    mask[10:18, 10:12, 10:12] = True
    kept = largest(mask)
    assert kept.dtype == bool and kept.shape == mask.shape
    assert np.count_nonzero(kept) == 32
    assert kept[12, 11, 11]


@pytest.mark.parametrize(
    ("first", "last", "side", "share"),
    [(2, 6, "left", 1.0), (14, 18, "right", 0.0), (8, 13, "both", 0.5), (9, 28, "right", 1.5 / 19)],
)
def test_sides(first, last, side, share):
    mask = np.zeros((30, 10, 10), bool)
    mask[first:last, 3:6, 3:6] = True
    found = locate(mask, np.eye(4), (10.0, 0.0, 0.0))
    assert found.side == side
    assert found.left_share == pytest.approx(share, abs=1e-4)


def test_left_is_the_patient_s_in_every_orientation():
    mask = np.zeros((30, 10, 10), bool)
    mask[2:6, 3:6, 3:6] = True
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = 20.0
    # Voxel 10 lies at 10 mm in both.
    assert locate(mask, np.eye(4), (10.0, 0.0, 0.0)).side == "left"
    assert locate(mask, flipped, (10.0, 0.0, 0.0)).side == "right"


def test_centre_of_mass():
    mask = np.zeros((12, 12, 12), bool)
    mask[2:5, 4:9, 6:10] = True
    affine = np.array([[0, -2.0, 0, 5], [1.0, 0, 0, 0], [0, 0, 3.0, -7], [0, 0, 0, 1]])
    assert locate(mask, affine, ORIGIN).centre_mm == (-2 * 6 + 5, 3, 3 * 7.5 - 7)


def test_nothing():
    assert locate(np.zeros((5, 5, 5), bool), np.eye(4), ORIGIN) is None


def test_the_centre_is_also_told_from_the_brains():
    mask = np.zeros((12, 12, 12), bool)
    mask[2:5, 4:9, 6:10] = True
    # BraTS: the origin of coordinates lies at a corner, so that the right has a negative x.
    affine = np.array([[-1.0, 0, 0, 0], [0, -1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1]])
    found = locate(mask, affine, (-10.0, -2.0, 7.5))
    assert found.centre_mm == (-3, -6, 7.5)
    assert found.centre_from_brain_mm == (7, -4, 0)
