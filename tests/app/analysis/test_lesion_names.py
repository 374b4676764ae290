"""Lesions one by one, and numbers that stay theirs over the versions of a mask."""

import numpy as np
import pytest

from app.analysis.lesion_names import listed, renumbered

SHAPE = (60, 50, 40)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def mask(*boxes):
    """A mask of boxes ((x, y, z), edge)."""
    found = np.zeros(SHAPE, bool)
    for (x, y, z), edge in boxes:
        found[x : x + edge, y : y + edge, z : z + edge] = True
    return found


def find(volume):
    return listed(volume, AFFINE, (30.0, 0.0, 0.0))


def carried(now, before, known, highest=None):
    highest = highest or max((one.number for one in known), default=0)
    return renumbered(find(now), now, known, before, highest)


LARGE, SMALL, FAR = ((4, 4, 4), 12), ((40, 10, 10), 8), ((20, 35, 28), 6)


def test_the_largest_comes_first_with_its_measures():
    first, second = find(mask(SMALL, LARGE, ((0, 0, 39), 1)))
    assert (first.number, second.number) == (1, 2)
    assert first.ml == pytest.approx(12**3 * 2 / 1000)
    assert (first.side, second.side) == ("left", "right")
    # From side to side of a square, to the edges of its voxels.
    assert 12 * 2**0.5 - 1 < first.longest_mm <= 12 * 2**0.5
    assert 4 <= first.slice < 16
    assert mask(LARGE)[first.point] and mask(SMALL)[second.point]
    assert first.point in {(x, y, z) for x in (9, 10) for y in (9, 10) for z in (9, 10)}
    assert find(mask()) == ()


def test_the_point_of_a_ring_lies_in_it():
    ring = mask(LARGE) & ~mask(((6, 6, 4), 8), ((6, 6, 8), 8))
    (one,) = find(ring)
    assert ring[one.point]


def test_a_side_needs_the_brains_centre():
    assert listed(mask(LARGE), AFFINE, None)[0].side is None


def test_names_stay_whatever_the_sizes_become():
    before = mask(LARGE, SMALL)
    known = find(before)
    now = mask(((4, 4, 4), 4), ((39, 9, 9), 12))
    first, second = carried(now, before, known)
    assert (first.number, second.number) == (1, 2)
    assert first.ml < second.ml


def test_new_ones_get_new_numbers_and_those_of_gone_ones_are_not_used_again():
    before = mask(LARGE, SMALL)
    known = find(before)
    without = mask(LARGE)
    (kept,) = carried(without, before, known)
    assert kept.number == 1
    # Number 2 is gone; the highest of all versions is still 2.
    numbers = [one.number for one in carried(mask(LARGE, FAR), without, (kept,), highest=2)]
    assert numbers == [1, 3]
    # Nothing is shared.
    assert [one.number for one in carried(mask(FAR), before, known)] == [3]
    assert carried(mask(), before, known) == ()
    assert [one.number for one in carried(before, mask(), ())] == [1, 2]


def test_of_a_divided_lesion_the_part_that_shares_most_keeps_the_number():
    before = mask(LARGE)
    now = before.copy()
    now[8, :, :] = False
    numbers = {one.ml: one.number for one in carried(now, before, find(before))}
    larger, smaller = sorted(numbers, reverse=True)
    assert (numbers[larger], numbers[smaller]) == (1, 2)


def test_joined_lesions_have_the_number_of_the_one_that_shares_most():
    before = mask(((4, 4, 4), 6), ((12, 4, 4), 12))
    known = find(before)
    now = before.copy()
    now[9:13, 5:8, 5:8] = True
    (one,) = carried(now, before, known)
    assert one.number == 1
    # Divided again, the other one is new: number 2 was gone.
    assert [one.number for one in carried(before, now, (one,), highest=2)] == [1, 3]


def test_it_does_not_matter_in_which_order_lesions_are_found():
    before = mask(LARGE, SMALL, FAR)
    known = find(before)
    found = find(before)
    for order in (found, found[::-1]):
        assert renumbered(order, before, known, before, 3) == known


def test_many_small_islands_are_not_lesions():
    random = np.random.default_rng(0)
    noise = random.random(SHAPE) < 0.002
    before, now = mask(LARGE) | noise, mask(LARGE) | np.roll(noise, 3)
    assert [one.number for one in carried(now, before, find(before))] == [1]
