"""Sequences in the intensities of their scans: what is kept for display ends at its own window."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from app.analysis.sequences import on_reference
from app.memory import room
from app.store.models import StoredCase
from model.geometry import to_canonical
from model.io.nifti import read_shape, read_volume
from model.io.nifti_header import Limits

# For a voxel of the scan or of the results' grid while both are in memory.
BYTES_A_VOXEL = 5


@contextmanager
def intensities(case: StoredCase, modality: str, limits: Limits) -> Iterator[np.ndarray]:
    """Give a sequence on the grid of the results, canonical (X, Y, Z), while there is memory for it.

    limits : of the size of a scan ; raises Busy where memory is not free in time
    """
    geometry, scan = case.record.geometry, case.scans[modality]
    voxels = geometry.voxels + int(np.prod(read_shape(scan)))
    with room().taken(BYTES_A_VOXEL * voxels):
        read = read_volume(scan, limits=limits)
        shown = on_reference(read, modality, geometry, case.record.preparation)
        volume, _ = to_canonical(shown, geometry.affine_array)
        yield volume
