"""Slices at the window that a reader chose, from the scan itself."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.reporting.key_images import KeyImage
from app.reporting.rendering import picture_slice
from app.reporting.scan_values import intensities
from app.store.models import StoredCase
from model.io.nifti_header import Limits

# Black and white in the intensities of a scan, by sequence.
Window = tuple[float, float]
Windows = Mapping[str, Window]


def windowed(
    case: StoredCase, images: Sequence[KeyImage], windows: Windows, limits: Limits
) -> dict[KeyImage, np.ndarray]:
    """Return the slices of images whose sequence has a window: (rows, columns) uint8 of the picture, 0 is black.

    limits : of the size of a scan ; raises Busy where memory is not free in time
    """
    found = {}
    for modality in {image.modality for image in images} & set(windows):
        with intensities(case, modality, limits) as volume:
            found |= {
                image: greys(picture_slice(volume, image.plane, image.index), windows[modality])
                for image in images
                if image.modality == modality
            }
    return found


def greys(values: np.ndarray, window: Window) -> np.ndarray:
    """Return intensities as uint8, from the window's black to its white."""
    black, white = window
    return np.clip(np.rint((values - black) / (white - black) * 255), 0, 255).astype(np.uint8)
