import time

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from app.analysis.lesions import largest
from app.analysis.rano import measure_rano, outline
from model.geometry import to_canonical
from tests.phantoms import orientations, turned

PLAIN = np.eye(4)


def ellipsoid(shape, centre, radii, degrees=0.0):
    """Return a mask (X, Y, Z) bool; radii in voxels, turned in the axial plane."""
    grid = np.stack(np.indices(shape), axis=-1) - np.array(centre)
    grid = grid @ Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return ((grid / np.array(radii)) ** 2).sum(axis=-1) <= 1


def mm(points, affine):
    return np.array(points) @ affine[:3, :3].T + affine[:3, 3]


@pytest.mark.parametrize("degrees", [0, 17, 45, 90])
def test_diameters_of_an_ellipsoid(degrees):
    mask = ellipsoid((80, 80, 40), (41.3, 38.8, 19), (30, 18, 15), degrees)
    found = measure_rano(mask, PLAIN)
    assert found.longest_mm == pytest.approx(60, abs=1)
    assert found.perpendicular_mm == pytest.approx(36, abs=1)
    assert found.product_mm2 == pytest.approx(60 * 36, rel=0.04)
    assert found.slice in (18, 19, 20)
    assert found.measurable


def test_ends_lie_where_the_lengths_say_and_at_right_angles():
    found = measure_rano(ellipsoid((50, 60, 20), (24, 29, 9), (11, 19, 7), 30), PLAIN)
    first, second = np.array(found.longest_ends), np.array(found.perpendicular_ends)
    assert np.linalg.norm(np.diff(first, axis=0)) == pytest.approx(found.longest_mm, abs=0.01)
    assert np.linalg.norm(np.diff(second, axis=0)) == pytest.approx(
        found.perpendicular_mm, abs=0.01
    )
    assert np.diff(first, axis=0) @ np.diff(second, axis=0).T == pytest.approx(0, abs=0.05)
    assert {*first[:, 2], *second[:, 2]} == {9.0}


def test_voxels_of_any_size_and_slant():
    shape, radii_mm = (90, 60, 30), np.array((24.0, 15.0, 12.0))
    spacing = np.array((0.6, 0.9, 3.0))
    mask = ellipsoid(shape, (44, 30, 14), radii_mm / spacing)
    straight = measure_rano(mask, np.diag([*spacing, 1]))
    assert straight.longest_mm == pytest.approx(48, abs=0.9)
    assert straight.perpendicular_mm == pytest.approx(30, abs=0.9)
    oblique = np.eye(4)
    turn = Rotation.from_euler("xyz", (12, -9, 20), degrees=True).as_matrix()
    oblique[:3] = np.c_[turn @ np.diag(spacing), (10, -40, 7)]
    assert measure_rano(mask, oblique) == straight


def test_a_sheared_grid_is_measured_in_mm():
    mask = np.zeros((30, 30, 3), bool)
    mask[5:25, 10:15] = True
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    ends = measure_rano(mask, sheared).longest_ends
    apart = np.linalg.norm(np.diff(mm(ends, sheared), axis=0))
    assert measure_rano(mask, sheared).longest_mm == pytest.approx(apart, abs=0.01)


@pytest.mark.parametrize("axes", list(orientations()), ids="".join)
def test_orientation_changes_nothing(axes):
    affine = np.diag([1.0, 0.8, 2.0, 1.0])
    mask = ellipsoid((40, 50, 12), (17, 25, 6), (9, 14, 4), 25)
    # A square beside it has two equally long diagonals.
    mask[30:38, 4:12, 2:4] = True
    expected = measure_rano(mask, affine)
    array, turned_affine = turned(mask.astype(np.uint8), affine, axes)
    canonical, grid = to_canonical(array, turned_affine)
    assert measure_rano(canonical.astype(bool), grid) == expected


def test_ties_do_not_depend_on_the_direction():
    square = np.zeros((14, 14, 2), bool)
    square[2:12, 2:12] = True
    square[2, 2] = False
    found = {
        (turn.longest_mm, turn.perpendicular_mm)
        for k in range(4)
        for turn in [measure_rano(np.rot90(square, k), PLAIN)]
    }
    assert len(found) == 1


