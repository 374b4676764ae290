"""Connected lesions and where they lie: pure functions on masks and affines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np

from model.geometry import centre_mm

# Smaller islands are not counted: at 1 mm this is a cube of less than 4 voxels along each edge,
# far below the 10 mm that make a lesion measurable.
MIN_LESION_ML = 0.05
# A lesion lies on both sides when each has at least this share of it. The plane that divides them
# is known to a few millimetres only, so a smaller share means nothing.
BOTH_SIDES_SHARE = 0.1
# Voxel centres this close to the plane lie on it: far below a voxel, above rounding.
ON_PLANE_MM = 1e-3
# Neighbours across faces, edges and corners.
CONNECTIVITY = 26

Side = Literal["left", "right", "both"]


@dataclass(frozen=True)
class Location:
    """Where the whole tumour lies.

    side : the patient's; left_share : of the volume on the patient's left, 0 to 1
    centre_mm : the centre of mass in the scanner's coordinates, RAS+ mm
    centre_from_brain_mm : the same from the brain's centre: mm to the right, anterior, superior; null in cases of
        versions that did not keep it
    """

    side: Side
    left_share: float
    centre_mm: tuple[float, ...]
    centre_from_brain_mm: tuple[float, ...] | None = None


def count(mask: np.ndarray, voxel_ml: float) -> int:
    """Return how many connected lesions of at least MIN_LESION_ML a mask holds.

    mask : (X, Y, Z) bool; voxel_ml : volume of one voxel in mL
    """
    if not mask.any():
        return 0
    sizes = np.bincount(cc3d.connected_components(mask, connectivity=CONNECTIVITY).ravel())[1:]
    return int(np.count_nonzero(is_large(sizes, voxel_ml)))


def is_large(sizes: np.ndarray, voxel_ml: float) -> np.ndarray:
    """Return which sizes in voxels are those of lesions that count; `voxel_ml` : volume of one voxel in mL."""
    # Half a voxel of tolerance: a lesion of exactly the limit counts, whatever rounding does.
    return (sizes + 0.5) * voxel_ml >= MIN_LESION_ML


def largest(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected lesion of a mask (X, Y, Z) bool, as a mask of that shape."""
    return cc3d.largest_k(mask, k=1, connectivity=CONNECTIVITY).astype(bool)


def locate(
    mask: np.ndarray, affine: np.ndarray, brain_centre_mm: Sequence[float]
) -> Location | None:
    """Return where a mask (X, Y, Z) bool lies, None if it is empty.

    affine : (4, 4) to RAS+ mm; brain_centre_mm : (3,), through which the plane between left and
    right goes. The plane is taken as upright, which is right for scans registered to an atlas, as BraTS
    cases are; in others it is wrong by the tilt of the head.
    """
    if not mask.any():
        return None
    x_mm = np.argwhere(mask) @ affine[0, :3] + (affine[0, 3] - brain_centre_mm[0])
    # Voxels on the plane count half for each side.
    right_less_left = np.sign(np.where(np.abs(x_mm) < ON_PLANE_MM, 0.0, x_mm)).mean()
    left_share = float(1 - right_less_left) / 2
    centre = tuple(round(value, 2) for value in centre_mm(mask, affine))
    offset = from_brain_mm(centre, brain_centre_mm)
    return Location(_side(left_share), round(left_share, 4), centre, offset)


def from_brain_mm(
    centre_mm: Sequence[float], brain_centre_mm: Sequence[float]
) -> tuple[float, ...]:
    """Return where a centre lies from the brain's, both (3,) RAS+ mm: mm to the right, anterior, superior.

    The origin of a scanner's coordinates need not lie in the head: there a tumour on the right can have a negative x.
    """
    return tuple(round(mm - brain, 2) for mm, brain in zip(centre_mm, brain_centre_mm, strict=True))


def _side(left_share: float) -> Side:
    if min(left_share, 1 - left_share) >= BOTH_SIDES_SHARE:
        return "both"
    return "left" if left_share > 0.5 else "right"
