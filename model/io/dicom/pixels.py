"""Voxels of a series, decoded by GDCM slice by slice onto a checked grid."""

from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np

from model.errors import CaseError
from model.io.dicom.codestream import RLE, sizes
from model.io.dicom.headers import Frame
from model.io.dicom.series import Series
from model.io.nifti import Volume
from model.io.nifti_header import Limits

IMAGE_IO = "GDCMImageIO"
# Problems of series of which not even one file is decoded.
UNREADABLE = {"no_pixels", "too_large"}


def read_series(series: Series, *, limits: Limits = Limits()) -> Volume:
    """Return the volume of a series: (X, Y, Z) float32 with its affine to RAS+ mm.

    Raises CaseError `dicom_series` for a series that is no volume or too large, and `dicom_pixels`
    where pixels cannot be decoded. Needs memory for the volume and for one file.
    """
    grid = series.grid
    if grid is None or series.problems:
        raise _no_volume(series)
    if int(np.prod(grid.shape)) > limits.max_voxels:
        raise CaseError(
            "too_large",
            f"The series has {int(np.prod(grid.shape)):,} voxels; at most {limits.max_voxels:,} are read.",
            "Resample the scan to about 1 mm.",
            series.name,
        )
    # A slice lies in memory in one piece.
    data = np.empty(grid.shape[::-1], np.float32)
    by_file: dict[Path, list[tuple[int, Frame]]] = defaultdict(list)
    for place, index in enumerate(grid.order):
        frame = series.frames[index]
        by_file[frame.path].append((place, frame))
    for path, slices in by_file.items():
        _read_file(path, slices, data, series)
    if not np.isfinite(data.sum(dtype=np.float64)):
        raise _undecodable(series)
    return Volume(data.T, grid.affine, placing_of(grid.affine))


def read_middle_slice(series: Series) -> np.ndarray:
    """Return the slice in the middle of a series, (X, Y) float32, for a picture of it.

    Works for whatever has decodable pixels, also for series that are no volume. Raises CaseError `dicom_pixels`, and
    `dicom_series` for a series without slices, or with a file that is too large to be decoded: compressed, a small one
    can claim as many pixels as it likes.
    """
    if not series.frames or any(reason.code in UNREADABLE for reason in series.problems):
        raise _no_volume(series)
    order = series.grid.order if series.grid else range(len(series.frames))
    frame = series.frames[order[len(order) // 2]]
    data = np.empty((1, frame.rows, frame.columns), np.float32)
    _read_file(frame.path, [(0, frame)], data, series)
    return data[0].T


def placing_of(affine: np.ndarray) -> nib.Nifti1Header:
    """Return a NIfTI header that places voxels by an affine (4, 4), as `Volume.placing`."""
    header = nib.Nifti1Header()
    header.set_data_shape((1, 1, 1))
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    return header


def _decoded(path: Path, series: Series) -> np.ndarray:
    """Return what GDCM makes of a file: (frames, rows, columns)."""
    instance = next(one for one in series.instances if one.path == path)
    if instance.samples != 1:
        raise _undecodable(series)
    if instance.compressed_at is not None and instance.syntax != RLE:
        first = instance.frames[0]
        if sizes(path, instance.compressed_at) != {(first.columns, first.rows, 1)}:
            raise _undecodable(series)
    # Imported here: serving starts sooner without it.
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO(IMAGE_IO)
    reader.SetFileName(str(path))
    # GDCM prints what it thinks of a file.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _undecodable(series) from error
    decoded = sitk.GetArrayFromImage(image)
    return decoded[None] if decoded.ndim == 2 else decoded


def _read_file(
    path: Path, slices: list[tuple[int, Frame]], data: np.ndarray, series: Series
) -> None:
    """Decode one file and put its slices into `data` (Z, Y, X)."""
    decoded = _decoded(path, series)
    if decoded.ndim != 3 or decoded.shape[1:] != data.shape[1:]:
        raise _undecodable(series)
    if max(frame.index for _, frame in slices) >= len(decoded):
        raise _undecodable(series)
    # GDCM scales all frames of a file as the first.
    first = next(frame for frame in series.frames if frame.path == path)
    common = _first_rescale(series, path) or first.rescale
    for place, frame in slices:
        data[place] = decoded[frame.index]
        if frame.rescale and common and frame.rescale != common:
            data[place] = (data[place] - common[1]) / common[0] * frame.rescale[0] + frame.rescale[
                1
            ]


def _first_rescale(series: Series, path: Path) -> tuple[float, ...]:
    """Return the rescale values of a file's first frame, which may belong to another stack."""
    frames = (f for instance in series.instances if instance.path == path for f in instance.frames)
    return next(frames).rescale


def _no_volume(series: Series) -> CaseError:
    return CaseError(
        "dicom_series",
        f"{series.name} cannot be read. {' '.join(reason.text for reason in series.problems)}",
        "Export the series again from its source, or choose another one.",
        series.name,
    )


def _undecodable(series: Series) -> CaseError:
    return CaseError(
        "dicom_pixels",
        "The pixels of a series cannot be decoded: they are damaged, or of an unusual kind.",
        "Export the series again, without compression or with a lossless one.",
        series.name,
    )