def test_no_chord_across_the_longest_diameter_is_longer():
    """Against the slow reference: every chord of the hull, cut by half-planes."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        mask = np.zeros((30, 30, 1), bool)
        mask[tuple(rng.integers(8, 22, (2, 12))), 0] = True
        mask[15, :, 0] = mask[:, 15, 0] = True
        mask = largest(mask)
        points = outline(mask[..., 0])
        found = measure_rano(mask, PLAIN)
        assert found.longest_mm == pytest.approx(pdist(points).max(), abs=0.01)
        first, last = np.array(found.longest_ends)[:, :2]
        direction = (last - first) / np.linalg.norm(last - first)
        across = np.array((-direction[1], direction[0]))
        equations = ConvexHull(points).equations
        lengths = []
        for share in np.linspace(0, 1, 2001)[1:-1]:
            start = first + share * (last - first)
            slope, rest = equations[:, :2] @ across, -(equations[:, :2] @ start + equations[:, 2])
            with np.errstate(divide="ignore"):
                limits = rest / slope
            lengths.append(limits[slope > 1e-9].min() - limits[slope < -1e-9].max())
        assert found.perpendicular_mm == pytest.approx(max(lengths), abs=0.05)


def test_the_largest_lesion_counts():
    mask = np.zeros((60, 60, 10), bool)
    mask[5:25, 5:25, 2:8] = True
    # Longer, but less of it.
    mask[40, 2:58, 5] = True
    found = measure_rano(mask, PLAIN)
    assert all(point[0] < 30 for point in found.longest_ends)


def test_across_a_necrotic_centre():
    ring = ellipsoid((50, 50, 9), (25, 25, 4), (20, 20, 20))
    ring &= ~ellipsoid((50, 50, 9), (25, 25, 4), (16, 16, 16))
    found = measure_rano(ring, PLAIN)
    assert found.longest_mm == pytest.approx(40, abs=1)
    assert found.perpendicular_mm == pytest.approx(40, abs=1)


@pytest.mark.parametrize(
    ("edges", "measurable"),
    [((10, 10, 2), True), ((30, 9, 2), False), ((30, 30, 1), False), ((9, 6, 5), False)],
)
def test_measurable(edges, measurable):
    mask = np.zeros((40, 40, 8), bool)
    mask[2 : 2 + edges[0], 3 : 3 + edges[1], 1 : 1 + edges[2]] = True
    assert measure_rano(mask, PLAIN).measurable is measurable


@pytest.mark.parametrize(
    ("step_mm", "edge", "measurable"),
    [(5.0, 10, True), (6.0, 11, False), (6.0, 12, True), (8.0, 12, False)],
)
def test_thick_slices_ask_for_larger_lesions(step_mm, edge, measurable):
    mask = np.zeros((40, 40, 8), bool)
    mask[2:36, 3 : 3 + edge, 1:4] = True
    affine = np.diag([1.0, 1.0, step_mm, 1.0])
    assert measure_rano(mask, affine).measurable is measurable


def test_smallest_and_none():
    mask = np.zeros((6, 6, 6), bool)
    assert measure_rano(mask, PLAIN) is None
    mask[0, 0, 0] = True
    found = measure_rano(mask, PLAIN)
    assert (found.longest_mm, found.perpendicular_mm, found.slice) == (1, 1, 0)
    assert not found.measurable


def test_up_to_every_border():
    found = measure_rano(np.ones((12, 8, 3), bool), PLAIN)
    assert found.longest_mm == pytest.approx(np.hypot(12, 7), abs=0.01)


def test_moved():
    mask = np.zeros((20, 20, 9), bool)
    mask[4:16, 6:18, 3:7] = True
    inner = measure_rano(mask[4:16, 6:18, 3:7], PLAIN)
    assert inner.moved((4, 6, 3)) == measure_rano(mask, PLAIN)


def test_quick_enough_for_every_case():
    """A rim as large as that of the largest BraTS cases; it takes about 20 ms."""
    mask = ellipsoid((90, 90, 60), (45, 45, 30), (40, 30, 28))
    mask &= ~ellipsoid((90, 90, 60), (45, 45, 30), (34, 24, 24))
    seconds = []
    for _ in range(5):
        start = time.thread_time()
        measure_rano(mask, PLAIN)
        seconds.append(time.thread_time() - start)
    # Far more than the 50 ms that are aimed at: beside other work the best of five has taken 0.1 s.
    assert min(seconds) < 0.4
