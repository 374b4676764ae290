"""A patient's sequences as they were given: read and checked one by one, each on its own grid."""

import os
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import nibabel as nib
import numpy as np

from model.errors import CaseError
from model.geometry import spacing_mm
from model.io.modalities import (
    MODALITIES,
    MOST_MISSING,
    TITLES,
    missing_modalities,
    require_modalities,
)
from model.io.nifti import Volume, read_volume
from model.io.nifti_header import Limits
from model.io.nifti_placing import SAME_SPACING

# Two sequences share a grid when no corner of the volume moves further than this between them:
# well under a voxel, well above the rounding of float32 and quaternion headers.
GRID_TOLERANCE_MM = 0.1
# A file with no more different values than this is a label mask: BraTS masks have up to 4, and
# the coarsest scan, stored in 8 bits, about a hundred.
MOST_MASK_VALUES = 8


@dataclass(frozen=True)
class Scans:
    """The sequences of one patient, each on its own grid.

    volumes : by modality, in the order of MODALITIES
    names : what errors call their files
    """

    volumes: dict[str, Volume]
    names: dict[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Modalities that were not given."""
        return missing_modalities(self.volumes)

    @property
    def oriented(self) -> bool:
        """Whether any header says how the head lies."""
        return any(volume.oriented for volume in self.volumes.values())


def read_scans(
    paths: Mapping[str, Path],
    *,
    names: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
    most_missing: int = MOST_MISSING,
) -> Scans:
    """Read the files of one patient side by side, and check that each is a scan of its own.

    `most_missing` modalities may be missing from `paths`. `names` gives the names that errors use, by modality,
    which stands before a name that several have: `flair/scan.nii.gz`.
    Raises CaseError with a code of `read_volume`, `missing_modality`, `constant_volume`, `label_mask` or
    `same_volume`.
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
    with ThreadPoolExecutor(workers) as pool, closing(pool.map(read, present)) as reading:
        volumes = dict(zip(present, reading, strict=True))
    _check_distinct(volumes, labels)
    return Scans(_oriented(volumes), labels)


def on_one_grid(scans: Scans) -> bool:
    """Say whether all scans have the same voxels, in whatever order these are stored."""
    first, *others = scans.volumes.values()
    return all(
        apart_mm(in_order_of(volume, first), first) <= GRID_TOLERANCE_MM for volume in others
    )


def in_order_of(volume: Volume, first: Volume) -> Volume:
    """Return a scan with its voxels in the order and direction of another's; nothing is resampled."""
    if np.array_equal(volume.affine, first.affine):
        return volume
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(volume.affine), nib.io_orientation(first.affine)
    )
    if (turn == [[0, 1], [1, 1], [2, 1]]).all():
        return volume
    data = nib.apply_orientation(volume.data, turn)
    affine = volume.affine @ nib.orientations.inv_ornt_aff(turn, volume.data.shape)
    return replace(volume, data=data, affine=affine)


def apart_mm(volume: Volume, first: Volume) -> float:
    """Return how far apart, in mm, two scans put the furthest corner; infinite for other dimensions."""
    if volume.data.shape != first.data.shape:
        return float("inf")
    return grid_distance_mm(first.data.shape, volume.affine, first.affine)


def grid_distance_mm(shape: tuple[int, ...], a: np.ndarray, b: np.ndarray) -> float:
    """Return how far apart, in mm, affines `a` and `b` put the furthest corner of `shape`."""
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in shape])).reshape(3, -1)
    difference = (a - b)[:3]
    return float(np.linalg.norm(difference[:, :3] @ corners + difference[:, 3:], axis=0).max())


def _labels(names: dict[str, str]) -> dict[str, str]:
    """Return names by modality, with that before each where several are the same."""
    counts = Counter(names.values())
    return {key: name if counts[name] == 1 else f"{key}/{name}" for key, name in names.items()}


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


def _oriented(volumes: Mapping[str, Volume]) -> dict[str, Volume]:
    """Return the scans, those without orientation placed as another of the same voxels, if one has one.

    A tool that dropped the codes of one file has not moved its voxels; if they are elsewhere all the same, the
    images tell (`model.preparation.displacement`).
    """
    known = [volume for volume in volumes.values() if volume.oriented]

    def placed(volume: Volume) -> Volume:
        for other in known:
            sizes = spacing_mm(volume.affine), spacing_mm(other.affine)
            if volume.data.shape == other.data.shape and np.allclose(*sizes, rtol=SAME_SPACING):
                return replace(volume, affine=other.affine, placing=other.placing)
        return volume

    return {key: volume if volume.oriented else placed(volume) for key, volume in volumes.items()}


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
