"""Two masks on one grid, one subtracted from the other, and lesions that are new: pure functions."""

from dataclasses import dataclass

import cc3d
import numpy as np
import scipy

from app.analysis.lesions import CONNECTIVITY, MIN_LESION_ML
from app.analysis.measurements import INDICES, VOLUME_KEYS
from app.analysis.rano import measure_rano
from app.analysis.series import NewLesions
from model.geometry import bounding_box, shifted, spacing_mm, voxel_ml
from model.labels import ENHANCING

# An enhancing lesion is new if it keeps this far from all tumour core of the examination before: masks and
# registration are each off by a millimetre or two.
APART_MM = 5.0


@dataclass(frozen=True)
class Moved:
    """How much of a region was gained, lost and kept, in mL on one grid."""

    gained_ml: float
    lost_ml: float
    kept_ml: float


@dataclass(frozen=True)
class Subtraction:
    """What differs between two masks, by region and derived region, and the lesions that are new."""

    regions: dict[str, Moved]
    new_lesions: NewLesions


def subtract(before: np.ndarray, now: np.ndarray, affine: np.ndarray) -> Subtraction:
    """Return what of each region was gained and lost.

    before, now : (X, Y, Z) uint8 network indices on one canonical grid; affine : (4, 4)
    """
    both = (before > 0) | (now > 0)
    if not both.any():
        return Subtraction(dict.fromkeys(VOLUME_KEYS, Moved(0.0, 0.0, 0.0)), NewLesions(0, 0, 0.0))
    box = bounding_box(both)
    before, now = np.ascontiguousarray(before[box]), np.ascontiguousarray(now[box])
    one = voxel_ml(affine)
    regions = {key: _moved(*in_region(before, now, key), one) for key in VOLUME_KEYS}
    part = shifted(affine, [cut.start for cut in box])
    return Subtraction(regions, new_lesions(before, now, part))


def in_region(before: np.ndarray, now: np.ndarray, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where two arrays of network indices have a region or derived region, as bool."""
    return np.isin(before, INDICES[key]), np.isin(now, INDICES[key])


def new_lesions(before: np.ndarray, now: np.ndarray, affine: np.ndarray) -> NewLesions:
    """Return the connected enhancing lesions of at least 0.05 mL that keep APART_MM from all earlier tumour core.

    before, now : (X, Y, Z) uint8 network indices on one canonical grid; affine : (4, 4)
    """
    core, enhancing = np.isin(before, INDICES["tumor_core"]), now == ENHANCING
    if not enhancing.any():
        return NewLesions(0, 0, 0.0)
    near = np.zeros_like(enhancing)
    if core.any():
        distance = scipy.ndimage.distance_transform_edt(~core, sampling=spacing_mm(affine))
        near = distance < APART_MM
    parts = cc3d.connected_components(enhancing, connectivity=CONNECTIVITY)
    sizes_ml = np.bincount(parts.ravel()) * voxel_ml(affine)
    touching = np.unique(parts[near])
    half = voxel_ml(affine) / 2
    new = [
        number
        for number in range(1, len(sizes_ml))
        if number not in touching and sizes_ml[number] + half >= MIN_LESION_ML
    ]
    measured = [measure_rano(parts == number, affine) for number in new]
    return NewLesions(
        count=len(new),
        measurable=sum(found.measurable for found in measured),
        ml=round(float(sizes_ml[new].sum()), 6) if new else 0.0,
    )


def _moved(before: np.ndarray, now: np.ndarray, one_ml: float) -> Moved:
    counts = (now & ~before, before & ~now, before & now)
    return Moved(*(round(float(np.count_nonzero(count) * one_ml), 6) for count in counts))
