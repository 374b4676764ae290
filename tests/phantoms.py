"""Synthetic cases with known volumes, in every orientation and on coarser grids."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from model.geometry import to_1mm
from model.io.case import Case
from model.io.modalities import MODALITIES
from model.io.nifti import write_scan
from model.phantom import make_case

SMALL = (80, 96, 72)


def orientations() -> Iterator[tuple[str, str, str]]:
    """Yield all 48 axis orders and directions, such as ("L", "P", "S")."""
    for axes in itertools.permutations((("R", "L"), ("A", "P"), ("S", "I"))):
        yield from itertools.product(*axes)


def turned(array: np.ndarray, affine: np.ndarray, axes: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y, Z, ...) and its affine in another orientation, by nibabel's own reference."""
    transform = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(axes)
    )
    shape = array.shape[:3]
    array = nib.apply_orientation(array, transform)
    return array, affine @ nib.orientations.inv_ornt_aff(transform, shape)


def small_case(seed: int = 1) -> tuple[Case, np.ndarray]:
    """Return a small phantom and its labels."""
    return make_case(seed, shape=SMALL)


def without(case: Case, modality: str) -> Case:
    """Return the case as if the file of one modality had not been given."""
    data = case.data.copy()
    data[..., MODALITIES.index(modality)] = 0
    return Case(data, case.affine, (modality,))


def stretched(case: Case, spacing_mm: tuple[float, float, float]) -> Case:
    """Return the case as if scanned with `spacing_mm` voxels: fewer voxels, same field of view."""
    # `to_1mm` sees a scan whose voxels are 1 / spacing: resampled to 1, it has the shape wanted.
    shrunk = case.affine @ np.diag([*(1 / np.array(spacing_mm)), 1])
    arrays = [to_1mm(case.data[..., c], shrunk) for c in range(case.data.shape[-1])]
    affine = arrays[0][1] @ np.diag([*spacing_mm, 1])
    affine[:3, 3] = case.affine[:3, 3]
    return Case(np.stack([array for array, _ in arrays], axis=-1), affine)


def write_case(folder: Path, case: Case, prefix: str = "patient_") -> dict[str, Path]:
    """Write the four scans of a case as int16; return their paths by modality."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {modality: folder / f"{prefix}{modality}.nii.gz" for modality in MODALITIES}
    for channel, path in enumerate(paths.values()):
        write_scan(path, np.rint(case.data[..., channel]).astype(np.int16), case.affine)
    return paths
