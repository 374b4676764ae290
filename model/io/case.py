"""A patient's sequences on one grid, as what is segmented."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from model.errors import CaseError
from model.geometry import spacing_mm
from model.io.modalities import (
    MASK,
    MODALITIES,
    MOST_MISSING,
    find_modalities,
    guess_modality,
)
from model.io.nifti import GZIP_MAGIC, SUFFIXES, Volume
from model.io.nifti_header import (
    MAX_VOX_OFFSET,
    MAX_VOXEL_BYTES,
    Limits,
    check_header,
    goes_on,
    read_header,
)
from model.io.scans import (
    GRID_TOLERANCE_MM,
    Scans,
    apart_mm,
    grid_distance_mm,
    in_order_of,
    read_scans,
)


class Sequences:
    """A patient's sequences on one grid, ready (`Case`) or made one by one when asked for (`OnRequest`)."""

    shape: tuple[int, int, int]
    affine: np.ndarray
    missing: tuple[str, ...]
    placing: nib.Nifti1Header | None

    def sequence(self, channel: int) -> np.ndarray:
        """Return the sequence of a channel, (X, Y, Z) float32."""
        raise NotImplementedError

    @property
    def grid(self) -> np.ndarray | nib.Nifti1Header:
        """What a mask on this grid is written with."""
        return self.affine if self.placing is None else self.placing

    @property
    def present(self) -> tuple[int, ...]:
        """Channels that hold a sequence."""
        return tuple(c for c, modality in enumerate(MODALITIES) if modality not in self.missing)

    @property
    def spacing_mm(self) -> np.ndarray:
        """Voxel edges (3,) in mm, from the affine."""
        return spacing_mm(self.affine)


@dataclass(frozen=True)
class OnRequest(Sequences):
    """Sequences of which each is made when it is asked for: four large ones would fill the memory.

    make : returns the sequence of a channel, (X, Y, Z) float32 ; the rest as in `Case`
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    make: Callable[[int], np.ndarray]
    missing: tuple[str, ...] = ()
    placing: nib.Nifti1Header | None = None

    def sequence(self, channel: int) -> np.ndarray:
        return self.make(channel)


@dataclass(frozen=True)
class Case(Sequences):
    """`data` (X, Y, Z, 4) float32 in the order of MODALITIES, `affine` (4, 4) to RAS+ mm.

    missing : modalities that were not given; their channels of `data` are 0
    oriented : whether any header says how the head lies
    placing : where the voxels lie as the file of the first modality says it; None for a case of no file
    brain : (X, Y, Z) bool, where it is known already; all else is background
    """

    data: np.ndarray
    affine: np.ndarray
    missing: tuple[str, ...] = ()
    oriented: bool = True
    placing: nib.Nifti1Header | None = None
    brain: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape[:3]

    def sequence(self, channel: int) -> np.ndarray:
        return self.data[..., channel]


def load_case(
    paths: Mapping[str, Path],
    *,
    names: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
    most_missing: int = MOST_MISSING,
) -> Case:
    """Read the files of one patient, which have to lie on one grid.

    Arguments and errors as in `read_scans`, and CaseError `grid_mismatch`.
    """
    return stacked(read_scans(paths, names=names, limits=limits, most_missing=most_missing))


def stacked(scans: Scans) -> Case:
    """Return scans that lie on one grid as a case. Raises CaseError `grid_mismatch`."""
    require_one_grid(scans)
    first, *_ = scans.volumes.values()
    ordered = {key: in_order_of(volume, first) for key, volume in scans.volumes.items()}
    # Modality-major memory: each sequence stays contiguous, as it was read.
    data = np.zeros((len(MODALITIES), *first.data.T.shape), np.float32).T
    for channel, modality in enumerate(MODALITIES):
        if modality in ordered:
            data[..., channel] = ordered[modality].data
    return Case(data, first.affine, scans.missing, scans.oriented, first.placing)


def require_one_grid(scans: Scans) -> None:
    """Raise CaseError `grid_mismatch` unless all scans have the same voxels, in whatever order."""
    (first_name, first), *_ = scans.volumes.items()
    for modality, volume in scans.volumes.items():
        ordered = in_order_of(volume, first)
        _check_grid(ordered, first, scans.names[modality], scans.names[first_name])


def same_order(shape: tuple[int, ...], affine: np.ndarray, case: Case) -> bool:
    """Say whether a grid has the voxels of a case in the same order."""
    return shape == case.shape and grid_distance_mm(shape, affine, case.affine) <= GRID_TOLERANCE_MM


def check_start(start: bytes, size_bytes: int, limits: Limits) -> None:
    """Refuse a file by its first bytes and its size. Raises CaseError: a code of `read_volume`.

    What is not compressed has about the size that its header names.
    """
    if start[:2] != GZIP_MAGIC:
        stored = check_header(*read_header(io.BufferedReader(io.BytesIO(start))), limits)
        if size_bytes > stored.size_bytes + limits.max_trailing_bytes:
            raise goes_on()
    most_bytes = limits.max_voxels * MAX_VOXEL_BYTES + MAX_VOX_OFFSET + limits.max_trailing_bytes
    if size_bytes > most_bytes:
        raise CaseError(
            "too_large",
            f"The file has more bytes than a scan of {limits.max_voxels:,} voxels can have.",
            "Resample the scan to about 1 mm.",
        )


def find_case_files(folder: Path, most_missing: int = MOST_MISSING) -> dict[str, Path]:
    """Return the scans of a BraTS-style folder by modality, masks left out.

    Where no file is a scan, its folders may hold one for each sequence: `FLAIR/scan.nii.gz`.
    Raises CaseError `duplicate_modality`, or `missing_modality` when it has no file for more than
    `most_missing` of the four; OSError where a folder cannot be read.
    """
    paths = [path for path in folder.iterdir() if _is_nifti(path)]
    if not any(guess_modality(path.name) in MODALITIES for path in paths):
        inner = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
        paths += [path for place in inner for path in place.iterdir() if _is_nifti(path)]
    files = {path.relative_to(folder).as_posix(): path for path in sorted(paths)}
    found = find_modalities(files, most_missing)
    return {modality: files[name] for modality, name in found.items()}


def find_mask_file(folder: Path) -> Path | None:
    """Return the expert segmentation (`*seg.nii*`) of a BraTS-style folder, if it has one."""
    masks = [
        path for path in folder.iterdir() if _is_nifti(path) and guess_modality(path.name) == MASK
    ]
    return min(masks, default=None)


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def _check_grid(volume: Volume, first: Volume, name: str, first_name: str) -> None:
    shape, wanted = volume.data.shape, first.data.shape
    hint = "Let them be registered (prepare: auto), or do so first, as BraTS cases are."
    if shape != wanted:
        sizes = " x ".join(map(str, shape)), " x ".join(map(str, wanted))
        raise CaseError(
            "grid_mismatch",
            f"{name} has {sizes[0]} voxels, but {first_name} has {sizes[1]}.",
            hint,
            name,
        )
    distance = apart_mm(volume, first)
    if distance > GRID_TOLERANCE_MM:
        raise CaseError(
            "grid_mismatch",
            f"{name} and {first_name} lie up to {distance:.1f} mm apart according to their headers "
            f"(at most {GRID_TOLERANCE_MM} mm is accepted).",
            hint,
            name,
        )
