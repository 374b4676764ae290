"""Corrected masks: read strictly, measured, and added as a new version. Nothing is replaced."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import sqlalchemy as sa

from app.analysis.measurements import measure
from app.analysis.record import CaseRecord, Geometry, MaskFindings
from app.errors import NotFound
from app.memory import room
from app.store import case_summary
from app.store.data_folder import new_staging_folder
from app.store.lesion_numbers import Former
from app.store.models import StoredCase, StoredMask, db
from app.store.results import CaseFolder, OtherGrids
from model.errors import CaseError
from model.geometry import labels_to_grid, spacing_mm, to_canonical, voxel_ml
from model.io.nifti import Volume, read_placing, read_volume
from model.io.nifti_header import Limits
from model.io.nifti_placing import SAME_SPACING, forms
from model.io.scans import GRID_TOLERANCE_MM, grid_distance_mm
from model.labels import Convention, from_file_values, to_file_values
from model.preprocess import MIN_BRAIN_ML

# So that one case cannot fill the disk.
MAX_VERSIONS = 100
# Tries to find a free number while others add versions too.
MAX_TRIES = 20
# For a voxel of the case while its mask is read, checked and measured.
BYTES_A_VOXEL = 20
# How far from a whole number a label may lie: resampling and scaled integers leave rounding errors.
ROUNDING = 0.05
GRID_HINT = "Export the mask on the grid of the scans, without resampling or turning it."


def find(case: StoredCase, number: int) -> StoredMask:
    """Return a version of a finished case's mask. Raises NotFound or NotReady."""
    case.results()
    for mask in case.all_masks:
        if mask.number == number:
            return mask
    raise NotFound(f"The mask has no version {number}.", "Versions are listed with the case.")


def correct(case: StoredCase, path: Path, name: str, base: int) -> StoredMask:
    """Add the mask in a file as a new version that was drawn on version `base`, once there is memory for it.

    name : what errors call the file

    Raises CaseError: a code of `read_volume`, `grid_mismatch`, `mask_values`, `mask_unchanged` or
    `too_many_versions`; Busy where memory is not free in time.
    """
    find(case, base)
    case_id, voxels = case.id, case.record.geometry.voxels
    with room().taken(BYTES_A_VOXEL * voxels):
        number = _correct(case, path, name, base)
    return db.session.get_one(StoredMask, (case_id, number))


def _correct(case: StoredCase, path: Path, name: str, base: int) -> int:
    """Add a version; return its number."""
    _require_free_version(case)
    record = case.record
    volume = _read_mask(path, name, record.geometry)
    placing = read_placing(case.folder.model_results.segmentation)
    labels = checked_labels(volume, record.geometry, record.label_convention, name, placing)
    _require_change(case, labels, record.geometry)
    # Read now: the row may have been deleted when they are needed.
    case_id, home, former = case.id, case.folder, Former.of(case, find(case, base))
    folder = _write_version(home, labels, record)
    try:
        findings = former.name(findings_of(labels, record), home.results(folder).labels())
        number = _append(case_id, "corrected", base, folder, findings, record)
    except BaseException:
        home.remove_results(folder)
        raise
    return number


def restore(case: StoredCase, number: int) -> StoredMask:
    """Add a version that is the same as version `number`, which then counts again.

    Raises CaseError `mask_unchanged` or `too_many_versions`.
    """
    wanted = find(case, number)
    _require_free_version(case)
    if wanted.folder == case.mask.folder:
        raise _unchanged(case)
    case_id, folder, findings = case.id, wanted.folder, wanted.findings
    added = _append(case_id, "restored", number, folder, findings, case.record)
    return db.session.get_one(StoredMask, (case_id, added))


def checked_labels(
    volume: Volume,
    geometry: Geometry,
    convention: Convention,
    name: str,
    placing: nib.Nifti1Header | None = None,
) -> np.ndarray:
    """Return a mask as network indices (X, Y, Z) uint8.

    geometry : that of the case ; placing : that of the model's mask, see `_check_grid`

    Raises CaseError `grid_mismatch` or `mask_values`.
    """
    _check_grid(volume, geometry, name, placing)
    allowed = sorted(set(to_file_values(np.arange(4), convention).tolist()))
    whole = np.rint(volume.data)
    wrong = ~np.isin(whole, allowed) | (np.abs(volume.data - whole) > ROUNDING)
    if wrong.any():
        raise CaseError(
            "mask_values",
            f"The mask holds the value {volume.data[wrong].flat[0]:g}.",
            f"The values of this case are {', '.join(map(str, allowed))}.",
            name,
        )
    return from_file_values(whole)


def check_brain(path: Path, name: str, geometry: Geometry, placing: nib.Nifti1Header) -> None:
    """Check a brain mask that a person has drawn for a case of this geometry; see `checked_labels`.

    Raises CaseError: a code of `read_volume`, `grid_mismatch` or `no_brain`.
    """
    with room().taken(BYTES_A_VOXEL * geometry.voxels):
        volume = _read_mask(path, name, geometry)
        _check_grid(volume, geometry, name, placing)
        brain_ml = np.count_nonzero(volume.data > 0) * voxel_ml(geometry.affine_array)
    if brain_ml < MIN_BRAIN_ML:
        message = f"The brain mask has {brain_ml:.0f} mL, which is no brain."
        raise CaseError("no_brain", message, "Give every voxel of the brain a value above 0.", name)


