"""Masks subtracted from each other, on cubes whose volumes can be counted."""

import numpy as np

from app.analysis.series import NewLesions
from app.analysis.subtraction import Moved, new_lesions, subtract
from model.labels import ENHANCING

EDEMA = 2
GRID = np.diag([1.0, 1.0, 2.0, 1.0])


def grid():
    return np.zeros((60, 60, 40), np.uint8)


def cube(labels, start, edges, value=ENHANCING):
    x, y, z = start
    labels[x : x + edges[0], y : y + edges[1], z : z + edges[2]] = value
    return labels


def test_gained_lost_and_kept():
    # Voxels of 2 mm³. 1000 before, 1000 now, moved by 3 of 10 voxels along x: 300 voxels are 0.6 mL.
    before, now = cube(grid(), (10, 10, 10), (10, 10, 10)), cube(grid(), (13, 10, 10), (10, 10, 10))
    found = subtract(before, now, GRID)
    assert found.regions["enhancing"] == Moved(gained_ml=0.6, lost_ml=0.6, kept_ml=1.4)
    assert found.regions["whole_tumor"] == found.regions["enhancing"]
    assert found.regions["edema"] == Moved(0.0, 0.0, 0.0)
    assert found.new_lesions.count == 0


def test_what_changes_its_region_is_lost_here_and_gained_there():
    before, now = cube(grid(), (10, 10, 10), (5, 10, 10)), grid()
    cube(now, (10, 10, 10), (5, 10, 10), EDEMA)
    found = subtract(before, now, GRID).regions
    assert found["enhancing"] == Moved(0.0, 1.0, 0.0)
    assert found["edema"] == Moved(1.0, 0.0, 0.0)
    assert found["whole_tumor"] == Moved(0.0, 0.0, 1.0)


def test_nothing_marked():
    found = subtract(grid(), grid(), GRID)
    assert found.regions["whole_tumor"] == Moved(0.0, 0.0, 0.0)
    assert found.new_lesions == NewLesions(0, 0, 0.0)


def test_new_lesions():
    before = cube(grid(), (10, 10, 10), (10, 10, 10))
    now = cube(before.copy(), (40, 40, 10), (12, 12, 6))
    # 12 x 12 mm on 6 slices can be measured: 864 voxels of 2 mm³.
    assert new_lesions(before, now, GRID) == NewLesions(1, 1, 1.728)
    # Smaller than 10 mm, and one of 24 voxels (0.048 mL), which does not count.
    small = cube(before.copy(), (40, 40, 10), (5, 5, 5))
    assert new_lesions(before, cube(small, (50, 10, 30), (2, 3, 4)), GRID) == NewLesions(1, 0, 0.25)


def test_what_lies_beside_the_earlier_core_is_not_new():
    before = cube(grid(), (10, 10, 10), (10, 10, 10))
    # The last voxel of the core is 19: 4 mm away, and 5 mm.
    near, far = (cube(before.copy(), (start, 10, 10), (6, 6, 6)) for start in (23, 24))
    assert new_lesions(before, near, GRID).count == 0
    assert new_lesions(before, far, GRID).count == 1
    # Across slices of 2 mm: the last is 19, and 22 is 6 mm away.
    above = cube(before.copy(), (10, 10, 22), (6, 6, 6))
    assert new_lesions(before, above, GRID).count == 1
    # Earlier edema alone makes no lesion old.
    edema = cube(grid(), (10, 10, 10), (20, 20, 20), EDEMA)
    assert new_lesions(edema, cube(grid(), (15, 15, 15), (6, 6, 6)), GRID).count == 1


def test_all_is_new_where_there_was_nothing():
    now = cube(grid(), (10, 10, 10), (10, 10, 10))
    assert new_lesions(grid(), now, GRID) == NewLesions(1, 1, 2.0)
