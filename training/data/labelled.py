"""Labelled cases on disk: where they are, their masks, and whose they are."""

import fnmatch
import os
import re
from pathlib import Path

import numpy as np

from model.errors import CaseError
from model.io.case import Case
from model.io.nifti import Volume, read_volume
from model.io.scans import grid_distance_mm

# Cases of one patient at several times (BraTS 2023 on) end in a three-digit visit number.
VISIT = re.compile(r"(BraTS-[A-Z]+-\d+)-\d{3}$")


def find_labelled_cases(roots: list[Path]) -> list[Path]:
    """Return every folder below `roots`, or a root itself, that holds a segmentation.

    Links to folders are followed, so that a selection of cases can be a folder of links. No folder is
    visited twice.
    """
    found, seen = [], set()
    for root in roots:
        for folder, below, files in os.walk(root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                below.clear()
                continue
            seen.add(real)
            # Links come last: a case has the name of its folder, not that of a link to it.
            below.sort(key=lambda name: (Path(folder, name).is_symlink(), name))
            if fnmatch.filter(files, "*seg.nii*"):
                found.append(Path(folder))
    return sorted(found, key=lambda folder: folder.name)


def read_labels(path: Path, case: Case) -> np.ndarray:
    """Return the label values (X, Y, Z) of an expert mask in the voxel order of its scans.

    The masks of some published cases have another affine than their scans: the orientation agrees,
    the origin does not. The voxel order is right there. Raises CaseError `grid_mismatch`.
    """
    mask: Volume = read_volume(path)
    if mask.data.shape != case.shape:
        raise CaseError("grid_mismatch", "The mask has other dimensions than the scans.")
    apart = grid_distance_mm(case.shape, mask.affine, case.affine)
    if apart > 1.0:
        print(f"{path.name}: affine {apart:.0f} mm off its scans, voxel order trusted")
    return mask.data


def patient_of(name: str) -> str:
    """Return the patient of a case, by the case's name."""
    visit = VISIT.match(name)
    return visit[1] if visit else name
