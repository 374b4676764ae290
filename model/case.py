"""A patient's four sequences, checked to lie on one grid."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.errors import CaseError
from model.geometry import spacing_mm
from model.modalities import MASK, MODALITIES, TITLES, find_modalities, guess_modality
from model.nifti import Limits, Volume, read_volume

# Two sequences share a grid when no corner of the volume moves further than this between them:
# well under a voxel, well above the rounding of float32 and quaternion headers.
GRID_TOLERANCE_MM = 0.1


@dataclass(frozen=True)
class Case:
    """`data` (X, Y, Z, 4) float32 in the order of MODALITIES, `affine` (4, 4) to RAS+ mm."""

    data: np.ndarray
    affine: np.ndarray

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
) -> Case:
    """Read the four files of one patient side by side and check that they belong together.

    `names` gives the names that errors use, by modality. Raises CaseError with a code of
    `read_volume`, `grid_mismatch`, `constant_volume` or `same_volume`.
    """
    labels = {
        modality: (names or {}).get(modality, paths[modality].name) for modality in MODALITIES
    }

    def read(modality: str) -> Volume:
        volume = read_volume(paths[modality], name=labels[modality], limits=limits)
        _check_content(volume, labels[modality])
        return volume

    with ThreadPoolExecutor(max_workers=len(MODALITIES)) as pool:
        volumes = list(pool.map(read, MODALITIES))
    first = volumes[0]
    for modality, volume in zip(MODALITIES, volumes, strict=True):
        _check_grid(volume, first, labels[modality], labels[MODALITIES[0]])
    _check_distinct(volumes, labels)
    # Modality-major memory: each sequence stays contiguous, as it was read.
    data = np.stack([volume.data.T for volume in volumes]).T
    return Case(data, first.affine)


def find_case_files(folder: Path) -> dict[str, Path]:
    """Return the four scans of a BraTS-style folder by modality, masks left out.

    Raises CaseError `missing_modality` or `duplicate_modality`.
    """
    files = {path.name: path for path in sorted(folder.iterdir()) if _is_nifti(path)}
    return {modality: files[name] for modality, name in find_modalities(files).items()}


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
    hint = "Register the four sequences to one another first, as BraTS cases are."
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


def _check_distinct(volumes: list[Volume], names: Mapping[str, str]) -> None:
    """Refuse the same scan in two places, which would be segmented without a word otherwise."""
    for later in range(1, len(volumes)):
        for earlier in range(later):
            a, b = volumes[earlier].data, volumes[later].data
            # A look at few voxels spares most pairs the full comparison.
            if np.array_equal(a[::8, ::8, ::8], b[::8, ::8, ::8]) and np.array_equal(a, b):
                one, two = MODALITIES[earlier], MODALITIES[later]
                raise CaseError(
                    "same_volume",
                    f"{TITLES[one]} and {TITLES[two]} are the same scan.",
                    "Choose a different file for one of them.",
                    names[two],
                )
