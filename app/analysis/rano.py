"""The bidimensional measure of the enhancing tumour: pure functions on masks and affines.

After the Response Assessment in Neuro-Oncology criteria (Wen et al., J Clin Oncol 2010; 28:1963):
the longest diameter of the enhancing lesion in an axial slice, and the longest one perpendicular to
it in the same slice. The product of the two is what the criteria compare between examinations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.analysis.lesions import largest

# Wen et al. 2010: two perpendicular diameters of at least this, visible on at least two slices; of slices that are
# thicker than this, twice their distance.
MEASURABLE_MM = 10.0
MEASURABLE_SLICES = 2
THICK_SLICE_MM = 5.0
# Pairs of points this much shorter than the longest are ties, such as both diagonals of a square.
TIE_MM = 1e-6
# Direct neighbours in a slice.
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))

Point = tuple[float, float, float]
Segment = tuple[Point, Point]


@dataclass(frozen=True)
class Rano:
    """Bidimensional measure of the largest enhancing lesion (Wen et al. 2010).

    The axial slice counts from 0; ends are voxel coordinates in the canonical order of the scan's
    own grid, whose voxel centres have whole numbers. Measurable: both diameters reach 10 mm, or twice the distance of
    slices more than 5 mm apart, and the lesion two slices.
    """

    longest_mm: float
    perpendicular_mm: float
    product_mm2: float
    slice: int
    longest_ends: tuple[tuple[float, ...], ...]
    perpendicular_ends: tuple[tuple[float, ...], ...]
    measurable: bool

    def moved(self, start: Sequence[int]) -> "Rano":
        """Return the same on a grid in which this one begins at voxel `start` (3,)."""
        return replace(
            self,
            slice=self.slice + int(start[2]),
            longest_ends=_moved(self.longest_ends, start),
            perpendicular_ends=_moved(self.perpendicular_ends, start),
        )


def measure_rano(mask: np.ndarray, affine: np.ndarray) -> Rano | None:
    """Return the measure of the largest lesion of a mask, None if the mask is empty.

    mask : (X, Y, Z) bool in canonical (RAS+) order; affine : (4, 4) of that grid

    The slice is the one with the largest product. Diameters run between points of the outline of
    everything that the lesion has in the slice: across a necrotic centre, as the criteria ask for,
    but also across a bay of a curved lesion, where a reader might measure less.
    """
    if not mask.any():
        return None
    lesion = largest(mask)
    used = np.flatnonzero(lesion.any(axis=(0, 1)))
    to_mm = _plane_to_mm(affine)
    best, index = max(
        ((_diameters(outline(lesion[..., k]) @ to_mm), k) for k in used),
        key=lambda found: found[0].product_mm2,
    )
    back = np.linalg.inv(to_mm)

    def ends(points: np.ndarray) -> Segment:
        # Sorted, so that turning the grid does not change their order.
        first, second = sorted(_point(*(mm @ back), index) for mm in points)
        return first, second

    long_mm, perpendicular_mm = best.lengths_mm
    # Rounding errors must not make a lesion of exactly the limit smaller.
    least_mm = round(measurable_from_mm(affine), 6)
    big = round(min(best.lengths_mm), 6) >= least_mm and len(used) >= MEASURABLE_SLICES
    return Rano(
        longest_mm=round(long_mm, 2),
        perpendicular_mm=round(perpendicular_mm, 2),
        product_mm2=round(best.product_mm2, 1),
        slice=int(index),
        longest_ends=ends(best.longest),
        perpendicular_ends=ends(best.perpendicular),
        measurable=big,
    )


def measurable_from_mm(affine: np.ndarray) -> float:
    """Return the diameters from which on a lesion is measurable on a canonical grid, affine (4, 4)."""
    step_mm = float(np.linalg.norm(affine[:3, 2]))
    return 2 * step_mm if step_mm > THICK_SLICE_MM else MEASURABLE_MM


def longest_axial(mask: np.ndarray, affine: np.ndarray) -> tuple[float, int]:
    """Return the longest diameter in an axial slice in mm, and the slice, of a mask that is not empty; see `measure_rano`."""
    to_mm = _plane_to_mm(affine)
    used = np.flatnonzero(mask.any(axis=(0, 1)))
    return max(
        ((_diameters(outline(mask[..., k]) @ to_mm).lengths_mm[0], int(k)) for k in used),
        key=lambda found: found[0],
    )


def _plane_to_mm(affine: np.ndarray) -> np.ndarray:
    """Return what turns in-plane voxel steps into coordinates whose Euclidean distance is mm, (2, 2), for any affine.

    Cholesky's factor C of the metric E^T E has |C^T p| = |E p|.
    """
    edges = affine[:3, :2]
    return np.linalg.cholesky(edges.T @ edges)


def outline(mask: np.ndarray) -> np.ndarray:
    """Return where the outline of a mask (X, Y) bool crosses the lines between voxel centres.

    (points, 2) voxel coordinates, half-way between each voxel inside and its neighbour outside. Between
    them a row of n voxels is n voxels long; between centres it would be n - 1, and between corners
    every diagonal would be too long.
    """
    padded = np.pad(mask, 1)
    columns, rows = mask.shape
    points = []
    for x, y in STEPS:
        neighbour = padded[1 + x : 1 + x + columns, 1 + y : 1 + y + rows]
        points.append(np.argwhere(mask & ~neighbour) + np.array((x, y)) / 2)
    return np.concatenate(points)


@dataclass(frozen=True)
class _Cross:
    """Two segments at right angles, (2, 2) each: two ends in mm."""

    longest: np.ndarray
    perpendicular: np.ndarray

    @property
    def lengths_mm(self) -> tuple[float, float]:
        first, second = (
            float(np.linalg.norm(b - a)) for a, b in (self.longest, self.perpendicular)
        )
        return first, second

    @property
    def product_mm2(self) -> float:
        first, second = self.lengths_mm
        return first * second


def _diameters(points: np.ndarray) -> _Cross:
    """Return the longest segment between points (N, 2) in mm, and the longest perpendicular one.

    If several are longest, take the one with the longest perpendicular, so that the result does
    not depend on the orientation of the grid.
    """
    # Imported where it is used: it takes a fifth of the app's start.
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist, squareform

    corners = points[ConvexHull(points).vertices]
    distances = squareform(pdist(corners))
    pairs = np.argwhere(np.triu(distances >= distances.max() - TIE_MM))
    crosses = [_Cross(corners[[a, b]], _longest_perpendicular(corners, a, b)) for a, b in pairs]
    return max(crosses, key=lambda cross: cross.product_mm2)


def _longest_perpendicular(corners: np.ndarray, a: int, b: int) -> np.ndarray:
    """Return the ends (2, 2) of a convex polygon's longest chord perpendicular to its diameter a-b.

    corners : (N, 2) in order around the polygon; a < b : corners at the diameter's ends. The
    chord's length is linear between corners and concave along the diameter, so that corners have
    the longest. Between two longest chords all are as long; the middle one is taken.
    """
    direction = (corners[b] - corners[a]) / np.linalg.norm(corners[b] - corners[a])
    across = np.array((-direction[1], direction[0]))
    along_mm, across_mm = (corners - corners[a]) @ direction, (corners - corners[a]) @ across
    # From a to b along either side; nothing of the polygon reaches beyond its diameter's ends.
    one = np.arange(a, b + 1)
    other = np.arange(b, a + len(corners) + 1)[::-1] % len(corners)

    def heights(at_mm: np.ndarray) -> np.ndarray:
        return np.array(
            [np.interp(at_mm, along_mm[side], across_mm[side]) for side in (one, other)]
        )

    lengths = np.abs(np.diff(heights(along_mm), axis=0)[0])
    longest = along_mm[lengths >= lengths.max() - TIE_MM]
    middle = (longest.min() + longest.max()) / 2
    return corners[a] + middle * direction + heights(middle)[:, None] * across


def _point(x: float, y: float, z: float) -> Point:
    return round(float(x), 3), round(float(y), 3), round(float(z), 3)


def _moved(segment: Segment, start: Sequence[int]) -> Segment:
    first, second = (
        _point(*(value + offset for value, offset in zip(point, start, strict=True)))
        for point in segment
    )
    return first, second
