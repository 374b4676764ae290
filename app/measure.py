"""Measurements of a label volume: pure functions; sizes come from the affine alone."""

from typing import Any

import numpy as np

from model.geometry import to_canonical
from model.labels import CLASSES, DERIVED, REGIONS

# The axis of a canonical (RAS+) volume along which the slices of a plane are counted.
PLANE_AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
VOLUME_KEYS = ("edema", "enhancing", "core", *DERIVED)


def voxel_ml(affine: np.ndarray) -> float:
    """Return the volume of one voxel in mL; `affine` is (4, 4) in mm, oblique ones included."""
    return float(abs(np.linalg.det(np.asarray(affine)[:3, :3]))) / 1000


def volumes_ml(labels: np.ndarray, affine: np.ndarray) -> dict[str, float]:
    """Return mL by key of region and derived region; `labels` is (X, Y, Z) network indices."""
    counts = np.bincount(labels.ravel(), minlength=CLASSES)
    one = voxel_ml(affine)
    voxels = {region.key: counts[region.index] for region in REGIONS} | {
        key: counts[list(indices)].sum() for key, indices in DERIVED.items()
    }
    return {key: _rounded(voxels[key] * one) for key in VOLUME_KEYS}


def largest_slice(labels: np.ndarray, plane: str) -> int | None:
    """Return the slice of a canonical volume with the most tumour, None if there is none."""
    axis = PLANE_AXES[plane]
    others = tuple(other for other in range(3) if other != axis)
    areas = np.count_nonzero(labels, axis=others)
    return int(areas.argmax()) if areas.any() else None


def measure(labels: np.ndarray, affine: np.ndarray, brain_voxels: int) -> dict[str, Any]:
    """Return all measurements of a segmentation on the grid of its scan.

    labels : (X, Y, Z) uint8 network indices; affine : (4, 4); brain_voxels : on the same grid
    """
    canonical, _ = to_canonical(labels, affine)
    return {
        "volumes_ml": volumes_ml(labels, affine),
        "brain_ml": _rounded(brain_voxels * voxel_ml(affine)),
        "voxel_ml": _rounded(voxel_ml(affine)),
        "slices": {
            plane: {"count": int(canonical.shape[axis]), "largest": largest_slice(canonical, plane)}
            for plane, axis in PLANE_AXES.items()
        },
    }


def _rounded(ml: float) -> float:
    """Cut the noise of floating point: a thousandth of a cubic millimetre is far below a voxel."""
    return round(float(ml), 6)
