"""Masks as people send them back."""

import gzip
import io

import nibabel as nib
import numpy as np

from model.io.nifti import compress, encode


def image_of(data: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(data))


def file_of(values: np.ndarray, affine: np.ndarray) -> tuple[io.BytesIO, str]:
    return io.BytesIO(compress(encode(values, affine))), "mask.nii.gz"


def changed(mask: nib.Nifti1Image, value: int = 4) -> np.ndarray:
    """A mask with a cube of 1000 voxels of `value` where there is none."""
    values = np.asarray(mask.dataobj).astype(np.uint8)
    values[2:12, 2:12, 2:12] = value
    return values
