"""What is drawn by hand is measured along the edges of voxels, as the viewer does."""

import numpy as np
import pytest

from app.analysis.drawn import AXES, Drawn, ellipse_axes, lines_of, measured, with_intensities

EDGES_MM = (1.0, 0.5, 3.0)


def drawn(kind, *points, number=1, plane="axial", index=4, text=""):
    return Drawn(number, f"a{number}", kind, plane, index, "t1ce", text, points)


def one(*args, **kwargs):
    return measured([drawn(*args, **kwargs)], EDGES_MM)[0]


def test_a_ruler_is_as_long_as_its_voxels():
    # 3 voxels of 1 mm across, 8 of 0.5 mm down.
    assert one("ruler", (2, 2, 4), (5, 10, 4)).length_mm == 5
    coronal = one("ruler", (0, 7, 0), (4, 7, 1), plane="coronal", index=7)
    assert coronal.length_mm == 5


def test_an_angle_is_that_at_its_second_point():
    assert one("angle", (4, 2, 4), (2, 2, 4), (2, 9, 4)).angle_deg == 90
    # 2 mm both ways.
    assert one("angle", (4, 6, 4), (2, 2, 4), (9, 2, 4)).angle_deg == 45
    assert one("angle", (2, 2, 4), (2, 2, 4), (9, 2, 4)).angle_deg == 90


def test_rano_lines_have_a_product():
    found = one("rano", (0, 0, 4), (4, 0, 4), (2, -10, 4), (2, 10, 4))
    assert (found.longest_mm, found.perpendicular_mm, found.product_mm2) == (10, 4, 40)


def test_two_rulers_of_one_slice_are_a_pair():
    items = [
        drawn("ruler", (0, 0, 4), (6, 0, 4)),
        drawn("ruler", (0, 0, 5), (9, 0, 5), number=2, index=5),
        drawn("angle", (0, 0, 4), (6, 0, 4), (6, 6, 4), number=3),
        drawn("ruler", (0, 0, 4), (0, 16, 4), number=4),
        drawn("ruler", (0, 0, 4), (0, 2, 4), number=5),
    ]
    first, other, _, second, third = measured(items, EDGES_MM)
    assert first.pair_with is other.pair_with is third.pair_with is None
    assert second.pair_with == 1 and second.length_mm == 8
    assert (second.longest_mm, second.perpendicular_mm, second.product_mm2) == (8, 6, 48)


@pytest.mark.parametrize("plane", AXES)
def test_an_ellipse_has_mean_and_range_of_what_it_holds(plane):
    across, down, through = AXES[plane]
    volume = np.random.default_rng(3).normal(size=(12, 14, 16)).astype(np.float32)
    corners = np.zeros((2, 3))
    corners[:, [across, down, through]] = [[2, 3, 6], [9.5, 9, 6]]
    item = drawn("ellipse", *map(tuple, corners), plane=plane, index=6)
    found = with_intensities(measured([item], EDGES_MM)[0], volume)
    # Slowly, voxel by voxel.
    held = []
    for place in np.ndindex(volume.shape):
        x, y = (place[across] - 5.75) / 3.75, (place[down] - 6) / 3
        if place[through] == 6 and x * x + y * y <= 1:
            held.append(volume[place])
    assert found.mean == pytest.approx(np.mean(held), abs=1e-3)
    assert (found.lowest, found.highest) == pytest.approx((min(held), max(held)), abs=1e-3)
    area = np.pi * 3.75 * EDGES_MM[across] * 3 * EDGES_MM[down]
    assert found.area_mm2 == pytest.approx(area, abs=1e-3)


def test_an_ellipse_outside_of_the_scan_has_no_intensities():
    volume = np.ones((5, 5, 5))
    for item in (
        drawn("ellipse", (0, 0, 9), (4, 4, 9), index=9),
        drawn("ellipse", (20, 20, 4), (24, 24, 4)),
    ):
        assert with_intensities(item, volume).mean is None


def test_lines_show_what_was_drawn():
    (ellipse,) = lines_of(drawn("ellipse", (0, 0, 4), (8, 6, 4)), EDGES_MM)
    assert ellipse.min(axis=0) == pytest.approx((0, 0, 4))
    assert ellipse.max(axis=0) == pytest.approx((8, 6, 4))
    shaft, head = lines_of(drawn("arrow", (2, 3, 4), (20, 3, 4)), EDGES_MM)
    # It points to the first.
    assert tuple(shaft[0]) == tuple(head[1]) == (2, 3, 4)
    sides = (head[[0, 2]] - head[1]) * EDGES_MM
    assert np.linalg.norm(sides, axis=1) == pytest.approx(5)
    assert all(sides[:, 0] > 0) and sides[0, 1] == pytest.approx(-sides[1, 1])
    rano = drawn("rano", (0, 0, 4), (4, 0, 4), (2, -10, 4), (2, 10, 4))
    assert [len(line) for line in lines_of(rano, EDGES_MM)] == [2, 2]


def test_the_long_axis_of_an_ellipse_comes_first():
    # 4 mm across, 5 mm down.
    axes = ellipse_axes(drawn("ellipse", (0, 0, 4), (4, 10, 4)), EDGES_MM)
    assert axes.tolist() == [[2, 0, 4], [2, 10, 4], [0, 5, 4], [4, 5, 4]]
