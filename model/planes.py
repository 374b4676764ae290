"""Volumes seen as stacks of axial, coronal or sagittal slices."""

from typing import Literal

import numpy as np

Plane = Literal["axial", "coronal", "sagittal"]
# By plane: the axes of (X, Y, Z) that count slices, rows and columns. Sagittal slices lie on their
# side, so that the brain's longest axis is that of the columns in axial and sagittal slices alike.
PLANES: dict[Plane, tuple[int, int, int]] = {
    "axial": (2, 0, 1),
    "coronal": (1, 0, 2),
    "sagittal": (0, 2, 1),
}


def as_slices(volume: np.ndarray, plane: Plane) -> np.ndarray:
    """View (X, Y, Z, ...) as (slices, rows, columns, ...)."""
    return volume.transpose(*PLANES[plane], *range(3, volume.ndim))


def slice_major(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros (X, Y, Z, ...) in whose memory an axial slice lies in one piece.

    So most slices are read and written in long runs, not voxel by voxel.
    """
    x, y, z, *rest = shape
    return np.zeros((z, x, y, *rest), dtype).transpose(1, 2, 0, *range(3, len(shape)))
