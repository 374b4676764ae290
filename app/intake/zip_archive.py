"""Unpacking an uploaded zip. Its names never become paths, and its sizes are checked."""

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from app.intake.files import refuse_other_formats
from model.errors import CaseError
from model.io.dicom.files import PREAMBLE_BYTES, is_dicom
from model.io.nifti import SUFFIXES

MAGIC = b"PK\x03\x04"
# A study on a CD has thousands of files, beside those of a viewer.
MAX_ENTRIES = 20_000
MAX_DIRECTORY_BYTES = 2**22
# Scans are packed to a tenth or a hundredth; zeros, with which a disk can be filled, to a thousandth.
MAX_RATIO, _SMALL = 250, 2**24
_CHUNK = 2**20
# Bytes of a file that `check` gets.
_START = 2**12
Check = Callable[[str, int, bytes], None]
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What `zipfile` raises for damage, found by fuzzing.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)
# Sizes of the records that end a zip (APPNOTE 4.3.15 and 4.3.16); a comment has at most 64 KiB.
_END, _LOCATOR, _COMMENT = 22, 20, 2**16


def is_zip(path: Path) -> bool:
    """Say whether a file begins like a zip."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def contents(path: Path, name: str, max_bytes: int) -> list[tuple[str, int]]:
    """Return name and claimed size in bytes of each scan in a zip, without unpacking it.

    Raises CaseError as `unpack` does.
    """
    with _opened(path, name) as archive:
        return [(info.filename, info.file_size) for info in _scans(archive, max_bytes)]


def unpack(
    path: Path,
    name: str,
    folder: Path,
    max_bytes: int,
    wanted: Container[int] | None = None,
    reserve_disk: Callable[[int], None] = lambda _: None,
    check: Check = lambda name, size, start: None,
) -> list[tuple[str, Path]]:
    """Unpack scans of a zip into a new `folder`; return (name in the zip, path) for each.

    wanted : their places in `contents`; None: all
    reserve_disk : called with the bytes to be written; raises if the disk lacks them
    check : called for each scan with its name, claimed size and first bytes, before the rest is unpacked

    The files are named by their places. Anything that is not `.nii` or `.nii.gz` stays packed.
    Raises CaseError `zip_damaged`, `zip_encrypted`, `zip_link`, `zip_nested` or `zip_too_large`,
    whose `file` is `name`, or what `check` raises; what has been unpacked by then stays for the
    caller to remove.
    """
    with _opened(path, name) as archive:
        scans = dict(enumerate(_scans(archive, max_bytes)))
        if wanted is not None:
            scans = {number: info for number, info in scans.items() if number in wanted}
        reserve_disk(sum(info.file_size for info in scans.values()))
        folder.mkdir()
        for number, info in scans.items():
            _write_entry(archive, info, folder / str(number), check)
        return [(info.filename, folder / str(number)) for number, info in scans.items()]


def holds_study(path: Path, name: str) -> bool:
    """Say whether a zip holds DICOM files, by their first bytes, and no NIfTI scan, by its name.

    Raises CaseError as `unpack` does.
    """
    with _opened(path, name) as archive:
        if any(entry.lower().endswith(SUFFIXES) for entry in archive.namelist()):
            return False
        return any(is_dicom(_start(archive, info)) for info in _files(archive, _may_be_dicom))


def unpack_dicom(
    path: Path,
    name: str,
    folder: Path,
    max_bytes: int,
    reserve_disk: Callable[[int], None] = lambda _: None,
) -> int:
    """Unpack all DICOM files of a zip, told by their first bytes, into a new `folder`; return their bytes.

    Other files stay packed, also other zips. Raises as `unpack` does.
    """
    total = 0

    def check(_name: str, size: int, _start: bytes) -> None:
        nonlocal total
        total += size
        if total > max_bytes:
            raise _too_large(f"Unpacked, the zip has more than {max_bytes // 2**20} MB.")
        reserve_disk(size)

    with _opened(path, name) as archive:
        folder.mkdir()
        for number, info in enumerate(_files(archive, _may_be_dicom)):
            if is_dicom(_start(archive, info)):
                _write_entry(archive, info, folder / f"{number:06d}", check)
    return total


@contextmanager
def _opened(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip; errors in it are raised as CaseError."""
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            yield archive
    except CaseError as error:
        error.file = error.file or name
        raise
    except _DAMAGE as error:
        raise _damaged(name) from error
    except OSError as error:
        # A damaged directory points before the start of the file.
        if error.errno == errno.EINVAL:
            raise _damaged(name) from error
        raise


