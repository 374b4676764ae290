"""Scans on other grids: thick slices refined, fine voxels averaged, the rest linear."""

import nibabel as nib
import numpy as np
import scipy

from model.geometry import spacing_mm

# From this distance of slices on, a cubic spline is worth its time.
THICK_MM = 2.0


def resampled(
    array: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan (X, Y, Z) on another grid, float32, and which voxels lie in its field of view.

    Voxels beyond it have the scan's lowest value. Thick slices are refined by a cubic spline, finer voxels
    averaged, so that nothing is aliased; the rest is linear. No value leaves the range of the scan.
    """
    step_mm = float(spacing_mm(target).min())
    data, source = refined(*shrunk(array, affine, step_mm), step_mm)
    inside = np.linalg.inv(source) @ target
    found = interpolated(data, inside, shape, outside=np.nan)
    covered = np.isfinite(found)
    low, high = array.min(), array.max()
    found[~covered] = low
    return np.clip(found, low, high, out=found), covered


def shrunk(array: np.ndarray, affine: np.ndarray, step_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return means of blocks of voxels that are no larger than `step_mm`, float32, and their affine."""
    blocks = np.maximum(1, np.floor(step_mm / spacing_mm(affine) + 0.1)).astype(int)
    for axis, size in enumerate(blocks):
        if size > 1:
            starts = np.arange(0, array.shape[axis], size)
            counts = np.diff([*starts, array.shape[axis]])
            total = np.add.reduceat(array, starts, axis, dtype=np.float32)
            array = total / np.expand_dims(counts, [a for a in range(3) if a != axis])
    scale = nib.affines.from_matvec(np.diag(blocks.astype(float)), (blocks - 1) / 2)
    return array.astype(np.float32, copy=False), affine @ scale


def refined(array: np.ndarray, affine: np.ndarray, step_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan whose slices, where thick, were refined to about `step_mm` by a cubic spline."""
    for axis, spacing in enumerate(spacing_mm(affine)):
        parts, count = round(float(spacing / step_mm)), array.shape[axis]
        if spacing < THICK_MM or parts < 2 or count < 4:
            continue
        places = (np.arange(count * parts) + 0.5) / parts - 0.5
        # A spline is linear in its values: what each slice adds is the spline of that slice alone.
        shares = scipy.interpolate.CubicSpline(np.arange(count), np.eye(count))(
            np.clip(places, 0, count - 1)
        )
        array = np.moveaxis(np.tensordot(shares.astype(np.float32), array, axes=(1, axis)), 0, axis)
        scale, shift = np.ones(3), np.zeros(3)
        scale[axis], shift[axis] = 1 / parts, places[0]
        affine = affine @ nib.affines.from_matvec(np.diag(scale), shift)
    return array, affine


def interpolated(
    array: np.ndarray, inside: np.ndarray, shape: tuple[int, ...], outside: float | None = None
) -> np.ndarray:
    """Return (X, Y, Z) linearly at the voxels of another grid, float32.

    inside : (4, 4) from voxels of that grid to voxels of `array`
    outside : the value beyond the edges; None repeats these

    As `scipy.ndimage.affine_transform` has it, in a fifth of its time.
    """
    # Imported here: it takes a tenth of the app's start, and prepared cases do without it.
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T, dtype=np.float32))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(inside[:3, :3].ravel().tolist())
    transform.SetTranslation(inside[:3, 3].tolist())
    method = sitk.ResampleImageFilter()
    method.SetSize([int(length) for length in shape])
    method.SetTransform(transform)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetDefaultPixelValue(0.0 if outside is None else outside)
    method.SetUseNearestNeighborExtrapolator(outside is None)
    return sitk.GetArrayFromImage(method.Execute(image)).T


def in_view(lengths: tuple[int, ...], inside: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return which voxels of a grid of `shape`, taken `inside` a volume of these lengths, lie in it."""
    places = np.ogrid[tuple(slice(length) for length in shape)]
    covered = np.ones(shape, bool)
    for row, length in zip(inside[:3].astype(np.float32), lengths, strict=True):
        along = row[0] * places[0] + row[1] * places[1] + row[2] * places[2] + row[3]
        covered &= (along >= -0.5) & (along <= length - 0.5)
    return covered
