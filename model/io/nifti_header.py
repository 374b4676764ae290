"""Checks of a NIfTI header before any voxel is read."""

import io
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from model.errors import CaseError
from model.geometry import spacing_mm
from model.io.nifti_placing import SPACING_RANGE_MM, Conflict, best_affine, conflict_in, mend

SINGLE_FILE_MAGIC = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}
HEADERS = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
# A file shorter than this on any axis is a slice or a thumbnail, not a brain.
MIN_VOXELS_PER_AXIS = 8
# NIfTI extensions lie between header and voxels; more than this is not a scan.
MAX_VOX_OFFSET = 16 * 2**20
# The widest number that a voxel may be stored in.
MAX_VOXEL_BYTES = 8
# The longest axis that NIfTI-1, which masks are written as, has room for.
MAX_VOXELS_PER_AXIS = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Limits:
    """Limits on a file: voxels, its own and at 1 mm, and bytes after the last voxel."""

    max_voxels: int = 512 * 512 * 400
    max_trailing_bytes: int = 2**20


@dataclass(frozen=True)
class Layout:
    """What a header that was checked says of its voxels.

    shape : (X, Y, Z)
    dtype : type of the stored numbers; `slope` and `intercept` turn them into intensities
    affine : (4, 4) voxel index to RAS+ mm
    offset : byte at which voxels start
    conflict : what the header says of the place twice and differently
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    affine: np.ndarray
    slope: float
    intercept: float
    offset: int
    conflict: Conflict | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the file, not compressed, up to its last voxel."""
        return self.offset + int(np.prod(self.shape)) * self.dtype.itemsize


def goes_on() -> CaseError:
    return CaseError(
        "trailing_data", "The file goes on long after its last voxel.", "Export the scan again."
    )


def truncated() -> CaseError:
    return CaseError(
        "truncated",
        "The file ends before its last voxel.",
        "Copy or download it again from its source.",
    )


def read_header(stream: io.BufferedReader) -> tuple[nib.Nifti1Header, int]:
    """Return the header, byte order resolved, and its size in bytes."""
    block = stream.read(348)
    sizes = {int.from_bytes(block[:4], order): order for order in ("little", "big")}
    size = next((size for size in HEADERS if size in sizes), None)
    if size is None or len(block) < 348:
        raise CaseError(
            "not_nifti",
            "This is not a NIfTI file.",
            "Convert the scan to .nii or .nii.gz, for example with dcm2niix.",
        )
    block += stream.read(size - len(block))
    endianness = "<" if sizes[size] == "little" else ">"
    magic = block[344:348] if size == 348 else block[4:12]
    if len(block) < size or magic != SINGLE_FILE_MAGIC[size]:
        raise CaseError(
            "not_nifti",
            "This is not a single-file NIfTI (.nii).",
            "Convert .hdr/.img pairs and other formats to .nii or .nii.gz.",
        )
    header = HEADERS[size](block, endianness=endianness, check=False)
    if header["pixdim"][0] == 0:
        # As the standard says; nibabel refuses it.
        header["pixdim"][0] = 1
    return header, size


def check_header(header: nib.Nifti1Header, size: int, limits: Limits) -> Layout:
    """Return what a header of `size` bytes says, mending slips in it. Raises CaseError; codes as in `read_volume`."""
    shape = _checked_shape(header, limits)
    dtype = _checked_dtype(header)
    mend(header)
    affine = _checked_affine(header)
    _check_extent(shape, affine, limits)
    offset, conflict = _checked_offset(header, size), conflict_in(header, shape)
    return Layout(shape, dtype, affine, *_checked_scaling(header), offset, conflict)