def _scans(archive: zipfile.ZipFile, max_bytes: int) -> list[zipfile.ZipInfo]:
    scans = list(_files(archive, _is_scan))
    if not scans:
        refuse_other_formats(archive.namelist())
    if sum(info.file_size for info in scans) > max_bytes:
        raise _too_large(f"Unpacked, the zip has more than {max_bytes // 2**20} MB.")
    return scans


def _files(
    archive: zipfile.ZipFile, wanted: Callable[[PurePosixPath], bool]
) -> Iterator[zipfile.ZipInfo]:
    """Yield the files whose names are wanted. Raises CaseError for entries that no case may have."""
    for info in archive.infolist():
        # `zipfile` cuts names at a NUL and cannot read entries without a name.
        name = PurePosixPath(info.filename.replace("\\", "/"))
        # macOS adds files with the names of the scans that only hold metadata.
        hidden = name.name.startswith(".") or "__MACOSX" in name.parts
        if not info.filename or info.is_dir() or hidden:
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CaseError("zip_link", "The zip holds links.", "Pack the files themselves.")
        if not wanted(name):
            continue
        if info.flag_bits & 0x1:
            raise CaseError(
                "zip_encrypted", "The zip is protected by a password.", "Pack it without one."
            )
        if info.compress_type not in _METHODS:
            raise NotImplementedError
        yield info


def _is_scan(name: PurePosixPath) -> bool:
    """Say whether a file is a NIfTI scan by its name. Raises CaseError for another zip."""
    if name.suffix.lower() == ".zip":
        raise CaseError(
            "zip_nested", "The zip holds another zip.", "Upload the zip of one patient itself."
        )
    return name.name.lower().endswith(SUFFIXES)


def _may_be_dicom(name: PurePosixPath) -> bool:
    """Say whether a file may be DICOM by its name; most have no suffix, or any."""
    return not name.name.lower().endswith((*SUFFIXES, ".zip"))


def _start(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as source:
        return source.read(PREAMBLE_BYTES + 4)


def _write_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, check: Check
) -> None:
    """Inflate one entry, at most as many bytes as it claims to have."""
    left = info.file_size
    with archive.open(info) as source, target.open("wb") as file:
        chunk = source.read(_START)
        check(info.filename, info.file_size, chunk)
        if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
            raise _too_large(f"A file in the zip is packed to less than 1/{MAX_RATIO} of its size.")
        while chunk:
            left -= len(chunk)
            if left < 0:
                raise _too_large("Unpacked, the zip has more bytes than it says.")
            file.write(chunk)
            chunk = source.read(_CHUNK)


def _check_directory(path: Path) -> None:
    """Refuse a central directory that would take much memory, before it is read.

    `zipfile` reads all of it at once. Its size stands in the record at the end of the file;
    the 64-bit variant of that record serves only archives beyond 4 GiB or 65,535 entries.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END - _COMMENT - _LOCATOR))
        tail = file.read()
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or len(tail) < position + _END:
        raise zipfile.BadZipFile
    entries = int.from_bytes(tail[position + 10 : position + 12], "little")
    directory_bytes = int.from_bytes(tail[position + 12 : position + 16], "little")
    has_64_bit = tail[max(0, position - _LOCATOR) :].startswith(b"PK\x06\x07")
    if has_64_bit or entries > MAX_ENTRIES or directory_bytes > MAX_DIRECTORY_BYTES:
        raise _too_large(f"The zip has more than {MAX_ENTRIES:,} entries.")


def _damaged(name: str) -> CaseError:
    return CaseError(
        "zip_damaged",
        "The zip is cut off, damaged or of an unusual kind.",
        "Pack the files again, or upload them without packing.",
        name,
    )


def _too_large(message: str) -> CaseError:
    return CaseError("zip_too_large", message, "Pack only the scans of one patient.")
