"""What is kept of a preparation: which scans were moved by how much, and whether the brain was found here."""

from dataclasses import dataclass, field
from typing import Literal

import nibabel as nib
import numpy as np

from model.geometry import centre_mm, voxel_ml
from model.preparation.native import Native
from model.preparation.registration import rotation_deg

# What scans came as.
Origin = Literal["nifti", "dicom"]


@dataclass(frozen=True)
class Registered:
    """How one scan was moved.

    rotation_deg : its angle
    translation_mm : how far the centre of the brain was moved
    agreement : how well its brain then fits that of the reference, as Dice
    matrix : (4, 4), from RAS+ mm of the reference to RAS+ mm of the scan
    """

    rotation_deg: float
    translation_mm: float
    agreement: float
    matrix: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Preparation:
    """What was done to a case before the network saw it.

    reference : the modality on whose grid the results are
    registered : by modality, those that were registered to it; a scan that lay right has no movement
    brain_extracted : whether the brain was found here; else it came so, or was drawn (`brain_drawn`)
    """

    reference: str
    brain_extracted: bool
    brain_ml: float
    source: Origin = "nifti"
    brain_drawn: bool = False
    registered: dict[str, Registered] = field(default_factory=dict)


def preparation_of(native: Native, source: Origin, brain_drawn: bool) -> Preparation:
    """Return the record of scans that were prepared."""
    grid = native.scans.volumes[native.reference].affine
    return Preparation(
        reference=native.reference,
        brain_extracted=native.extracted,
        brain_ml=round(np.count_nonzero(native.brain) * voxel_ml(grid), 3),
        source=source,
        brain_drawn=brain_drawn,
        registered={
            modality: registered(native.transforms[modality], agreement, native.brain, grid)
            for modality, agreement in native.agreement.items()
        },
    )


def registered(
    matrix: np.ndarray, agreement: float, brain: np.ndarray, affine: np.ndarray
) -> Registered:
    """Return the record of one transform (4, 4); brain (X, Y, Z) bool and affine are the reference's."""
    centre = np.array(centre_mm(brain, affine))
    moved = np.linalg.norm(nib.affines.apply_affine(matrix, centre) - centre)
    return Registered(
        rotation_deg=round(rotation_deg(matrix), 2),
        translation_mm=round(float(moved), 2),
        agreement=round(agreement, 3),
        matrix=tuple(tuple(row) for row in matrix.tolist()),
    )
