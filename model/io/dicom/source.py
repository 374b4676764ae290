"""The series that results refer to: its headers without pixels, checked and cut to what results need."""

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from model.errors import CaseError
from model.io.dicom import values
from model.io.dicom.files import read_header
from model.io.dicom.geometry import Grid
from model.io.dicom.series import Series

_TEXTS = (
    *("PatientName", "PatientID", "AccessionNumber", "StudyID", "StudyDescription"),
    *("ReferringPhysicianName", "Manufacturer", "SeriesDescription", "PositionReferenceIndicator"),
)
_LENGTHS = {"AccessionNumber": 16, "StudyID": 16}
_DATES = ("PatientBirthDate", "StudyDate")
_TIMES = ("StudyTime",)
_DATE, _TIME = re.compile(r"\d{8}"), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
# Two voxel orders of one grid may differ by rounding, as a share of a voxel.
SAME_GRID = 0.01


@dataclass(frozen=True)
class Source:
    """The headers of a series, and the grid that its slices make.

    datasets : without pixels; one a slice in the order of the slices, or one of several frames, of which it has those
        of the slices alone, in their order
    frames : for each slice along Z its frame in the one file, from 0; None for one file a slice
    shape : (X, Y, Z); affine : (4, 4) voxel index to RAS+ mm
    """

    datasets: tuple[Dataset, ...]
    frames: tuple[int, ...] | None
    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def first(self) -> Dataset:
        return self.datasets[0]

    def references(self, place: int) -> tuple[Dataset, int | None]:
        """Return the dataset that a slice belongs to, and the number of its frame, from 1."""
        if self.frames is None:
            return self.datasets[place], None
        return self.datasets[0], self.frames[place] + 1


def source_of(series: Series) -> Source:
    """Read the headers of a series that has a grid.

    Raises CaseError as `read_header` does, and `dicom_source` for a series in several enhanced files, which
    segmentations cannot refer to slice by slice.
    """
    grid: Grid = series.grid
    ordered = [series.frames[index] for index in grid.order]
    paths = list(dict.fromkeys(frame.path for frame in ordered))
    enhanced = series.instances[0].class_uid != MRImageStorage
    if enhanced and len(paths) > 1:
        raise CaseError(
            "dicom_source",
            f"{series.name} lies in several multi-frame files, to which DICOM results cannot refer.",
            "Take the results as NIfTI, or export the series as one file or as one file a slice.",
            series.name,
        )
    multi_frame = enhanced or series.instances[0].is_multi_frame
    frames = tuple(frame.index for frame in ordered) if multi_frame else None
    datasets = tuple(_cut(read_header(path).dataset, frames) for path in paths)
    return Source(datasets, frames, grid.shape, grid.affine)


def on_grid(labels: np.ndarray, affine: np.ndarray, source: Source) -> np.ndarray:
    """Return labels (X, Y, Z) in the voxel order of the source's slices.

    affine : (4, 4) of `labels`, which lie on the source's grid in any voxel order. Raises ValueError if they do not.
    """
    turned = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.io_orientation(source.affine)
    )
    result = nib.apply_orientation(labels, turned)
    grid = affine @ nib.orientations.inv_ornt_aff(turned, labels.shape)
    aside = np.linalg.inv(source.affine) @ grid - np.eye(4)
    corner = np.append(np.array(result.shape) - 1, 1)
    if result.shape != source.shape or np.abs(aside @ corner).max() > SAME_GRID * max(result.shape):
        raise ValueError("the mask does not lie on the grid of the source series")
    return np.ascontiguousarray(result)


def save(source: Source, path: Path) -> None:
    """Write a source as a zip of headers, to be read by `load`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, dataset in enumerate(source.datasets):
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True)
            archive.writestr(f"{place:05d}.dcm", buffer.getvalue())
        frames = np.array([] if source.frames is None else source.frames, np.int32)
        for name, array in (("frames", frames), ("shape", source.shape), ("affine", source.affine)):
            archive.writestr(name, " ".join(repr(float(v)) for v in np.ravel(array)))


def load(path: Path) -> Source:
    """Read what `save` wrote."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".dcm"))
        datasets = tuple(dcmread(io.BytesIO(archive.read(name))) for name in names)
        frames, shape, affine = (_numbers(archive.read(name)) for name in ("frames", "shape", "affine"))  # fmt: skip
    x, y, z = (int(length) for length in shape)
    order = tuple(int(index) for index in frames) or None
    return Source(datasets, order, (x, y, z), np.reshape(affine, (4, 4)))


