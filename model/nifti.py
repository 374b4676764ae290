"""Reading scans and writing masks as NIfTI, strictly.

A file is believed only after its header has been checked and its stream read to the end, which
checks the CRC of a gzip; memory is bounded by `Limits` before a voxel is allocated.
"""

import io
import os
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib

from model.errors import CaseError
from model.geometry import spacing_mm

GZIP_MAGIC = b"\x1f\x8b"
SINGLE_FILE_MAGIC = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}
HEADERS = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
# A file shorter than this on any axis is a slice or a thumbnail, not a brain.
MIN_VOXELS_PER_AXIS = 8
# Finest and coarsest voxel edge, in mm, that a structural brain scan can have.
SPACING_RANGE_MM = (0.1, 10.0)
# NIfTI extensions lie between header and voxels; more than this is not a scan.
MAX_VOX_OFFSET = 16 * 2**20
DISCLAIMER = "Research use only. Not a medical device."
MAX_VOXEL_BYTES = 8
# The longest axis that NIfTI-1, which masks are written as, has room for.
MAX_VOXELS_PER_AXIS = np.iinfo(np.int16).max
# What of a header says where voxels lie: both of its forms, each with the code of what it means.
PLACING = (
    *("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("sform_code", "srow_x", "srow_y", "srow_z"),
)
_CHUNK = 2**20


@dataclass(frozen=True)
class Limits:
    """What one file may cost: voxels, its own and at 1 mm, and trailing bytes behind them."""

    max_voxels: int = 512 * 512 * 400
    max_trailing_bytes: int = 2**20


@dataclass(frozen=True)
class Volume:
    """One scan: `data` (X, Y, Z) float32 as stored, `affine` (4, 4) voxel index to RAS+ mm.

    placing : a header that says where the voxels lie in the words of the file, and nothing else
    """

    data: np.ndarray
    affine: np.ndarray
    placing: nib.Nifti1Header

    @property
    def oriented(self) -> bool:
        """Whether the header says how the head lies; if not, `affine` is what NIfTI assumes."""
        return bool(self.placing["qform_code"] > 0 or self.placing["sform_code"] > 0)


def read_volume(path: Path, *, name: str | None = None, limits: Limits = Limits()) -> Volume:
    """Read `.nii` or `.nii.gz` (told apart by content, also gzipped twice).

    `name` is what error messages call the file. Raises CaseError; its codes are `not_nifti`,
    `bad_header`, `bad_dimensions`, `bad_data_type`, `bad_affine`, `too_large`, `truncated`,
    `corrupt_gzip`, `trailing_data` and `not_finite`.
    """
    name = name or path.name
    try:
        with ExitStack() as files:
            return _read_stream(_inflated(path, files), limits)
    except CaseError as error:
        error.file = name
        raise
    except (zlib.error, igzip_lib.error, igzip.BadGzipFile, EOFError) as error:
        raise CaseError(
            "corrupt_gzip",
            "The compressed file is cut off or damaged.",
            "Copy or download it again from its source.",
            name,
        ) from error


def read_placing(path: Path) -> nib.Nifti1Header:
    """Return `Volume.placing` of a file of which nothing else is read. Raises CaseError."""
    with ExitStack() as files:
        header, _ = read_header(_inflated(path, files))
    return _placing_of(header)


def write_mask(path: Path, values: np.ndarray, grid: np.ndarray | nib.Nifti1Header) -> None:
    """Write label values (X, Y, Z) uint8 on a `grid` as `encode` takes it; see `write_scan`."""
    write_scan(path, np.asarray(values, np.uint8), grid)


def write_scan(path: Path, array: np.ndarray, grid: np.ndarray | nib.Nifti1Header) -> None:
    """Write (X, Y, Z) on a `grid` as `encode` takes it beside the target and then move it there.

    Compressed when `path` ends in `.gz`.
    """
    data = encode(array, grid)
    if path.suffix == ".gz":
        data = compress(data)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)


def encode(
    array: np.ndarray,
    grid: np.ndarray | nib.Nifti1Header,
    scaling: tuple[float, float] = (1.0, 0.0),
) -> bytes:
    """Return (X, Y, Z) as a NIfTI-1 file, not compressed.

    grid : an affine (4, 4), or `Volume.placing` of a scan on whose grid the array is: programs then
        put it where they put the scan, whichever of a header's two forms they go by
    scaling : slope and intercept that turn the stored numbers into intensities

    The header carries nothing of a patient but the grid.
    """
    if isinstance(grid, nib.Nifti1Header):
        header = grid.copy()
    else:
        header = nib.Nifti1Header()
        header.set_data_shape(array.shape)
        header.set_qform(grid, code="scanner")
        header.set_sform(grid, code="scanner")
    header.set_data_shape(array.shape)
    header.set_data_dtype(array.dtype)
    header.set_xyzt_units("mm")
    header["descrip"] = DISCLAIMER.encode()
    image = nib.Nifti1Image(array, None, header)
    # Not before: an image forgets the scaling of the header that it is made with.
    image.header.set_slope_inter(*scaling)
    return image.to_bytes()


