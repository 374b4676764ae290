"""Uploads of DICOM studies: gathered from files and zips, told apart, confirmed if wanted, kept as a case."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from flask import request

from app.config import settings
from app.errors import BadRequest
from app.intake import four_in_one, study_case, zip_archive
from app.intake.checked import one_at_a_time
from app.intake.dicom_study import holds_dicom
from app.intake.files import ScanFile, common_name, names_of, paths_of, visible
from app.store import cases
from app.store.models import StoredCase
from app.web import quotas
from model.errors import CaseError
from model.io.nifti import SUFFIXES, read_shape
from model.io.nifti_header import MAX_VOXEL_BYTES
from model.preparation.plan import Options

# Form field that asks to wait until a person has confirmed which series is which sequence.
CONFIRM = "confirm"


def gathered(named: dict[str, ScanFile], loose: Sequence[ScanFile], staging: Path) -> Path | None:
    """Move all DICOM files of an upload into a folder; None if it has none.

    Raises CaseError `mixed_formats` where there are NIfTI files, too, or files sent under a sequence's name, and those
    of `zip_archive.unpack`.
    """
    zips = [file for file in loose if zip_archive.is_zip(file.path)]
    studies = [file for file in zips if zip_archive.holds_study(file.path, file.name)]
    files = [file for file in loose if file not in zips]
    if not studies and not holds_dicom(file.path for file in (*files, *named.values())):
        return None
    nifti = [file for file in files if file.name.lower().endswith(SUFFIXES)]
    if named or nifti or len(studies) < len(zips):
        raise CaseError(
            "mixed_formats",
            "There are DICOM files among other scans.",
            "Send either all files of a DICOM study, as parts named files, or NIfTI files.",
        )
    folder = staging / "study"
    folder.mkdir()
    for number, file in enumerate(files):
        file.path.rename(folder / f"{number:06d}")
    left = settings().max_unpacked_mb * 2**20
    for number, file in enumerate(studies):
        unpacked = folder / f"zip-{number}"
        left -= zip_archive.unpack_dicom(file.path, file.name, unpacked, left, quotas.reserve_disk)
        file.path.unlink()
    return folder


def accept(folder: Path, options: Options) -> StoredCase:
    """Keep a folder of DICOM files as a case. Raises CaseError or RequestError before anything is kept.

    To be called with `one_at_a_time` held.
    """
    name, waits = visible(request.form.get("name", "")), wants_confirmation()
    quotas.check_queue_length()
    examined = study_case.examine(folder, settings().limits)
    if waits:
        record = study_case.record_of(examined)
        return cases.keep_unconfirmed(folder, name, options, record)
    made = _written(examined, {}, options)
    record = study_case.record_of(examined, made)
    return cases.keep(paths_of(made.files), names_of(made.files), name, options, study=record)


def accept_four(file: ScanFile, options: Options) -> StoredCase:
    """Keep a file with four volumes as a case that waits until a person has said which is which.

    To be called with `one_at_a_time` held. Raises CaseError or RequestError before anything is kept.
    """
    quotas.check_queue_length()
    folder = request.staging / "volumes"
    # Not compressed, a voxel has at most so many bytes.
    voxels = int(np.prod(read_shape(file.path)))
    quotas.reserve_disk(4 * voxels * MAX_VOXEL_BYTES)
    record = four_in_one.take_apart(file, folder, settings().limits)
    name = visible(request.form.get("name", "")) or common_name([file.name])
    return cases.keep_unconfirmed(folder, name, options, record)


def confirm(case: StoredCase, wanted: Mapping[str, str]) -> None:
    """Queue a case whose series have been confirmed. Raises CaseError or RequestError.

    wanted : keys of series by sequence, "" for none; what is left out stays as it was guessed
    """
    cases.require_unconfirmed(case)
    quotas.check_queue_length()
    study, limits = case.folder.study, settings().limits
    with one_at_a_time:
        if four_in_one.holds_volumes(study.files):
            files, table = four_in_one.chosen(
                study.files, study.series(), wanted, case.options.mode, limits
            )
            record = study_case.StudyRecord(None, table, [])
            cases.confirm(case, paths_of(files), names_of(files), record)
            return
        examined = study_case.examine(study.files, limits)
        made = _written(examined, wanted, case.options)
        record = study_case.record_of(examined, made)
        cases.confirm(case, paths_of(made.files), names_of(made.files), record)


def _written(
    examined: study_case.Examined, wanted: Mapping[str, str], options: Options
) -> study_case.StudyScans:
    """Write the chosen series as NIfTI. Raises CaseError or DiskFull."""
    chosen = examined.chosen(wanted)
    quotas.reserve_disk(study_case.size_bytes(chosen))
    folder = request.staging / "scans"
    folder.mkdir()
    return study_case.write_scans(examined, chosen, folder, options.mode)


def wants_confirmation() -> bool:
    """Say whether the form asks to wait for a person. Raises BadRequest."""
    wanted = request.form.get(CONFIRM, "")
    if wanted not in ("", "0", "1"):
        raise BadRequest(f"{CONFIRM} is 0 or 1.", code="bad_parameter")
    return wanted == "1"
