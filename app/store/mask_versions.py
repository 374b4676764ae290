"""Corrections of a mask: read strictly, measured, and added as a new version. Nothing is replaced."""

import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from app.analysis.measurements import measure, voxel_ml
from app.errors import NotFound
from app.reporting import rendering
from app.reporting.report import EMPTY_MESSAGE
from app.store import cases
from app.store.models import RESULTS, StoredCase, StoredMask, db
from model.errors import CaseError
from model.geometry import to_canonical
from model.io.case import GRID_TOLERANCE_MM, grid_distance_mm
from model.io.nifti import Volume, read_placing, read_volume, write_mask
from model.io.nifti_header import Limits
from model.labels import Convention, from_file_values, to_file_values

# A case cannot fill the disk with versions of its mask.
MAX_VERSIONS = 100
# Tries to find a free number while others add versions too.
MAX_TRIES = 20
SEGMENTATION = "segmentation.nii.gz"
GRID_HINT = "Export the mask on the grid of the scans, without resampling or turning it."
NOTHING_MARKED = "No voxels are marked in the corrected mask."


def find(case: StoredCase, number: int) -> StoredMask:
    """Return a version of a finished case's mask. Raises NotFound or NotReady."""
    case.results()
    for mask in case.all_masks:
        if mask.number == number:
            return mask
    raise NotFound(f"The mask has no version {number}.", "Versions are listed with the case.")


def correct(case: StoredCase, path: Path, name: str, base: int) -> StoredMask:
    """Add the mask in a file as a new version that was drawn on version `base`.

    name : what errors call the file

    Raises CaseError: a code of `read_volume`, `grid_mismatch`, `mask_values`, `mask_unchanged` or
    `too_many_versions`.
    """
    find(case, base)
    _require_room(case)
    geometry, convention = case.report["geometry"], case.report["label_convention"]
    volume = _read_mask(path, name, geometry)
    labels = checked_labels(volume, geometry, convention, name)
    _require_change(case, labels, np.array(geometry["affine"]))
    # Noted now: the row may be gone when they are needed.
    case_id, report, home = case.id, case.report, case.folder
    folder = _write_version(home, labels, report)
    try:
        number = _append(case_id, "corrected", base, folder, findings_of(labels, report))
    except BaseException:
        shutil.rmtree(home / folder, ignore_errors=True)
        raise
    return db.session.get_one(StoredMask, (case_id, number))


def restore(case: StoredCase, number: int) -> StoredMask:
    """Add a version that is the same as version `number`, which then counts again.

    Raises CaseError `mask_unchanged` or `too_many_versions`.
    """
    wanted = find(case, number)
    _require_room(case)
    if wanted.folder == case.mask.folder:
        raise _unchanged(case)
    case_id, folder, findings = case.id, wanted.folder, wanted.findings
    added = _append(case_id, "restored", number, folder, findings)
    return db.session.get_one(StoredMask, (case_id, added))


def checked_labels(
    volume: Volume, geometry: dict[str, Any], convention: Convention, name: str
) -> np.ndarray:
    """Return a mask as network indices (X, Y, Z) uint8.

    geometry : shape and affine of the case, as in its report

    Raises CaseError `grid_mismatch` or `mask_values`.
    """
    shape = tuple(geometry["shape"])
    if volume.data.shape != shape:
        sizes = " x ".join(map(str, volume.data.shape)), " x ".join(map(str, shape))
        message = f"The mask has {sizes[0]} voxels, but the scans have {sizes[1]}."
        raise CaseError("grid_mismatch", message, GRID_HINT, name)
    distance = grid_distance_mm(shape, volume.affine, np.array(geometry["affine"]))
    if distance > GRID_TOLERANCE_MM:
        message = f"The mask lies up to {distance:.1f} mm apart from the scans."
        raise CaseError("grid_mismatch", message, GRID_HINT, name)
    allowed = sorted(set(to_file_values(np.arange(4), convention).tolist()))
    if not np.isin(volume.data, allowed).all():
        found = volume.data[~np.isin(volume.data, allowed)].flat[0]
        raise CaseError(
            "mask_values",
            f"The mask holds the value {found:g}.",
            f"The values of this case are {', '.join(map(str, allowed))}.",
            name,
        )
    return from_file_values(volume.data)