def _placing_of(header: nib.Nifti1Header) -> nib.Nifti1Header:
    placing = nib.Nifti1Header()
    for name in PLACING:
        placing[name] = header[name]
    placing["pixdim"][:4] = header["pixdim"][:4]
    return placing


def compress(data: bytes) -> bytes:
    """Return `data` as gzip, fast, and the same at every time."""
    return igzip.compress(data, compresslevel=2, mtime=0)


def _inflated(path: Path, files: ExitStack) -> io.BufferedReader:
    """Return a reader of the uncompressed stream, through up to two layers of gzip."""
    stream = files.enter_context(path.open("rb", buffering=_CHUNK))
    for _ in range(2):
        if stream.peek(2)[:2] != GZIP_MAGIC:
            return stream
        layer = igzip.IGzipFile(fileobj=stream, mode="rb")
        stream = files.enter_context(io.BufferedReader(layer, _CHUNK))
    if stream.peek(2)[:2] == GZIP_MAGIC:
        raise CaseError(
            "not_nifti", "The file is compressed more than twice.", "Upload a .nii or .nii.gz file."
        )
    return stream


def _read_stream(stream: io.BufferedReader, limits: Limits) -> Volume:
    header, size = read_header(stream)
    shape = _checked_shape(header, limits)
    dtype = _checked_dtype(header)
    affine = _checked_affine(header)
    _check_extent(shape, affine, limits)
    slope, inter = _checked_scaling(header)
    stream.read(_checked_offset(header, size) - size)
    # What float32 cannot hold becomes infinite, and is refused as such.
    with np.errstate(over="ignore", invalid="ignore"):
        data = _read_voxels(stream, dtype, int(np.prod(shape)))
        _check_end(stream, limits)
        if (slope, inter) != (1.0, 0.0):
            data *= np.float32(slope)
            data += np.float32(inter)
        finite = np.isfinite(data.sum(dtype=np.float64))
    if not finite:
        raise CaseError(
            "not_finite",
            "Some voxels are not numbers (NaN or infinite).",
            "Export the scan again, or replace such voxels by 0.",
        )
    return Volume(data.reshape(shape, order="F"), affine, _placing_of(header))


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
        # The standard's reading; nibabel refuses it.
        header["pixdim"][0] = 1
    return header, size


def _checked_shape(header: nib.Nifti1Header, limits: Limits) -> tuple[int, int, int]:
    dims = [int(length) for length in header["dim"]]
    axes, shape = dims[0], tuple(dims[1:4])
    extra = dims[4 : axes + 1] if 0 <= axes <= 7 else [0]
    if not 3 <= axes <= 7 or any(length != 1 for length in extra):
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
    if not known or int(header["bitpix"]) != dtype.itemsize * 8:
        raise CaseError(
            "bad_data_type",
            "The voxels are not plain integers or floats of a known size.",
            "Export magnitude images, not complex or colour ones.",
        )
    return dtype


def _checked_affine(header: nib.Nifti1Header) -> np.ndarray:
    try:
        affine = np.array(header.get_best_affine(), np.float64)
    except (ValueError, ArithmeticError, nib.spatialimages.HeaderDataError):
        affine = np.full((4, 4), np.nan)
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
    """Refuse a scan that is small, but would not be at 1 mm, where it is looked at."""
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
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    inter = 0.0 if np.isnan(inter) else inter
    if np.isinf(slope) or np.isinf(inter):
        raise CaseError("bad_header", "The header's scaling is infinite.", "Export the scan again.")
    return slope, inter


def _checked_offset(header: nib.Nifti1Header, size: int) -> int:
    offset = float(header["vox_offset"])
    if not np.isfinite(offset) or not size + 4 <= offset <= MAX_VOX_OFFSET:
        raise CaseError(
            "bad_header",
            f"The header says that voxels start at byte {offset:g}, which cannot be.",
            "Export the scan again.",
        )
    return int(offset)


def _read_voxels(stream: io.BufferedReader, dtype: np.dtype, count: int) -> np.ndarray:
    """Return (count,) float32. Converted piece by piece: 4 bytes a voxel, whatever the type."""
    data = np.empty(count, np.float32)
    piece = np.empty(min(count, _CHUNK // dtype.itemsize), dtype)
    for start in range(0, count, piece.size):
        part = piece[: count - start]
        if _read_into(stream, memoryview(part.view(np.uint8))) < part.nbytes:
            raise CaseError(
                "truncated",
                "The file ends before its last voxel.",
                "Copy or download it again from its source.",
            )
        data[start : start + part.size] = part
    return data


def _read_into(stream: io.BufferedReader, buffer: memoryview) -> int:
    """Fill `buffer` as far as the stream goes, a chunk at a time; return the bytes read."""
    position = 0
    while position < len(buffer):
        count = stream.readinto(buffer[position : position + _CHUNK])
        if not count:
            break
        position += count
    return position


def _check_end(stream: io.BufferedReader, limits: Limits) -> None:
    """Read to the end, which makes a gzip check its CRC, and refuse a long tail."""
    tail = 0
    while count := len(stream.read(_CHUNK)):
        tail += count
        if tail > limits.max_trailing_bytes:
            raise CaseError(
                "trailing_data",
                "The file goes on long after its last voxel.",
                "Export the scan again.",
            )