def _check_grid(
    volume: Volume, geometry: Geometry, name: str, placing: nib.Nifti1Header | None
) -> None:
    """Raise CaseError `grid_mismatch` for a mask that does not lie on the grid of the results.

    placing : header of the model's mask. Where its two forms differ, programs that read the other one and save a single
        one put the mask there; where it has none, they put it anywhere. Such masks are taken.
    """
    shape = geometry.shape
    if volume.data.shape != shape:
        sizes = " x ".join(map(str, volume.data.shape)), " x ".join(map(str, shape))
        message = f"The mask has {sizes[0]} voxels, but the scans have {sizes[1]}."
        raise CaseError("grid_mismatch", message, GRID_HINT, name)
    known = [geometry.affine_array]
    if placing is not None:
        known += forms(placing)
        sizes = spacing_mm(volume.affine), spacing_mm(geometry.affine_array)
        if len(known) == 1 and np.allclose(*sizes, rtol=SAME_SPACING):
            return
    distance = min(grid_distance_mm(shape, volume.affine, affine) for affine in known)
    if distance > GRID_TOLERANCE_MM:
        message = f"The mask lies up to {distance:.1f} mm apart from the scans."
        raise CaseError("grid_mismatch", message, GRID_HINT, name)


def findings_of(labels: np.ndarray, record: CaseRecord) -> MaskFindings:
    """Return what a corrected mask changes in a case's record.

    labels : (X, Y, Z) uint8 network indices; record : that of the model's mask

    No confidence: the model's probabilities belong to the model's own labels.
    """
    affine = record.geometry.affine_array
    measurements = measure(
        labels,
        affine,
        None,
        brain_voxels=round(record.measurements.brain_ml / voxel_ml(affine)),
        brain_centre_mm=record.geometry.brain_centre_mm,
    )
    # The other warnings are about the scans, and stay.
    of_marks = ("nothing_marked", "small_uncertain", "look_closely")
    kept = tuple(warning for warning in record.warnings if warning.code not in of_marks)
    return MaskFindings(measurements, kept)


def _read_mask(path: Path, name: str, geometry: Geometry) -> Volume:
    """Read no more voxels than the scans have, here or at 1 mm. Raises CaseError."""
    limits = Limits(max_voxels=max(geometry.voxels, geometry.voxels_at_1mm))
    try:
        return read_volume(path, name=name, limits=limits)
    except CaseError as error:
        if error.code != "too_large":
            raise
        message = "The mask has more voxels than the scans."
        raise CaseError("grid_mismatch", message, GRID_HINT, name) from error


def _require_free_version(case: StoredCase) -> None:
    if len(case.masks) >= MAX_VERSIONS:
        raise CaseError(
            "too_many_versions",
            f"The mask has {MAX_VERSIONS} versions already.",
            "Download the mask and upload the case again to go on.",
        )


def _require_change(case: StoredCase, labels: np.ndarray, geometry: Geometry) -> None:
    canonical, _ = to_canonical(labels, geometry.affine_array)
    if np.array_equal(case.results().labels(), canonical):
        raise _unchanged(case)


def _unchanged(case: StoredCase) -> CaseError:
    return CaseError(
        "mask_unchanged",
        f"The mask is the same as version {case.mask.number}, which counts now.",
        "There is nothing to save.",
    )


def _write_version(home: CaseFolder, labels: np.ndarray, record: CaseRecord) -> str:
    """Add a folder of results with another mask; return its name.

    It appears whole, by one rename. Raises NotFound if the case has been deleted.
    """
    work = new_staging_folder()
    try:
        affine = record.geometry.affine_array
        others = _on_other_grids(home, labels, record)
        return home.add_corrected(work, labels, affine, others, record.label_convention)
    except FileNotFoundError as error:
        raise NotFound("There is no such case.", "It may have been deleted.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _on_other_grids(home: CaseFolder, labels: np.ndarray, record: CaseRecord) -> OtherGrids:
    """Return the mask on the grids of scans that have one of their own."""
    found = {}
    for modality, path in home.model_results.own_grids.items():
        volume = read_volume(path)
        moved = record.preparation and record.preparation.registered.get(modality)
        to_reference = np.linalg.inv(moved.matrix) if moved else np.eye(4)
        grid = volume.data.shape, to_reference @ volume.affine
        on_scan = labels_to_grid(labels, record.geometry.affine_array, *grid)
        found[modality] = on_scan, volume.placing
    return found


def _append(
    case_id: str,
    kind: str,
    made_from: int,
    folder: str,
    findings: MaskFindings | None,
    of_model: CaseRecord,
) -> int:
    """Add a row under the next free number, and return the number.

    of_model : the case's record, of which the findings replace a part

    Raises NotFound if the case has been deleted.
    """
    highest = sa.select(sa.func.max(StoredMask.number)).where(StoredMask.case_id == case_id)
    there = sa.and_(StoredCase.id == case_id, StoredCase.deleted_at.is_(None))
    exists = sa.select(sa.func.count()).where(there)
    for _ in range(MAX_TRIES):
        number = 1 + (db.session.scalar(highest) or 0)
        row = {"case_id": case_id, "number": number, "kind": kind, "made_from": made_from}
        row |= {"created_at": datetime.now(UTC), "folder": folder, "findings": findings}
        try:
            db.session.execute(sa.insert(StoredMask).values(row))
        except sa.exc.IntegrityError:
            # The number has just been taken, or the case deleted.
            db.session.rollback()
            number = None
        # Checked after the row was written, which makes a deletion wait.
        if not db.session.scalar(exists):
            db.session.rollback()
            raise NotFound("There is no such case.", "It may have been deleted.")
        if number is not None:
            shown = case_summary.of_record(of_model.corrected(findings), number)
            db.session.execute(sa.update(StoredCase).where(there).values(shown))
            db.session.commit()
            return number
    raise RuntimeError("no free number for a version of the mask")
