"""Scans on other grids: thick slices refined, fine voxels averaged, the rest linear."""

import os
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import scipy

from model.geometry import shifted, spacing_mm

# From this distance on slices are refined, to this one.
THICK_MM, REFINED_MM = 2.0, 1.0
# Voxels up to this size are fine enough for linear interpolation.
HALVED_MM = 0.7
# What lies further away, in voxels, tells a spline nothing.
MARGIN = 6
# Slices that are interpolated together: the whole would be in memory twice.
SLICES_AT_A_TIME = 16
# Slices that are resampled together where a whole scan is not needed at once.
PART_SLICES = 32


def resampled(
    array: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target: np.ndarray,
    outside: float | None = None,
    *,
    sharp: bool = False,
) -> np.ndarray:
    """Return a scan (X, Y, Z) on another grid, float32.

    outside : the value of voxels beyond the scan's field of view; None stands for its lowest
    sharp : halve large voxels by a cubic spline first, which takes up to eight times the memory of what is seen

    Thick slices are refined, finer voxels averaged, so that nothing is aliased; the rest is linear. No value
    leaves the range of the scan.
    """
    step_mm = float(spacing_mm(target).min())
    x, y, z = shape
    box = _seen_from((x, y, 0, z), np.linalg.inv(affine) @ target, array.shape, MARGIN)
    seen, source = array[box], shifted(affine, [cut.start for cut in box])
    data, source = shrunk(seen, source, step_mm)
    if sharp:
        data, source = halved(data, source)
    data, source = refined(data, source, max(step_mm, REFINED_MM))
    low, high = array.min(), array.max()
    outside = float(low) if outside is None else outside
    found = interpolated(data, np.linalg.inv(source) @ target, shape, outside)
    return np.clip(found, low, high, out=found)


