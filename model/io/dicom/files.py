"""Opening a DICOM file of unknown origin: its header, under limits, up to its pixels."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from model.errors import CaseError
from model.io.dicom.values import quiet

PREAMBLE_BYTES = 128
MAGIC = b"DICM"
# Most bytes of a header: that of an enhanced file with 10,000 frames has some 30 MB.
MAX_HEADER_BYTES = 64 * 2**20
# Most bytes that a file which is deflated as a whole may have after inflation.
MAX_INFLATED_BYTES = 64 * 2**20
# What a preamble must not begin with: then the file is also a program, an archive or a page. See
# "Executable contents in the preamble", DICOM PS3.10 7.5.
DISGUISES = (
    *(b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"#!"),
    *(b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"%PDF", b"GIF8", b"\x89PNG"),
)
MARKUP = (b"<!doctype", b"<html", b"<script", b"<?xml", b"<?php", b"<svg")
# Groups with which a file without preamble begins: file meta information, or identification.
FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
_PIXEL_DATA = (0x7FE0, 0x0010)
_UNDEFINED = 0xFFFFFFFF
_CHUNK = 2**20


@dataclass(frozen=True)
class Header:
    """What stands before the pixels.

    syntax : UID of the transfer syntax, "" where the file does not name it
    pixel_bytes : bytes of the pixels as the file has them, None without pixels; of compressed ones,
        what is left of the file
    compressed : whether the pixels are
    pixel_offset : where the pixels begin in the file; of a deflated one, after inflation
    """

    dataset: Dataset
    syntax: str
    pixel_bytes: int | None
    compressed: bool
    pixel_offset: int = 0


class _Bounded(io.BufferedReader):
    """A file that is read within its own size, and no more than MAX_HEADER_BYTES in all."""

    def __init__(self, raw: io.RawIOBase, size: int):
        super().__init__(raw)
        self._size, self._left = size, MAX_HEADER_BYTES

    def read(self, size: int | None = -1) -> bytes:
        # Python would allocate what is asked for before it looks how much there is.
        rest = max(0, self._size - self.tell())
        size = rest if size is None or size < 0 else min(size, rest)
        self._left -= size
        if self._left < 0:
            raise _too_large()
        return super().read(size)


def is_dicom(start: bytes) -> bool:
    """Say whether a file's first 132 bytes or more may be those of a DICOM file."""
    marked = start[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == MAGIC
    return marked or (start[:2] in FIRST_GROUPS and start[3:4] == b"\x00" and len(start) >= 8)


def read_header(path: Path) -> Header:
    """Read a file up to its pixels.

    Raises CaseError `no_dicom_file`, `dicom_disguised`, `dicom_damaged` or `dicom_too_large`.
    """
    with path.open("rb", buffering=0) as raw:
        size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        start = raw.read(PREAMBLE_BYTES + 20)
        raw.seek(0)
        if not is_dicom(start):
            raise CaseError("no_dicom_file", "This is not a DICOM file.", "Leave it out.")
        _check_preamble(start)
        try:
            with quiet():
                return _read(_Bounded(raw, size), start, size)
        except CaseError:
            raise
        except RecursionError as error:
            raise _damaged("it is nested too deep") from error
        except Exception as error:  # pydicom raises many kinds for damaged files.
            raise _damaged("its header cannot be read") from error


def _read(stream: _Bounded, start: bytes, size: int) -> Header:
    if DeflatedExplicitVRLittleEndian.encode() in stream.peek(2**12)[: 2**12]:
        inflated = _inflated(stream, start)
        dataset = read_dataset(inflated, False, True, stop_when=_at_pixels)
        found = _pixels(inflated, False, True)
        return Header(dataset, DeflatedExplicitVRLittleEndian, *found, inflated.tell())
    dataset = dcmread(stream, stop_before_pixels=True, force=True)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "")).strip()
    count, undefined = _pixels(stream, *dataset.original_encoding)
    here = stream.tell()
    return Header(dataset, syntax, size - here if undefined else count, undefined, here)


def _at_pixels(tag: int, vr: str | None, length: int) -> bool:
    return tag >= 0x7FE00008


def _inflated(stream: _Bounded, start: bytes) -> io.BytesIO:
    """Return what follows the file meta information, inflated as far as the limit lets it."""
    # The first element says how long the file meta information is.
    length = struct.unpack("<I", start[140:144])[0]
    stream.seek(144 + length)
    inflater, parts, total = zlib.decompressobj(-zlib.MAX_WBITS), [], 0
    while chunk := inflater.unconsumed_tail or stream.read(_CHUNK):
        parts.append(inflater.decompress(chunk, _CHUNK))
        total += len(parts[-1])
        if total > MAX_INFLATED_BYTES:
            raise _too_large()
    return io.BytesIO(b"".join(parts))


def _pixels(stream: io.BufferedIOBase, implicit: bool, little: bool) -> tuple[int | None, bool]:
    """Return the bytes of the pixels from here on, and whether they are compressed."""
    head = stream.read(12)
    if len(head) < 8 or struct.unpack("<HH" if little else ">HH", head[:4]) != _PIXEL_DATA:
        return None, False
    place = 4 if implicit else 8
    claimed = int.from_bytes(head[place : place + 4], "little" if little else "big")
    if implicit:
        stream.seek(-4, io.SEEK_CUR)
    here = stream.tell()
    rest = stream.seek(0, io.SEEK_END) - here
    stream.seek(here)
    return min(claimed, rest), claimed == _UNDEFINED


def _check_preamble(start: bytes) -> None:
    text = start[:PREAMBLE_BYTES].lstrip().lower()
    if start[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == MAGIC and (
        start.startswith(DISGUISES) or text.startswith(MARKUP)
    ):
        raise CaseError(
            "dicom_disguised",
            "A DICOM file is also a file of another kind, such as a program or an archive.",
            "Export the study again from its archive.",
        )


def _damaged(what: str) -> CaseError:
    return CaseError(
        "dicom_damaged",
        f"A DICOM file is damaged: {what}.",
        "Copy or export it again from its source.",
    )


def _too_large() -> CaseError:
    return CaseError(
        "dicom_too_large",
        "A DICOM file has a longer header, or inflates to more bytes, than an image has.",
        "Leave it out, or export the study again.",
    )
