"""Synthetic DICOM studies: phantoms written as scanners of three vendors do, classic and enhanced."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

from model.io.case import Case
from model.io.modalities import MODALITIES
from tests.support.dicom_vendors import OTHERS, SEQUENCES, VENDORS

ROOT = "1.2.826.0.1.3680043.8.498.7"
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
NAME = "Doe^Jane"
PHYSICS = (
    *("RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "ScanningSequence", "SequenceVariant"),
    *("ScanOptions", "SequenceName", "ContrastBolusAgent", "ContrastBolusStartTime", "MRAcquisitionType"),
    "EchoTrainLength",
)  # fmt: skip
COMPRESSIONS = {"rle": RLELossless, "jpegls": JPEGLSLossless}


@dataclass(frozen=True)
class Written:
    """One series as it is written.

    data : (X, Y, Z) whole numbers; affine : (4, 4) to RAS+ mm
    elements : by keyword, besides those that every image has
    """

    number: int
    data: np.ndarray
    affine: np.ndarray
    elements: Mapping[str, object] = field(default_factory=dict)
    uid: str = ""

    @property
    def series_uid(self) -> str:
        return self.uid or f"{ROOT}.1.{self.number}"


@dataclass(frozen=True)
class Patient:
    """Who a study is of, and which study it is."""

    name: str = NAME
    identifier: str = "P-0815"
    study: int = 1
    elements: Mapping[str, object] = field(default_factory=dict)


def scanned(
    case: Case,
    vendor: str,
    *,
    without: Iterable[str] = (),
    turn: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
    every: int = 1,
) -> list[Written]:
    """Return the series of a study of a case, as a vendor's headers have them: the four, and others between.

    without : keywords that are left out of all series, such as PHYSICS
    turn : puts data and affine of each sequence in another orientation
    every : of the four, every axial slice is written (1), every second (2), and so on
    """
    series = []
    times = iter(range(90000, 99999, 300))
    for name, elements in VENDORS[vendor]:
        kept = {key: value for key, value in elements.items() if key not in set(without)}
        kept |= {"AcquisitionTime": str(next(times)).zfill(6), "AcquisitionDate": "20260301"}
        data, affine = _pixels(case, name)
        if name in SEQUENCES:
            data, affine = data[:, :, ::every], affine @ np.diag([1, 1, every, 1])
        if name in SEQUENCES and turn:
            data, affine = turn(data, affine)
        series.append(Written(len(series) + 1, data, affine, kept))
    return series


def _pixels(case: Case, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what a series shows: a sequence of the case, or something made of one."""
    if name in SEQUENCES:
        channel = MODALITIES.index(name)
        return np.rint(case.data[..., channel]).astype(np.int16), case.affine
    source = OTHERS[name]
    data = np.rint(case.data[..., MODALITIES.index(source)]).astype(np.int16)
    step = max(1, data.shape[2] // 9)
    if name == "localiser":
        return data[:, :, ::step], case.affine @ np.diag([1, 1, step, 1])
    if name == "dwi":
        return data[::2, ::2, ::2], case.affine @ np.diag([2, 2, 2, 1])
    return data, case.affine


def write_study(
    folder: Path,
    series: Iterable[Written],
    patient: Patient = Patient(),
    *,
    enhanced: bool = False,
    compression: str | None = None,
) -> dict[int, list[Path]]:
    """Write all series into one folder, under names that say nothing; return paths by series' number."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[int, list[Path]] = {}
    for one in series:
        datasets = [enhanced_file(one, patient)] if enhanced else classic_files(one, patient)
        for place, dataset in enumerate(datasets):
            # Neither in the order of the slices nor of the series.
            path = folder / f"IM{(place * 7919 + one.number * 104729) % 1000003:07d}"
            if compression:
                dataset.compress(COMPRESSIONS[compression])
            dataset.save_as(path, enforce_file_format=True)
            paths.setdefault(one.number, []).append(path)
    return paths


def classic_files(series: Written, patient: Patient = Patient()) -> list[FileDataset]:
    """Return one dataset a slice."""
    files = []
    orientation, pixel_mm, positions = placed(series.affine, series.data.shape[2])
    for place, position in enumerate(positions):
        dataset = _image(series, patient, MRImageStorage, f"{series.series_uid}.{place + 1}")
        dataset.ImagePositionPatient = [_ds(value) for value in position]
        dataset.ImageOrientationPatient = [_ds(value) for value in orientation]
        dataset.PixelSpacing = [_ds(value) for value in pixel_mm]
        dataset.SliceThickness = _ds(np.linalg.norm(series.affine[:3, 2]))
        dataset.InstanceNumber = len(positions) - place
        for key, value in series.elements.items():
            setattr(dataset, key, value)
        dataset.PixelData = series.data[:, :, place].T.astype("<i2").tobytes()
        files.append(dataset)
    return files


def enhanced_file(series: Written, patient: Patient = Patient()) -> FileDataset:
    """Return one multi-frame dataset, its frames in an order of their own."""
    dataset = _image(series, patient, EnhancedMRImageStorage, f"{series.series_uid}.1")
    orientation, pixel_mm, positions = placed(series.affine, series.data.shape[2])
    elements = dict(series.elements)
    shared = Dataset()
    shared.PlaneOrientationSequence = [_of(ImageOrientationPatient=[_ds(v) for v in orientation])]
    thickness = _ds(np.linalg.norm(series.affine[:3, 2]))
    shared.PixelMeasuresSequence = [_of(PixelSpacing=[_ds(v) for v in pixel_mm], SliceThickness=thickness)]  # fmt: skip
    timing = {key: elements.pop(key) for key in ("RepetitionTime", "FlipAngle") if key in elements}
    echo = elements.pop("EchoTime", None)
    inversion = elements.pop("InversionTime", None)
    image_type = elements.pop("ImageType", ["ORIGINAL", "PRIMARY", "M", "NONE"])
    shared.MRTimingAndRelatedParametersSequence = [_of(**timing)]
    shared.MREchoSequence = [_of(**({"EffectiveEchoTime": float(echo)} if echo else {}))]
    if inversion:
        shared.MRModifierSequence = [_of(InversionRecovery="YES", InversionTimes=float(inversion))]
    if elements.pop("ContrastBolusAgent", None):
        dataset.ContrastBolusAgentSequence = [_of(CodeValue="C-B0322", CodingSchemeDesignator="SRT", CodeMeaning="Contrast agent")]  # fmt: skip
    sequence = elements.pop("ScanningSequence", [])
    if "GR" in sequence or "SE" in sequence:
        dataset.EchoPulseSequence = "GRADIENT" if "GR" in sequence else "SPIN"
    if "EP" in sequence:
        dataset.EchoPlanarPulseSequence = "YES"
    frame_type = [*image_type, "NONE"][:4]
    dataset.ImageType = frame_type
    shared.MRImageFrameTypeSequence = [_of(FrameType=frame_type)]
    shared.PixelValueTransformationSequence = [_of(RescaleIntercept="0", RescaleSlope="1", RescaleType="US")]  # fmt: skip
    for key, value in elements.items():
        setattr(dataset, key, value)
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        _of(
            PlanePositionSequence=[_of(ImagePositionPatient=[_ds(v) for v in position])],
            FrameContentSequence=[_of(StackID="1", InStackPositionNumber=place + 1, DimensionIndexValues=[1, place + 1])],
        )
        for place, position in enumerate(positions)
    ]  # fmt: skip
    dataset.NumberOfFrames = len(positions)
    dataset.PixelData = series.data.transpose(2, 1, 0).astype("<i2").tobytes()
    return dataset


def placed(affine: np.ndarray, slices: int) -> tuple[np.ndarray, tuple[float, float], np.ndarray]:
    """Return orientation (6,), pixel spacing between rows and columns, and positions (slices, 3) in LPS."""
    lps = LPS @ affine
    column, row = lps[:3, 0], lps[:3, 1]
    edges = np.linalg.norm(column), np.linalg.norm(row)
    orientation = np.concatenate([column / edges[0], row / edges[1]])
    positions = lps[:3, 3] + np.arange(slices)[:, None] * lps[:3, 2]
    return orientation, (edges[1], edges[0]), positions


def _image(series: Written, patient: Patient, sop_class: str, instance_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance_uid
    dataset.StudyInstanceUID = f"{ROOT}.{patient.study}00"
    dataset.SeriesInstanceUID = series.series_uid
    dataset.FrameOfReferenceUID = f"{ROOT}.{patient.study}01"
    dataset.PatientName, dataset.PatientID = patient.name, patient.identifier
    dataset.PatientBirthDate, dataset.PatientSex = "19700102", "F"
    dataset.StudyDate, dataset.StudyTime = "20260301", "090000"
    dataset.StudyID, dataset.AccessionNumber = "1", "A42"
    dataset.ReferringPhysicianName, dataset.PositionReferenceIndicator = "", ""
    dataset.StudyDescription = "MRI brain"
    dataset.Modality, dataset.SeriesNumber = "MR", series.number
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.Rows, dataset.Columns = series.data.shape[1], series.data.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    for key, value in patient.elements.items():
        setattr(dataset, key, value)
    return dataset


def moved(series: Written, **elements: object) -> Written:
    """Return a series with other elements."""
    return replace(series, elements=dict(series.elements) | elements)


def _of(**elements: object) -> Dataset:
    dataset = Dataset()
    for key, value in elements.items():
        setattr(dataset, key, value)
    return dataset


def _ds(value: float) -> str:
    """Return a decimal string of at most 16 characters, as precise as it goes."""
    for digits in range(14, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    return "0"
