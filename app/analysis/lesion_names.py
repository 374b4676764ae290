"""The lesions of a mask one by one, with numbers that stay the same when the mask is corrected: pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cc3d
import numpy as np

from app.analysis.lesions import CONNECTIVITY, Side, is_large, locate
from app.analysis.rano import longest_axial
from model.geometry import bounding_box, shifted, voxel_ml


@dataclass(frozen=True)
class NamedLesion:
    """One connected lesion (26 neighbours) of the whole tumour of at least 0.05 mL.

    number : what it is called, from 1, the same in all versions of a mask
    side : the patient's; null where the brain's centre is not known
    longest_mm : its longest diameter in an axial slice, which is `slice`, from 0
    point : the voxel of it that is nearest to its centre, in canonical (RAS+) order
    """

    number: int
    ml: float
    side: Side | None
    longest_mm: float
    slice: int
    point: tuple[int, int, int]

    def moved(self, start: Sequence[int]) -> "NamedLesion":
        """Return the same on a grid in which this one begins at voxel `start` (3,)."""
        x, y, z = (int(value + offset) for value, offset in zip(self.point, start, strict=True))
        return replace(self, slice=self.slice + int(start[2]), point=(x, y, z))


def listed(
    mask: np.ndarray, affine: np.ndarray, brain_centre_mm: Sequence[float] | None
) -> tuple[NamedLesion, ...]:
    """Return the lesions of a canonical mask (X, Y, Z) bool, the largest first, numbered from 1.

    affine : (4, 4) to RAS+ mm ; brain_centre_mm : (3,), None where it is not known
    """
    if not mask.any():
        return ()
    parts = cc3d.connected_components(mask, connectivity=CONNECTIVITY)
    found = cc3d.statistics(parts)
    sizes, boxes = found["voxel_counts"], found["bounding_boxes"]
    large = [part for part in range(1, len(sizes)) if is_large(sizes[part], voxel_ml(affine))]
    large.sort(key=lambda part: -int(sizes[part]))
    lesions = []
    for number, part in enumerate(large, 1):
        start = [cut.start for cut in boxes[part]]
        lesion = np.ascontiguousarray(parts[boxes[part]] == part)
        one = _described(number, lesion, shifted(affine, start), brain_centre_mm)
        lesions.append(one.moved(start))
    return tuple(lesions)


def renumbered(
    found: Sequence[NamedLesion],
    now: np.ndarray,
    known: Sequence[NamedLesion],
    before: np.ndarray,
    highest: int,
) -> tuple[NamedLesion, ...]:
    """Return lesions with the numbers of those that they were, in the order of the numbers.

    found, now : lesions and canonical mask (X, Y, Z) bool of one version ; known, before : of the version that it
        was drawn on ; highest : the highest number that any version has

    A lesion keeps the number of the one with which it shares most voxels. Of the parts of a lesion that was divided the
    one that shares most keeps the number; two that were joined have that of the one that shares most. All others get
    numbers that no version has.
    """
    shared = _shared(found, now, known, before)
    numbers: dict[int, int] = {}
    for _, number, place in sorted((-voxels, *pair) for pair, voxels in shared.items()):
        if place not in numbers and number not in numbers.values():
            numbers[place] = number
    for place in range(len(found)):
        if place not in numbers:
            highest += 1
            numbers[place] = highest
    renamed = (replace(one, number=numbers[place]) for place, one in enumerate(found))
    return tuple(sorted(renamed, key=lambda one: one.number))


def _shared(
    found: Sequence[NamedLesion],
    now: np.ndarray,
    known: Sequence[NamedLesion],
    before: np.ndarray,
) -> dict[tuple[int, int], int]:
    """Return how many voxels a known lesion and one that was found share, by number of the one and place of the other."""
    both = now & before
    if not both.any():
        return {}
    # Lesions reach beyond what they share: components are those of the whole masks.
    box = bounding_box(now | before)
    start = [cut.start for cut in box]
    places = _numbered(now[box], [one.point for one in found], range(len(found)), start)
    numbers = _numbered(before[box], [one.point for one in known], [o.number for o in known], start)
    there = (places >= 0) & (numbers >= 0)
    pairs, counts = np.unique(np.stack([numbers[there], places[there]]), axis=1, return_counts=True)
    return {
        (int(number), int(place)): int(count)
        for (number, place), count in zip(pairs.T, counts, strict=True)
    }


def _numbered(
    mask: np.ndarray,
    points: Sequence[Sequence[int]],
    numbers: Sequence[int],
    start: Sequence[int],
) -> np.ndarray:
    """Return the number of the lesion that each voxel belongs to, (X, Y, Z), -1 for none.

    points : a voxel of each lesion on a grid in which `mask` begins at `start` (3,)
    """
    parts = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=CONNECTIVITY)
    number_of = np.full(int(parts.max()) + 1, -1)
    for point, number in zip(points, numbers, strict=True):
        number_of[parts[tuple(np.subtract(point, start))]] = number
    number_of[0] = -1
    return number_of[parts]


def _described(
    number: int, lesion: np.ndarray, affine: np.ndarray, brain_centre_mm: Sequence[float] | None
) -> NamedLesion:
    location = brain_centre_mm and locate(lesion, affine, brain_centre_mm)
    longest_mm, index = longest_axial(lesion, affine)
    return NamedLesion(
        number=number,
        ml=round(float(np.count_nonzero(lesion) * voxel_ml(affine)), 6),
        side=location.side if location else None,
        longest_mm=round(longest_mm, 2),
        slice=index,
        point=_middle(lesion),
    )


def _middle(lesion: np.ndarray) -> tuple[int, int, int]:
    """Return the voxel of a lesion that is nearest to its centre of mass."""
    squares = np.zeros(lesion.shape, np.float32)
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.arange(lesion.shape[axis])
        centre = np.average(places, weights=np.count_nonzero(lesion, axis=others))
        squares += np.expand_dims(np.square(places - centre).astype(np.float32), others)
    squares[~lesion] = np.inf
    x, y, z = np.unravel_index(squares.argmin(), lesion.shape)
    return int(x), int(y), int(z)
