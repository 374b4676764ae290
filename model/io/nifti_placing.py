"""Where a NIfTI header puts its voxels: its two forms and voxel sizes, read as leniently as other programs do.

Slips whose meaning is plain are mended: metres or microns, negative voxel sizes, an empty sform beside a qform. What
contradicts itself is told, since volumes or the side of a lesion may be wrong by it. The standard: nifti1.h, NIMH.
"""

from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np

from model.geometry import spacing_mm

# Finest and coarsest voxel edge, in mm, that a structural brain scan can have.
SPACING_RANGE_MM = (0.1, 10.0)
# mm of a unit, by its code in xyzt_units; 0, unknown, counts as mm.
UNITS_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
# Codes of an sform that leads into the space of a template, where a scan may lie elsewhere than in the scanner.
TEMPLATES = (3, 4)
# Two forms agree if voxels differ by less than this share in size, and the far corner by less than this share of
# the volume's diagonal: programs round differently.
SAME_SPACING, SAME_PLACE = 0.02, 0.005

Kind = Literal["spacing", "mirrored", "apart"]


@dataclass(frozen=True)
class Conflict:
    """Two statements of a header that cannot both be true.

    kind : voxels of different sizes, left and right exchanged, or another place
    used, other : names of the two, the first of which counts
    used_mm, other_mm : voxel edges (3,) by each ; apart_mm : how far they put the furthest corner apart
    """

    kind: Kind
    used: str
    other: str
    used_mm: tuple[float, ...]
    other_mm: tuple[float, ...]
    apart_mm: float


def mend(header: nib.Nifti1Header) -> None:
    """Put right, in place, what other programs read without a word: sizes below zero, units other than mm."""
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    unit = UNITS_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    if unit == 1.0 or not _plausible(header, unit):
        return
    header["pixdim"][1:4] *= unit
    for name in ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"):
        header[name] = header[name] * unit
    header["xyzt_units"] = 2 | (int(header["xyzt_units"]) & ~7)


def best_affine(header: nib.Nifti1Header) -> np.ndarray:
    """Return the affine (4, 4) that counts: that of the sform, else of the qform, else what sizes alone say.

    A form counts where its code is set, and the sform only if it is not empty. Not finite where nothing can be read.
    """
    found = _forms(header)
    if found:
        return next(iter(found.values()))
    try:
        return np.array(header.get_base_affine(), np.float64)
    except (ValueError, ArithmeticError, nib.spatialimages.HeaderDataError):
        return np.full((4, 4), np.nan)


def conflict_in(header: nib.Nifti1Header, shape: tuple[int, ...]) -> Conflict | None:
    """Return what a header, which `mend` has seen, says twice and differently; None if all agrees."""
    found = _forms(header)
    if not found:
        return None
    (used, affine), *others = found.items()
    for other, second in others:
        conflict = _between(used, affine, other, second, shape)
        meant = conflict and conflict.kind == "apart" and int(header["sform_code"]) in TEMPLATES
        if conflict and not meant:
            return conflict
    sizes, stated = spacing_mm(affine), np.array(header["pixdim"][1:4], np.float64)
    if (stated > 0).all() and (np.abs(stated / sizes - 1) > SAME_SPACING).any():
        mm = tuple(sizes.tolist()), tuple(stated.tolist())
        return Conflict("spacing", used, "pixdim", *mm, 0.0)
    return None


def forms(header: nib.Nifti1Header) -> list[np.ndarray]:
    """Return the affines (4, 4) that programs may read from a header."""
    return list(_forms(header).values())


def _between(
    used: str, affine: np.ndarray, other: str, second: np.ndarray, shape: tuple[int, ...]
) -> Conflict | None:
    sizes = spacing_mm(affine), spacing_mm(second)
    ends = np.array(np.meshgrid(*[(0, length - 1) for length in shape])).reshape(3, -1).T
    places = [nib.affines.apply_affine(one, ends) for one in (affine, second)]
    apart_mm = float(np.linalg.norm(places[0] - places[1], axis=1).max())
    diagonal_mm = float(np.linalg.norm(sizes[0] * shape))
    mm = tuple(sizes[0].tolist()), tuple(sizes[1].tolist())
    if (np.abs(sizes[1] / sizes[0] - 1) > SAME_SPACING).any():
        return Conflict("spacing", used, other, *mm, apart_mm)
    if np.linalg.det(affine[:3, :3]) * np.linalg.det(second[:3, :3]) < 0:
        return Conflict("mirrored", used, other, *mm, apart_mm)
    if apart_mm > SAME_PLACE * diagonal_mm:
        return Conflict("apart", used, other, *mm, apart_mm)
    return None


def _forms(header: nib.Nifti1Header) -> dict[str, np.ndarray]:
    """Return by name the forms whose codes are set and which say something, in the order in which they count."""
    found = {}
    if header["sform_code"] > 0:
        sform = np.array(header.get_sform(), np.float64)
        if np.any(sform[:3, :3]):
            found["sform"] = sform
    if header["qform_code"] > 0:
        try:
            found["qform"] = np.array(header.get_qform(), np.float64)
        except (ValueError, ArithmeticError, nib.spatialimages.HeaderDataError):
            found.setdefault("sform", np.full((4, 4), np.nan))
    return {
        name: affine
        for place, (name, affine) in enumerate(found.items())
        # The one that counts is checked by the caller; another that says nothing is no contradiction.
        if place == 0 or (np.isfinite(affine).all() and (spacing_mm(affine) > 0).all())
    }


def _plausible(header: nib.Nifti1Header, unit: float) -> bool:
    """Say whether voxels have possible sizes in mm with a unit, and not without."""
    sizes = spacing_mm(best_affine(header))
    low, high = SPACING_RANGE_MM
    with_unit, without = ((low <= edges) & (edges <= high) for edges in (sizes * unit, sizes))
    return bool(with_unit.all() and not without.all())
