"""Sequences of a finished case on the grid of its results."""

import numpy as np

from app.analysis.record import Geometry
from model.io.nifti import Volume
from model.io.scans import GRID_TOLERANCE_MM, grid_distance_mm
from model.preparation.record import Preparation
from model.preparation.resampling import resampled_in_parts


def on_reference(
    scan: Volume, modality: str, geometry: Geometry, preparation: Preparation | None
) -> np.ndarray:
    """Return a scan (X, Y, Z) float32 on the grid of the results, moved as it was registered."""
    return on_grid(scan, modality, preparation, geometry.shape, geometry.affine_array)


def on_grid(
    scan: Volume,
    modality: str,
    preparation: Preparation | None,
    shape: tuple[int, ...],
    affine: np.ndarray,
) -> np.ndarray:
    """Return a scan (X, Y, Z) float32 on any grid of `shape`, interpolated once.

    affine : (4, 4), from voxels of that grid to mm of the case's reference
    """
    moved = preparation and preparation.registered.get(modality)
    target = np.array(moved.matrix) @ affine if moved else affine
    same = scan.data.shape == tuple(shape)
    if same and grid_distance_mm(shape, scan.affine, target) <= GRID_TOLERANCE_MM:
        return scan.data
    return resampled_in_parts(scan.data, scan.affine, shape, target)