def findings_of(labels: np.ndarray, report: dict[str, Any]) -> dict[str, Any]:
    """Return what a corrected mask changes in a case's report.

    labels : (X, Y, Z) uint8 network indices; report : that of the model's mask

    No confidence: the model's probabilities belong to the model's own choice.
    """
    known, geometry = report["measurements"], report["geometry"]
    affine = np.array(geometry["affine"])
    measurements = measure(
        labels,
        affine,
        None,
        brain_voxels=round(known["brain_ml"] / voxel_ml(affine)),
        brain_centre_mm=geometry.get("brain_centre_mm"),
    )
    # The other warnings are about the scans, and stay.
    warnings = [text for text in report["warnings"] if not text.startswith(EMPTY_MESSAGE)]
    message = "" if labels.any() else NOTHING_MARKED
    return {"measurements": measurements, "warnings": warnings, "message": message}


def _read_mask(path: Path, name: str, geometry: dict[str, Any]) -> Volume:
    """Read no more voxels than the scans have. Raises CaseError."""
    try:
        limits = Limits(max_voxels=int(np.prod(geometry["shape"])))
        return read_volume(path, name=name, limits=limits)
    except CaseError as error:
        if error.code != "too_large":
            raise
        message = "The mask has more voxels than the scans."
        raise CaseError("grid_mismatch", message, GRID_HINT, name) from error


def _require_room(case: StoredCase) -> None:
    if len(case.masks) >= MAX_VERSIONS:
        raise CaseError(
            "too_many_versions",
            f"The mask has {MAX_VERSIONS} versions already.",
            "Download the mask and upload the case again to go on.",
        )


def _require_change(case: StoredCase, labels: np.ndarray, affine: np.ndarray) -> None:
    if np.array_equal(rendering.stored_labels(case.results()), to_canonical(labels, affine)[0]):
        raise _unchanged(case)


def _unchanged(case: StoredCase) -> CaseError:
    return CaseError(
        "mask_unchanged",
        f"The mask is the same as version {case.mask.number}, which counts now.",
        "There is nothing to save.",
    )


def _write_version(home: Path, labels: np.ndarray, report: dict[str, Any]) -> str:
    """Write a folder that is like `results` but for the mask; return its name below `home`.

    It appears whole, by one rename. Raises NotFound if the case has been deleted.
    """
    affine, work = np.array(report["geometry"]["affine"]), cases.new_staging_folder()
    try:
        values = to_file_values(labels, report["label_convention"])
        placing = read_placing(home / RESULTS / SEGMENTATION)
        write_mask(work / SEGMENTATION, values, placing)
        rendering.save_labels(work, labels, affine)
        for file in (home / RESULTS).iterdir():
            if not (work / file.name).exists():
                _link(file, work / file.name)
        name = f"masks/{secrets.token_hex(8)}"
        (home / "masks").mkdir(mode=0o700, exist_ok=True)
        work.rename(home / name)
    except FileNotFoundError as error:
        raise NotFound("There is no such case.", "It may have been deleted.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return name


def _link(source: Path, target: Path) -> None:
    """Let a second name stand for a file that never changes; copy it where that is impossible."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _append(case_id: str, kind: str, made_from: int, folder: str, findings: dict[str, Any]) -> int:
    """Add a row under the next free number, and return that; nothing can fail once it is there.

    Raises NotFound if the case has been deleted.
    """
    highest = sa.select(sa.func.max(StoredMask.number)).where(StoredMask.case_id == case_id)
    exists = sa.select(sa.func.count()).where(StoredCase.id == case_id)
    for _ in range(MAX_TRIES):
        number = 1 + (db.session.scalar(highest) or 0)
        row = {"case_id": case_id, "number": number, "kind": kind, "made_from": made_from}
        row |= {"created_at": datetime.now(UTC), "folder": folder, "findings": findings}
        try:
            db.session.execute(sa.insert(StoredMask).values(row))
        except sa.exc.IntegrityError:
            # Somebody else has just taken the number, or the case is gone.
            db.session.rollback()
            number = None
        # Asked for after the row has been written, which keeps a deletion waiting.
        if not db.session.scalar(exists):
            db.session.rollback()
            raise NotFound("There is no such case.", "It may have been deleted.")
        if number is not None:
            db.session.commit()
            return number
    raise RuntimeError("no free number for a version of the mask")