def resampled_in_parts(
    array: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> np.ndarray:
    """Return a scan on another grid as `resampled`, which is made of some slices of that grid at a time.

    What is made of a whole scan on the way would fill the memory.
    """
    x, y, z = shape
    found = np.empty((z, y, x), np.float32).T
    for start in range(0, z, PART_SLICES):
        stop = min(start + PART_SLICES, z)
        there = shifted(target, [0, 0, start])
        found[..., start:stop] = resampled(array, affine, (x, y, stop - start), there)
    return found


def shrunk(array: np.ndarray, affine: np.ndarray, step_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return means of blocks of voxels that are no larger than `step_mm`, float32, and their affine."""
    blocks = np.maximum(1, np.floor(step_mm / spacing_mm(affine) + 0.1)).astype(int)
    for axis, size in enumerate(blocks):
        if size > 1:
            array = _means(array, axis, size)
    scale = nib.affines.from_matvec(np.diag(blocks.astype(float)), (blocks - 1) / 2)
    return array.astype(np.float32, copy=False), affine @ scale


def _means(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Return the means of `size` voxels along an axis of (X, Y, Z), float32; of what is left at its end."""
    along = np.moveaxis(array, axis, -1)
    # Sums of every so many voxels keep the order in memory; `np.add.reduceat` takes nine times as long.
    total = along[..., ::size].astype(np.float32)
    for first in range(1, size):
        part = along[..., first::size]
        total[..., : part.shape[-1]] += part
    total /= np.minimum(size, np.arange(along.shape[-1], 0, -size)).astype(np.float32)
    return np.moveaxis(total, -1, axis)


def refined(array: np.ndarray, affine: np.ndarray, step_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan whose slices, where thick, were cut into thinner ones of about `step_mm`.

    A slice is the mean over its thickness: what its parts hold is had from a cubic spline through the sums of
    all slices up to each border, so that the parts of a slice have its mean. A spline through the slices
    themselves would blur each over its neighbours.
    """
    for axis, spacing in enumerate(spacing_mm(affine)):
        parts, count = round(float(spacing / step_mm)), array.shape[axis]
        if spacing < THICK_MM or parts < 2 or count < 4:
            continue
        # A spline is linear in its values: what each slice adds is the spline of that slice alone.
        sums = np.vstack([np.zeros(count), np.cumsum(np.eye(count), axis=0)])
        borders = np.arange(count * parts + 1) / parts
        spline = scipy.interpolate.CubicSpline(np.arange(count + 1), sums)
        shares = parts * np.diff(spline(borders), axis=0)
        array, affine = _divided(array, affine, axis, shares)
    return array, affine


def halved(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan whose voxels, where larger than HALVED_MM and not thick, were halved by a cubic spline.

    Linear interpolation between halves blurs less.
    """
    for axis, spacing in enumerate(spacing_mm(affine)):
        count = array.shape[axis]
        if HALVED_MM < spacing < THICK_MM and count >= 4:
            spline = scipy.interpolate.CubicSpline(np.arange(count), np.eye(count))
            places = np.clip(np.arange(2 * count) / 2 - 0.25, 0, count - 1)
            array, affine = _divided(array, affine, axis, spline(places))
    return array, affine


def _divided(
    array: np.ndarray, affine: np.ndarray, axis: int, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan with thinner slices along an axis, and its affine.

    shares : (new, old), what each old slice gives to each new one
    """
    # Transposed, since sequences lie so in memory.
    fine = np.tensordot(shares.astype(np.float32), array.T, axes=(1, 2 - axis))
    scale, shift = np.ones(3), np.zeros(3)
    scale[axis] = shares.shape[1] / shares.shape[0]
    shift[axis] = (scale[axis] - 1) / 2
    divided = affine @ nib.affines.from_matvec(np.diag(scale), shift)
    return np.moveaxis(fine, 0, 2 - axis).T, divided


def interpolated(
    array: np.ndarray, inside: np.ndarray, shape: tuple[int, ...], outside: float
) -> np.ndarray:
    """Return (X, Y, Z) float32, or bool, linearly at the voxels of another grid, float32.

    inside : (4, 4) from voxels of that grid to voxels of `array`
    outside : the value beyond the edges

    As `scipy.ndimage.affine_transform` has it, in a fifth of its time.
    """
    # Imported here: it takes a tenth of the app's start, and prepared cases do without it.
    import SimpleITK as sitk

    transform = sitk.AffineTransform(3)
    transform.SetMatrix(inside[:3, :3].ravel().tolist())
    transform.SetTranslation(inside[:3, 3].tolist())
    x, y, z = (int(length) for length in shape)
    found = np.empty((z, y, x), np.float32)

    def fill(start: int) -> None:
        stop = min(start + SLICES_AT_A_TIME, z)
        method = sitk.ResampleImageFilter()
        method.SetNumberOfThreads(1)
        method.SetTransform(transform)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOutputPixelType(sitk.sitkFloat32)
        method.SetDefaultPixelValue(outside)
        box = _seen_from((x, y, start, stop), inside, array.shape)
        image = sitk.GetImageFromArray(_transposed(array[box]))
        image.SetOrigin([float(cut.start) for cut in box])
        method.SetOutputOrigin([0.0, 0.0, float(start)])
        method.SetSize([x, y, stop - start])
        # Held by a name: the view does not keep it.
        part = method.Execute(image)
        found[start:stop] = sitk.GetArrayViewFromImage(part)

    # Each voxel is computed alone. Side by side here, not within SimpleITK, which leaves copying to one core.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(fill, range(0, z, SLICES_AT_A_TIME)))
    return found.T


def _transposed(part: np.ndarray) -> np.ndarray:
    """Return (X, Y, Z) as SimpleITK wants it, (Z, Y, X); a mask in a quarter of the memory of a scan."""
    part = part.view(np.uint8) if part.dtype == bool else part.astype(np.float32, copy=False)
    return np.ascontiguousarray(part.T)


def _seen_from(
    slab: tuple[int, int, int, int], inside: np.ndarray, shape: tuple[int, ...], margin: int = 1
) -> tuple[slice, ...]:
    """Return the box of a volume of `shape` that voxels of another grid are interpolated from.

    slab : that grid's lengths along x and y, and its first slice and the one after its last
    margin : how many voxels around are wanted as well
    """
    x, y, start, stop = slab
    corners = np.array(np.meshgrid((0, x - 1), (0, y - 1), (start, stop - 1))).reshape(3, -1).T
    places = nib.affines.apply_affine(inside, corners)
    # What lies beyond the edge sees the edge.
    low = np.clip(np.floor(places.min(axis=0)) - margin, 0, np.subtract(shape, 1)).astype(int)
    high = np.clip(np.ceil(places.max(axis=0)) + margin + 1, low + 1, shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
