"""A patient's sequences, checked to lie on one grid."""

import io
import os
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import nibabel as nib
import numpy as np

from model.errors import CaseError
from model.geometry import spacing_mm
from model.io.modalities import (
    MASK,
    MODALITIES,
    MOST_MISSING,
    TITLES,
    find_modalities,
    guess_modality,
    missing_modalities,
    require_modalities,
)
from model.io.nifti import GZIP_MAGIC, Volume, read_volume
from model.io.nifti_header import MAX_VOX_OFFSET, MAX_VOXEL_BYTES, Limits, read_header

# Two sequences share a grid when no corner of the volume moves further than this between them:
# well under a voxel, well above the rounding of float32 and quaternion headers.
GRID_TOLERANCE_MM = 0.1
# A file with no more different values than this is a label mask: BraTS masks have up to 4, and
# the coarsest scan, stored in 8 bits, about a hundred.
MOST_MASK_VALUES = 8


@dataclass(frozen=True)
class Case:
    """`data` (X, Y, Z, 4) float32 in the order of MODALITIES, `affine` (4, 4) to RAS+ mm.

    missing : modalities that were not given; their channels of `data` are 0
    oriented : whether any header says how the head lies
    placing : where the voxels lie as the file of the first modality says it; None for a case of no file
    """

    data: np.ndarray
    affine: np.ndarray
    missing: tuple[str, ...] = ()
    oriented: bool = True
    placing: nib.Nifti1Header | None = None

    @property
    def grid(self) -> np.ndarray | nib.Nifti1Header:
        """What a mask on this grid is written with."""
        return self.affine if self.placing is None else self.placing

    @property
    def present(self) -> tuple[int, ...]:
        """Channels of `data` that hold a sequence."""
        return tuple(c for c, modality in enumerate(MODALITIES) if modality not in self.missing)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape[:3]

    @property
    def spacing_mm(self) -> np.ndarray:
        """Voxel edges (3,) in mm, from the affine."""
        return spacing_mm(self.affine)


def load_case(
    paths: Mapping[str, Path],
    *,
    names: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
    most_missing: int = MOST_MISSING,
) -> Case:
    """Read the files of one patient side by side and check that they belong together.

    `most_missing` modalities may be missing from `paths`. `names` gives the names that errors use, by modality,
    which stands before a name that several have: `flair/scan.nii.gz`.
    Raises CaseError with a code of `read_volume`, `missing_modality`, `grid_mismatch`,
    `constant_volume`, `label_mask` or `same_volume`.
    """
    require_modalities(paths, most_missing)
    present = [modality for modality in MODALITIES if modality in paths]
    labels = _labels({key: (names or {}).get(key, paths[key].name) for key in present})

    failed = threading.Event()

    def read(modality: str) -> Volume:
        # Nobody sees this: files are begun in their order, and the bad one comes before.
        if failed.is_set():
            raise CancelledError
        try:
            volume = read_volume(paths[modality], name=labels[modality], limits=limits)
            _check_content(volume, labels[modality])
        except CaseError:
            failed.set()
            raise
        return volume

    # No more at a time than can be read at a time: a bad one keeps the rest from being read.
    workers = min(len(present), os.cpu_count() or 1)
    volumes: dict[str, Volume] = {}
    with ThreadPoolExecutor(workers) as pool, closing(pool.map(read, present)) as reading:
        for modality, volume in zip(present, reading, strict=True):
            volumes[modality] = volume
            first = volumes[present[0]]
            _check_grid(volume, first, labels[modality], labels[present[0]])
    _check_distinct(volumes, labels)
    # Modality-major memory: each sequence stays contiguous, as it was read.
    data = np.zeros((len(MODALITIES), *first.data.T.shape), np.float32).T
    for channel, modality in enumerate(MODALITIES):
        if modality in volumes:
            data[..., channel] = volumes[modality].data
    oriented = any(volume.oriented for volume in volumes.values())
    return Case(data, first.affine, missing_modalities(volumes), oriented, first.placing)


def _labels(names: dict[str, str]) -> dict[str, str]:
    """Return names by modality, with that before each where several are the same."""
    counts = Counter(names.values())
    return {key: name if counts[name] == 1 else f"{key}/{name}" for key, name in names.items()}


def check_start(start: bytes, size_bytes: int, limits: Limits) -> None:
    """Refuse a file by its first bytes and its size. Raises CaseError `not_nifti` or `too_large`."""
    if start[:2] != GZIP_MAGIC:
        read_header(io.BufferedReader(io.BytesIO(start)))
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


def grid_distance_mm(shape: tuple[int, ...], a: np.ndarray, b: np.ndarray) -> float:
    """Return how far apart, in mm, affines `a` and `b` put the furthest corner of `shape`."""
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in shape])).reshape(3, -1)
    difference = (a - b)[:3]
    return float(np.linalg.norm(difference[:, :3] @ corners + difference[:, 3:], axis=0).max())


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz")) and not path.name.startswith(".")


def _check_grid(volume: Volume, first: Volume, name: str, first_name: str) -> None:
    shape, wanted = volume.data.shape, first.data.shape
    hint = "Register the sequences to one another first, as BraTS cases are."
    if shape != wanted:
        sizes = " x ".join(map(str, shape)), " x ".join(map(str, wanted))
        raise CaseError(
            "grid_mismatch",
            f"{name} has {sizes[0]} voxels, but {first_name} has {sizes[1]}.",
            hint,
            name,
        )
    distance = grid_distance_mm(shape, volume.affine, first.affine)
    if distance > GRID_TOLERANCE_MM:
        raise CaseError(
            "grid_mismatch",
            f"{name} and {first_name} lie up to {distance:.1f} mm apart according to their headers "
            f"(at most {GRID_TOLERANCE_MM} mm is accepted).",
            hint,
            name,
        )


def _check_content(volume: Volume, name: str) -> None:
    if volume.data.min() == volume.data.max():
        raise CaseError(
            "constant_volume",
            "All voxels have the same value.",
            "Upload the scan itself, not an empty template.",
            name,
        )
    # A look at few voxels spares scans the full count.
    for voxels in (volume.data[::4, ::4, ::4], volume.data):
        values = np.unique(voxels)
        if len(values) > MOST_MASK_VALUES:
            return
    raise CaseError(
        "label_mask",
        f"The file has only {len(values)} different values, as a mask of labels has.",
        "Upload the scan itself; masks are made here.",
        name,
    )


def _check_distinct(volumes: Mapping[str, Volume], names: Mapping[str, str]) -> None:
    """Refuse the same scan in two places, which would be segmented without a word otherwise."""
    for one, two in combinations(volumes, 2):
        a, b = volumes[one].data, volumes[two].data
        # A look at few voxels spares most pairs the full comparison.
        if np.array_equal(a[::8, ::8, ::8], b[::8, ::8, ::8]) and np.array_equal(a, b):
            raise CaseError(
                "same_volume",
                f"{TITLES[one]} and {TITLES[two]} are the same scan.",
                "Choose a different file for one of them.",
                names[two],
            )
