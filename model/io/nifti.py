"""Reading scans and writing masks as NIfTI, strictly.

The header is checked and the stream read to its end, which checks the CRC of a gzip, before a file is
accepted. Memory is bounded by `Limits` before a voxel is allocated.
"""

import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib

from model.errors import CaseError
from model.io.nifti_header import Limits, check_header, goes_on, read_header, truncated
from model.io.nifti_placing import Conflict, mend

SUFFIXES = (".nii", ".nii.gz")
GZIP_MAGIC = b"\x1f\x8b"
DISCLAIMER = "Research use only. Not a medical device."
# Fields of a header that place the voxels: qform and sform with their codes.
PLACING = (
    *("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("sform_code", "srow_x", "srow_y", "srow_z"),
)
# Fast, and hardly larger than the smallest.
GZIP_LEVEL = 2
# Where voxels start in the files that are written here: after the header and four bytes.
VOX_OFFSET = 352
_CHUNK = 2**20
# What unpacking raises for a damaged gzip.
DAMAGE = (zlib.error, igzip_lib.error, igzip.BadGzipFile, EOFError)


@dataclass(frozen=True)
class Volume:
    """One scan: `data` (X, Y, Z) float32 as stored, `affine` (4, 4) voxel index to RAS+ mm.

    placing : a header with only the fields of the file that place the voxels
    conflict : what the file's header says of the place twice and differently
    """

    data: np.ndarray
    affine: np.ndarray
    placing: nib.Nifti1Header
    conflict: Conflict | None = None

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
    with errors_of(name or path.name), ExitStack() as files:
        return _read_stream(inflated(path, files), limits)


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Let errors name the file, and those of a damaged gzip be CaseError `corrupt_gzip`."""
    try:
        yield
    except CaseError as error:
        error.file = name
        raise
    except DAMAGE as error:
        raise CaseError(
            "corrupt_gzip",
            "The compressed file is cut off or damaged.",
            "Copy or download it again from its source.",
            name,
        ) from error


def read_placing(path: Path) -> nib.Nifti1Header:
    """Return `Volume.placing` of a file of which nothing else is read. Raises CaseError."""
    with ExitStack() as files:
        header, _ = read_header(inflated(path, files))
    mend(header)
    return _placing_of(header)


def read_shape(path: Path) -> tuple[int, int, int]:
    """Return the shape (X, Y, Z) that the header of a file names. Raises CaseError `not_nifti`."""
    with ExitStack() as files:
        header, _ = read_header(inflated(path, files))
    return tuple(int(length) for length in header["dim"][1:4])


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
        put it where they put the scan, whether they use qform or sform
    scaling : slope and intercept that turn the stored numbers into intensities

    The header holds the grid and nothing else about a patient.
    """
    return _header(array.shape, array.dtype, grid, scaling) + array.tobytes("F")


def write_slabs(
    file: IO[bytes],
    slabs: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    grid: np.ndarray | nib.Nifti1Header,
    scaling: tuple[float, float] = (1.0, 0.0),
) -> None:
    """Write the parts of (X, Y, Z) along its last axis as one compressed NIfTI-1 file; else as `encode`.

    A whole volume is never in memory twice.
    """
    with igzip.IGzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as compressed:
        compressed.write(_header(shape, dtype, grid, scaling))
        for slab in slabs:
            compressed.write(slab.astype(dtype, copy=False).tobytes("F"))


def _header(
    shape: tuple[int, ...],
    dtype: np.dtype,
    grid: np.ndarray | nib.Nifti1Header,
    scaling: tuple[float, float],
) -> bytes:
    """Return all of a NIfTI-1 file that lies before its voxels."""
    if isinstance(grid, nib.Nifti1Header):
        header = grid.copy()
    else:
        header = nib.Nifti1Header()
        header.set_data_shape(shape)
        header.set_qform(grid, code="scanner")
        header.set_sform(grid, code="scanner")
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm")
    header["descrip"] = DISCLAIMER.encode()
    header["magic"], header["vox_offset"] = b"n+1", VOX_OFFSET
    header.set_slope_inter(*scaling)
    # No extensions follow.
    return header.binaryblock + bytes(VOX_OFFSET - len(header.binaryblock))


def placing_of_affine(affine: np.ndarray, shape: tuple[int, ...]) -> nib.Nifti1Header:
    """Return `Volume.placing` of a volume that is not from a NIfTI file."""
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    return _placing_of(header)


def _placing_of(header: nib.Nifti1Header) -> nib.Nifti1Header:
    placing = nib.Nifti1Header()
    for name in PLACING:
        placing[name] = header[name]
    placing["pixdim"][:4] = header["pixdim"][:4]
    return placing


def compress(data: bytes) -> bytes:
    """Return `data` as gzip, fast and without a time stamp."""
    return igzip.compress(data, compresslevel=GZIP_LEVEL, mtime=0)


def inflated(path: Path, files: ExitStack) -> io.BufferedReader:
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
    layout = check_header(header, size, limits)
    stream.read(layout.offset - size)
    # Numbers too large for float32 become infinite, and are refused as such.
    with np.errstate(over="ignore", invalid="ignore"):
        data = _read_voxels(stream, layout.dtype, int(np.prod(layout.shape)))
        _check_end(stream, limits)
        if (layout.slope, layout.intercept) != (1.0, 0.0):
            data *= np.float32(layout.slope)
            data += np.float32(layout.intercept)
        finite = np.isfinite(data.sum(dtype=np.float64))
    data = data.reshape(layout.shape, order="F")
    if not finite:
        _fill_background(data)
    return Volume(data, layout.affine, _placing_of(header), layout.conflict)


def _fill_background(data: np.ndarray) -> None:
    """Replace NaN, where it stands for background, by a value that no other voxel has below 0, or by 0.

    That is so where all corners of the volume are NaN. Raises CaseError `not_finite` elsewhere.
    """
    missing = np.isnan(data)
    if not missing[np.ix_(*[(0, -1)] * 3)].all() or not np.isfinite(data[~missing]).all():
        raise CaseError(
            "not_finite",
            "Some voxels are not numbers (NaN or infinite).",
            "Export the scan again, or replace such voxels by 0.",
        )
    lowest = float(data[~missing].min()) if not missing.all() else 0.0
    data[missing] = 0.0 if lowest > 0 else np.floor(lowest) - 1


def _read_voxels(stream: io.BufferedReader, dtype: np.dtype, count: int) -> np.ndarray:
    """Return (count,) float32. Converted piece by piece: 4 bytes a voxel, whatever the type."""
    data = np.empty(count, np.float32)
    piece = np.empty(min(count, _CHUNK // dtype.itemsize), dtype)
    for start in range(0, count, piece.size):
        part = piece[: count - start]
        if _read_into(stream, memoryview(part.view(np.uint8))) < part.nbytes:
            raise truncated()
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
            raise goes_on()
