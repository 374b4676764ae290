"""Slices at the window that a reader chose, from the scan itself: what is kept for display ends at its own window."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.analysis.sequences import on_reference
from app.memory import room
from app.reporting.key_images import KeyImage
from app.reporting.rendering import picture_slice
from app.store.models import StoredCase
from model.geometry import to_canonical
from model.io.nifti import read_shape, read_volume
from model.io.nifti_header import Limits

# Black and white in the intensities of a scan, by sequence.
Window = tuple[float, float]
Windows = Mapping[str, Window]
# For a voxel of the scan or of the results' grid while both are in memory.
BYTES_A_VOXEL = 5


def windowed(
    case: StoredCase, images: Sequence[KeyImage], windows: Windows, limits: Limits
) -> dict[KeyImage, np.ndarray]:
    """Return the slices of images whose sequence has a window: (rows, columns) uint8 of the picture, 0 is black.

    limits : of the size of a scan ; raises Busy where memory is not free in time
    """
    found = {}
    for modality in {image.modality for image in images} & set(windows):
        wanted = [image for image in images if image.modality == modality]
        found |= _slices(case, modality, wanted, windows[modality], limits)
    return found


def greys(values: np.ndarray, window: Window) -> np.ndarray:
    """Return intensities as uint8, from the window's black to its white."""
    black, white = window
    return np.clip(np.rint((values - black) / (white - black) * 255), 0, 255).astype(np.uint8)


def _slices(
    case: StoredCase, modality: str, images: Sequence[KeyImage], window: Window, limits: Limits
) -> dict[KeyImage, np.ndarray]:
    geometry, scan = case.record.geometry, case.scans[modality]
    voxels = geometry.voxels + int(np.prod(read_shape(scan)))
    with room().taken(BYTES_A_VOXEL * voxels):
        read = read_volume(scan, limits=limits)
        shown = on_reference(read, modality, geometry, case.record.preparation)
        volume, _ = to_canonical(shown, geometry.affine_array)
        return {
            image: greys(picture_slice(volume, image.plane, image.index), window)
            for image in images
        }
