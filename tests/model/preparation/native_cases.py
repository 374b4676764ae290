"""The small phantom as a hospital would have it."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import scipy

from model.io.case import Case
from model.io.modalities import MODALITIES
from model.io.nifti import Volume, placing_of_affine
from model.io.scans import Scans


def scans_of(case: Case) -> Scans:
    """Return the sequences of a case as scans of their own."""
    placing = placing_of_affine(case.affine, case.shape)
    volumes = {
        MODALITIES[c]: Volume(np.ascontiguousarray(case.data[..., c]), case.affine, placing)
        for c in case.present
    }
    return Scans(volumes, {modality: f"{modality}.nii.gz" for modality in volumes})


def with_volume(scans: Scans, modality: str, **changes) -> Scans:
    """Return scans of which one is changed."""
    volume = replace(scans.volumes[modality], **changes)
    if "affine" in changes:
        volume = replace(volume, placing=placing_of_affine(volume.affine, volume.data.shape))
    return replace(scans, volumes=scans.volumes | {modality: volume})


def moved_image(scans: Scans, modality: str, shift_mm: tuple[float, float, float]) -> Scans:
    """Return scans of which one shows the head elsewhere, under the same header."""
    volume = scans.volumes[modality]
    voxels = np.array(shift_mm) / nib.affines.voxel_sizes(volume.affine)
    return with_volume(scans, modality, data=scipy.ndimage.shift(volume.data, voxels, order=1))
