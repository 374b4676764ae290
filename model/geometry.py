"""Orientation and spacing: stateless functions on arrays and affines.

An affine is (4, 4) and maps voxel indices to RAS+ mm. Canonical means RAS+ axis order and
direction; an oblique scan keeps its obliqueness.
"""

from collections.abc import Sequence

import nibabel as nib
import numpy as np
import scipy

# A spacing this close to 1 mm is taken as 1 mm: over 200 voxels it adds up to 2 mm, while
# resampling would blur every voxel.
SPACING_TOLERANCE_MM = 0.01


def spacing_mm(affine: np.ndarray) -> np.ndarray:
    """Return the voxel edges (3,) in mm."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def voxel_ml(affine: np.ndarray) -> float:
    """Return the volume of a voxel in mL; oblique and sheared ones included."""
    return float(abs(np.linalg.det(np.asarray(affine)[:3, :3]))) / 1000


def shifted(affine: np.ndarray, start: Sequence[int]) -> np.ndarray:
    """Return the affine of the part of a grid that begins at voxel `start` (3,)."""
    return affine @ nib.affines.from_matvec(np.eye(3), start)


def centre_mm(mask: np.ndarray, affine: np.ndarray) -> tuple[float, float, float]:
    """Return the centre of mass in RAS+ mm of a mask (X, Y, Z) bool that is not empty."""
    counts = [np.count_nonzero(mask, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    voxel = [count @ np.arange(len(count)) / count.sum() for count in counts]
    x, y, z = (float(mm) for mm in nib.affines.apply_affine(affine, voxel))
    return x, y, z


def to_canonical(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Permute and flip (X, Y, Z, ...) to RAS+ without resampling; return array and affine."""
    orientation = nib.io_orientation(affine)
    turned = nib.apply_orientation(array, orientation)
    return turned, affine @ nib.orientations.inv_ornt_aff(orientation, array.shape[:3])


def canonical_grid(
    shape: tuple[int, ...], affine: np.ndarray
) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the shape and affine that `to_canonical` gives to a grid."""
    orientation = nib.io_orientation(affine)
    turned = tuple(shape[axis] for axis in np.argsort(orientation[:, 0]))
    return turned, affine @ nib.orientations.inv_ornt_aff(orientation, shape)


def from_canonical(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Undo `to_canonical`: `affine` is that of the source, `array` (X, Y, Z, ...) is RAS+."""
    canonical = nib.orientations.axcodes2ornt(("R", "A", "S"))
    back = nib.orientations.ornt_transform(canonical, nib.io_orientation(affine))
    return nib.apply_orientation(array, back)


def is_isotropic_1mm(affine: np.ndarray) -> bool:
    """Say whether the voxels are 1 mm cubes within SPACING_TOLERANCE_MM."""
    return bool((np.abs(spacing_mm(affine) - 1.0) <= SPACING_TOLERANCE_MM).all())


def to_1mm(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Resample (X, Y, Z) to 1 mm, linearly; return the array, float32, and its affine.

    The field of view is kept: the outer faces of the volume stay where they are to within half a
    voxel. Finer scans are smoothed first, so that nothing is aliased.
    """
    spacing = spacing_mm(affine)
    shape = tuple(np.maximum(1, np.round(array.shape * spacing)).astype(int))
    # Gaussian that turns the source's voxel into the target's: widths add in squares.
    sigma = np.sqrt(np.maximum(0.0, 1.0 / spacing**2 - 1.0)) / np.sqrt(8 * np.log(2))
    smooth = scipy.ndimage.gaussian_filter(array.astype(np.float32, copy=False), sigma)
    step = 1.0 / spacing
    offset = step / 2 - 0.5
    resampled = scipy.ndimage.affine_transform(smooth, step, offset, shape, order=1, mode="nearest")
    return resampled, affine @ nib.affines.from_matvec(np.diag(step), offset)


def labels_to_grid(
    labels: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> np.ndarray:
    """Resample a label volume (X, Y, Z) uint8 to the grid of `shape` and affine `target`.

    Each class is interpolated linearly and the strongest wins, so borders stay smooth and no
    value is invented. Only the part of the target is computed that can hold more than background.
    """
    result = np.zeros(shape, np.uint8)
    if not labels.any():
        return result
    near = bounding_box_on(labels > 0, affine, shape, target)
    start, part = [cut.start for cut in near], result[near]
    best = np.zeros(part.shape, np.float32)
    for value in np.unique(labels):
        found = (labels == value).astype(np.float32)
        share = to_grid(found, affine, part.shape, shifted(target, start))
        stronger = share > best
        part[stronger] = value
        best = np.maximum(best, share)
    return result


def bounding_box_on(
    mask: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> tuple[slice, ...]:
    """Return slices of the grid of `shape` and affine `target` that hold a mask (X, Y, Z) bool of another.

    A voxel of the mask reaches as far as its neighbours do: up to there interpolation sees it. Where the mask
    touches the edge of its volume, which is repeated beyond, so does the box.
    """
    box = bounding_box(mask)
    reach = np.array([(cut.start - 1, cut.stop) for cut in box], float)
    for axis, (cut, length) in enumerate(zip(box, mask.shape, strict=True)):
        reach[axis] = (
            -np.inf if cut.start == 0 else reach[axis, 0],
            np.inf if cut.stop == length else reach[axis, 1],
        )
    if not np.isfinite(reach).all():
        return tuple(slice(0, length) for length in shape)
    corners = np.array(np.meshgrid(*reach)).reshape(3, -1).T
    inside = nib.affines.apply_affine(np.linalg.inv(target) @ affine, corners)
    low = np.clip(np.floor(inside.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(inside.max(axis=0)) + 1, 0, shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def to_grid(
    array: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> np.ndarray:
    """Interpolate (X, Y, Z) linearly at the voxel centres of another grid; edges are repeated."""
    to_source = np.linalg.inv(affine) @ target
    matrix, offset = to_source[:3, :3], to_source[:3, 3]
    # A diagonal matrix takes SciPy's separable, much faster path.
    if np.abs(matrix - np.diag(np.diag(matrix))).max() < 1e-6:
        matrix = np.diag(matrix)
    return scipy.ndimage.affine_transform(array, matrix, offset, shape, order=1, mode="nearest")


def corners_mm(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the outer corners (8, 3), in RAS+ mm, of the box around a mask (X, Y, Z) bool."""
    ends = [(cut.start - 0.5, cut.stop - 0.5) for cut in bounding_box(mask)]
    return nib.affines.apply_affine(affine, np.array(np.meshgrid(*ends)).reshape(3, -1).T)


def world_grid(
    corners: np.ndarray, step_mm: float, margin_mm: float = 0.0
) -> tuple[tuple[int, ...], np.ndarray]:
    """Return shape and affine of a grid of cubes along the axes of RAS+ that holds points (N, 3)."""
    low, high = corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm
    shape = tuple(int(length) for length in np.maximum(1, np.ceil((high - low) / step_mm)))
    return shape, nib.affines.from_matvec(np.diag([step_mm] * 3), low + step_mm / 2)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the slices that cut the smallest box around the True voxels of a mask."""
    box = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