def _numbers(text: bytes) -> list[float]:
    return [float(word) for word in text.split()]


def _cut(dataset: Dataset, frames: tuple[int, ...] | None) -> Dataset:
    """Return what results need of a header, each value fit to be written again; of frames, those that are named."""
    with values.quiet():
        sop_class = MRImageStorage if frames is None else EnhancedMRImageStorage
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = sop_class
        meta.MediaStorageSOPInstanceUID = values.uid(dataset, "SOPInstanceUID")
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        cut = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        cut.SpecificCharacterSet = "ISO_IR 192"
        cut.SOPClassUID, cut.Modality = values.uid(dataset, "SOPClassUID") or sop_class, "MR"
        _copy_identity(cut, dataset)
        top = [dataset]
        cut.Rows, cut.Columns = (int(values.number(top, key) or 0) for key in ("Rows", "Columns"))
        cut.ImageType = list(values.words(top, "ImageType"))[:4] or ["ORIGINAL", "PRIMARY"]
        cut.LossyImageCompression = "01" if values.words(top, "LossyImageCompression") == ("01",) else "00"  # fmt: skip
        if frames is None:
            _copy_plane(cut, top)
        else:
            cut.NumberOfFrames = len(frames)
            _copy_groups(cut, dataset, frames)
    return cut


def _copy_identity(cut: Dataset, dataset: Dataset) -> None:
    for keyword in _TEXTS:
        setattr(cut, keyword, values.text(dataset, keyword)[: _LENGTHS.get(keyword, 64)])
    for keywords, form in ((_DATES, _DATE), (_TIMES, _TIME)):
        for keyword in keywords:
            value = str(values.first([dataset], keyword) or "").strip()
            setattr(cut, keyword, value if form.fullmatch(value) else "")
    sex = values.words([dataset], "PatientSex")[:1]
    cut.PatientSex = sex[0] if sex in (("M",), ("F",), ("O",)) else ""
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(cut, keyword, values.uid(dataset, keyword))
    # Needed by every result; the same for all slices of a series, and of a study.
    study = values.uid(dataset, "StudyInstanceUID")
    cut.FrameOfReferenceUID = values.uid(dataset, "FrameOfReferenceUID") or generate_uid(
        entropy_srcs=[study, "frame of reference"]
    )


def _copy_plane(cut: Dataset, layers: Sequence[Dataset]) -> None:
    counts = (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2))
    for keyword, count in counts:
        setattr(cut, keyword, [_ds(v) for v in values.numbers(layers, keyword, count)])
    cut.SliceThickness = _ds(values.number(layers, "SliceThickness") or 1.0)


def _copy_groups(cut: Dataset, dataset: Dataset, frames: tuple[int, ...]) -> None:
    """Copy the position of frames, and orientation and pixel measures, which all frames of a grid share."""
    shared = values.item([dataset], "SharedFunctionalGroupsSequence") or Dataset()
    each = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    planes = []
    for own in (each[index] for index in frames):
        names = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        plane = Dataset()
        _copy_plane(
            plane, [*(values.item([own, shared], name) or dataset for name in names), dataset]
        )
        planes.append(plane)
    cut.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=plane.ImagePositionPatient)],
            FrameContentSequence=[_item(StackID="1", InStackPositionNumber=place + 1)],
        )
        for place, plane in enumerate(planes)
    ]
    first = planes[0]
    measures = _item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)
    cut.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=first.ImageOrientationPatient)],
            PixelMeasuresSequence=[measures],
        )
    ]


def _item(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _ds(value: float) -> str:
    """Return a decimal string of at most 16 characters, as precise as it goes."""
    return next(text for digits in range(14, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
