"""Volumes as the files that are sent: in one or two bytes a voxel, with nothing of the uploaded header."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from model.io.nifti import write_slabs

# For a voxel of the scan or of the results' grid while both are in memory, measured.
BYTES_A_VOXEL = 5
SLICES_AT_A_TIME = 8
INT16 = np.iinfo(np.int16)


def in_slabs(volume: np.ndarray) -> Iterator[np.ndarray]:
    """Yield some slices (X, Y, n) at a time of (X, Y, Z)."""
    for start in range(0, volume.shape[2], SLICES_AT_A_TIME):
        yield volume[..., start : start + SLICES_AT_A_TIME]


@dataclass(frozen=True)
class Stored:
    """How intensities are stored: as `dtype`, with a slope and an intercept that undo it."""

    dtype: type
    scaling: tuple[float, float] = (1.0, 0.0)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return intensities, float32, as they are stored."""
        if self.scaling == (1.0, 0.0):
            return np.rint(values).astype(self.dtype)
        slope, inter = self.scaling
        steps = np.clip(np.rint((values - inter) / slope), INT16.min, INT16.max)
        return steps.astype(self.dtype)


def compact(volume: np.ndarray) -> Stored:
    """Return how (X, Y, Z) float32 is stored in one or two bytes a voxel: exactly, where these hold it."""
    low, high = float(volume.min()), float(volume.max())
    whole = all((slab == np.rint(slab)).all() for slab in in_slabs(volume))
    if low >= INT16.min and high <= INT16.max and whole:
        return Stored(np.uint8 if low >= 0 and high <= 255 else np.int16)
    slope = (high - low) / (int(INT16.max) - int(INT16.min)) or 1.0
    return Stored(np.int16, (slope, low - INT16.min * slope))


# Of what is stored in one byte a voxel already: whole numbers, and shares of 255.
AS_IT_IS, SHARES = Stored(np.uint8), Stored(np.uint8, (1 / 255, 0.0))


def write_volume(file: IO[bytes], volume: np.ndarray, stored: Stored, affine: np.ndarray) -> None:
    """Write (X, Y, Z) as a compressed NIfTI file: intensities, or bytes as they are."""
    slabs = in_slabs(volume)
    if volume.dtype != np.uint8:
        slabs = map(stored.of, slabs)
    write_slabs(file, slabs, volume.shape, stored.dtype, affine, stored.scaling)
