"""A DICOM study made into the scans of a case: its series told apart, the chosen ones written as NIfTI."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.intake.checked import check_scans
from app.intake.dicom_choice import chosen_series
from app.intake.dicom_study import DicomStudy, Patient, read_study
from app.intake.files import ScanFile
from app.intake.pictures import png_of
from model.errors import CaseError
from model.geometry import voxel_ml
from model.io.dicom.pixels import read_middle_slice, read_series
from model.io.dicom.series import Series
from model.io.dicom.source import Source, source_of
from model.io.modalities import MODALITIES
from model.io.nifti import Volume, write_scan
from model.io.nifti_header import Limits
from model.io.sequence_choice import Choice, choose
from model.io.sequence_table import series_table
from model.preparation.plan import Mode
from model.preparation.resampling import shrunk

# Voxels may have this edge, in mm, where series are told apart by their images.
LOOK_MM = 1.5


@dataclass(frozen=True)
class Examined:
    """A study whose series have been told apart."""

    study: DicomStudy
    choice: Choice
    limits: Limits

    @property
    def patient(self) -> Patient:
        return self.study.patient

    def chosen(self, wanted: Mapping[str, str] | None = None) -> dict[str, Series]:
        """Return the series to be used by sequence; see `chosen_series`, also for errors."""
        return chosen_series(self.study.series, self.choice, wanted)


@dataclass(frozen=True)
class StudyScans:
    """What a case is made of.

    files : by sequence, NIfTI files, called by the number of their series
    source : the series on whose grid results will lie; None where DICOM results cannot refer to it
    used : by sequence, the key of the series
    """

    files: dict[str, ScanFile]
    source: Source | None
    used: dict[str, str]


@dataclass(frozen=True)
class StudyRecord:
    """What is kept of a study, or of a file with several volumes, beside the scans of its case.

    patient : None for what is not from DICOM
    table : a row each series, see `table_of`; pictures : a PNG each, None where there is none
    """

    patient: Patient | None
    table: list[dict[str, Any]]
    pictures: list[bytes | None]
    source: Source | None = None


def record_of(examined: Examined, made: StudyScans | None = None) -> StudyRecord:
    """Return what is kept of a study; without scans that were made of it, the series that were guessed stand in."""
    used = made.used if made else guessed(examined)
    table, pictures = table_of(examined, used), pictures_of(examined)
    return StudyRecord(examined.patient, table, pictures, made and made.source)


def examine(folder: Path, limits: Limits = Limits()) -> Examined:
    """Read the headers of a study, and voxels where headers say too little. Raises CaseError and OSError."""
    study = read_study(folder, limits)
    return Examined(study, choose(study.series, partial(_looked_at, limits=limits)), limits)


def size_bytes(chosen: Mapping[str, Series]) -> int:
    """Return the most bytes that `write_scans` writes."""
    return sum(4 * int(np.prod(series.grid.shape)) for series in chosen.values())


def write_scans(
    examined: Examined, chosen: Mapping[str, Series], folder: Path, mode: Mode
) -> StudyScans:
    """Write chosen series as NIfTI into an existing folder, and check them.

    To be called with `checked.one_at_a_time` held. Raises CaseError as `read_series` and `check_scans` do.
    """
    files = {}
    for modality, series in chosen.items():
        volume = read_series(series, limits=examined.limits)
        path = folder / f"{modality}.nii"
        write_scan(path, _stored(volume.data), volume.placing)
        files[modality] = ScanFile(series.name, path)
    check_scans(files, mode, examined.limits)
    reference = _reference(chosen)
    try:
        source = source_of(reference)
    except CaseError as error:
        if error.code != "dicom_source":
            raise
        source = None
    return StudyScans(files, source, {key: one.key for key, one in chosen.items()})


def table_of(examined: Examined, used: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the table of a study's series as JSON can hold it; `used_as` is the sequence that a series is taken for."""
    taken = {key: modality for modality, key in used.items()}
    rows = series_table(examined.study.series, examined.choice)
    return [
        asdict(row)
        | {
            "evidence": [{"code": one.code, "text": one.text} for one in row.evidence],
            "left_out": [{"code": one.code, "text": one.text} for one in row.left_out],
            "text": row.text,
            "used_as": taken.get(row.key),
        }
        for row in rows
    ]


def pictures_of(examined: Examined) -> list[bytes | None]:
    """Return a PNG of each series' middle slice, None where it has no pixels that can be read."""
    return [_picture(series) for series in examined.study.series]


def guessed(examined: Examined) -> dict[str, str]:
    """Return by sequence the keys of the series that were chosen without asking anybody."""
    found = examined.choice.chosen
    return {modality: found[modality].key for modality in MODALITIES if modality in found}


def _looked_at(series: Series, limits: Limits) -> Volume:
    """Return a series for a look at its contrast: several are held at a time, so fine ones are made coarser."""
    volume = read_series(series, limits=limits)
    data, affine = shrunk(volume.data, volume.affine, LOOK_MM)
    return replace(volume, data=data, affine=affine)


def _reference(chosen: Mapping[str, Series]) -> Series:
    """Return the series on whose grid results lie, as `model.preparation.plan.reference_of` has it."""
    if "t1ce" in chosen:
        return chosen["t1ce"]
    return min(chosen.values(), key=lambda series: voxel_ml(series.grid.affine))


def _stored(data: np.ndarray) -> np.ndarray:
    """Return voxels (X, Y, Z) as int16 where nothing is lost by it: half the bytes, as in most DICOM files."""
    limits = np.iinfo(np.int16)
    if data.min() < limits.min or data.max() > limits.max:
        return data
    whole = data.astype(np.int16)
    return whole if np.array_equal(whole, data) else data


def _picture(series: Series) -> bytes | None:
    try:
        pixels = read_middle_slice(series)
    except CaseError:
        return None
    if not series.spacing_mm:
        return png_of(pixels)
    columns, rows = series.spacing_mm[:2]
    return png_of(pixels, rows / columns)