def _checked_shape(header: nib.Nifti1Header, limits: Limits) -> tuple[int, int, int]:
    dims = [int(length) for length in header["dim"]]
    axes, shape = dims[0], tuple(dims[1:4])
    extra = dims[4 : axes + 1] if 0 <= axes <= 7 else [0]
    if not 3 <= axes <= 7 or any(length not in (0, 1) for length in extra):
        raise CaseError(
            "bad_dimensions",
            f"The file has {axes} dimensions {tuple(dims[1 : max(axes, 0) + 1])}, "
            "but one 3-D volume is needed.",
            "Upload one volume per sequence, not a time series, a colour image or a single slice.",
        )
    if min(shape) < MIN_VOXELS_PER_AXIS:
        raise CaseError(
            "bad_dimensions",
            f"The volume is {shape[0]} x {shape[1]} x {shape[2]} voxels, which is no brain scan.",
            f"Every axis needs at least {MIN_VOXELS_PER_AXIS} voxels.",
        )
    if max(shape) > MAX_VOXELS_PER_AXIS:
        raise CaseError(
            "too_large",
            f"The header claims {max(shape):,} voxels along one axis; "
            f"at most {MAX_VOXELS_PER_AXIS:,} are accepted.",
            "Resample the scan to about 1 mm.",
        )
    if shape[0] * shape[1] * shape[2] > limits.max_voxels:
        raise CaseError(
            "too_large",
            f"The header claims {shape[0]} x {shape[1]} x {shape[2]} voxels; "
            f"at most {limits.max_voxels:,} are accepted.",
            "Resample the scan to about 1 mm.",
        )
    return shape


def _checked_dtype(header: nib.Nifti1Header) -> np.dtype:
    try:
        dtype = header.get_data_dtype()
    except (nib.spatialimages.HeaderDataError, KeyError):
        dtype = np.dtype("V1")
    known = dtype.kind in "iuf" and dtype.itemsize <= MAX_VOXEL_BYTES
    # Some programs leave the bits out.
    if not known or int(header["bitpix"]) not in (0, dtype.itemsize * 8):
        raise CaseError(
            "bad_data_type",
            "The voxels are not plain integers or floats of a known size.",
            "Export magnitude images, not complex or colour ones.",
        )
    return dtype


def _checked_affine(header: nib.Nifti1Header) -> np.ndarray:
    affine = best_affine(header)
    low, high = SPACING_RANGE_MM
    # Below half the box of its edges a voxel is sheared flat: axes are (nearly) parallel.
    valid = np.isfinite(affine).all() and (
        ((spacing := spacing_mm(affine)) >= low).all()
        and (spacing <= high).all()
        and abs(np.linalg.det(affine[:3, :3])) >= spacing.prod() / 2
    )
    if not valid:
        raise CaseError(
            "bad_affine",
            "The header does not say where the voxels lie: its affine is singular, not a number, "
            f"or the voxel size is outside {low} to {high} mm.",
            "Convert the scan again from DICOM, for example with dcm2niix.",
        )
    return affine


def _check_extent(shape: tuple[int, int, int], affine: np.ndarray, limits: Limits) -> None:
    """Refuse a scan that would have too many voxels at 1 mm."""
    extent = np.ceil(shape * spacing_mm(affine))
    if extent.prod() > limits.max_voxels:
        size = " x ".join(f"{length:.0f}" for length in extent)
        raise CaseError(
            "too_large",
            f"According to its header the scan covers {size} mm, which is more than a head.",
            "Check its voxel sizes, which are in mm.",
        )


def _checked_scaling(header: nib.Nifti1Header) -> tuple[float, float]:
    """Return slope and intercept; the standard's 0 and NaN mean no scaling."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    intercept = 0.0 if np.isnan(intercept) else intercept
    if np.isinf(slope) or np.isinf(intercept):
        raise CaseError("bad_header", "The header's scaling is infinite.", "Export the scan again.")
    return slope, intercept


def _checked_offset(header: nib.Nifti1Header, size: int) -> int:
    offset = float(header["vox_offset"])
    if not np.isfinite(offset) or not size + 4 <= offset <= MAX_VOX_OFFSET:
        raise CaseError(
            "bad_header",
            f"The header says that voxels start at byte {offset:g}, which cannot be.",
            "Export the scan again.",
        )
    return int(offset)
