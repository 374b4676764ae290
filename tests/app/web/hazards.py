"""Every upload that must be refused: what is sent, and the code of the answer.

Run as a program it sends all of them to an app in this one process, under a limit on memory, and
prints a line of JSON for each.
"""

import io
import json
import resource
import stat
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from isal import isal_zlib
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from model.io.modalities import MODALITIES
from tests.model.io.malformed import BROKEN, SHAPE, gz, nifti, voxels

# Address space that all hazards together may add to that of the idle app: four claims of the most
# voxels in float32, and room for libraries and threads.
MEMORY_BYTES = 4 * 4 * 512 * 512 * 256 + 512 * 2**20

Parts = list[tuple[str, str, bytes]]


def scan(number: int = 0) -> bytes:
    """Return one of several good scans on one grid, all different."""
    return gz(nifti((voxels() + number).astype("<i2").tobytes(order="F")))


def four(**changed: bytes) -> Parts:
    """Return four good parts named by modality, some of them replaced."""
    good = {modality: scan(number) for number, modality in enumerate(MODALITIES)}
    return [(key, f"p_{key}.nii.gz", content) for key, content in (good | changed).items()]


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of entries by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def zipped(content: bytes) -> Parts:
    """Return an upload of one zip."""
    return [("files", "all.zip", content)]


def link() -> bytes:
    """Return a zip with a symbolic link out of it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo("p_t1.nii")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def changed_directory(content: bytes, offset: int, value: bytes) -> bytes:
    """Return a zip whose first directory entry is changed at `offset`."""
    start = content.rfind(b"PK\x01\x02") + offset
    return content[:start] + value + content[start + len(value) :]


def overlapping() -> bytes:
    """Return a zip whose directory names the same compressed zeros 40 times."""
    content = packed({"p_t1.nii": bytes(2**26)})
    start, end = content.rfind(b"PK\x01\x02"), content.rfind(b"PK\x05\x06")
    directory = content[start:end] * 40
    counts = struct.pack("<HHII", 40, 40, len(directory), start)
    return content[:start] + directory + content[end : end + 8] + counts + content[end + 20 :]


def deflated_zeros(mb: int) -> bytes:
    """Return so many MB of zeros as blocks of a deflate stream, without its end."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(bytes(2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return block * mb


def bomb(mb: int) -> bytes:
    """Return a zip of four scans by name that are so many MB of zeros each."""
    data, size, body, directory = deflated_zeros(mb) + b"\3\0", mb * 2**20, b"", b""
    for modality in MODALITIES:
        name = f"p_{modality}.nii.gz".encode()
        common = struct.pack("<5H3I2H", 20, 0, 8, 0, 33, 0, len(data), size, len(name), 0)
        directory += b"PK\1\2\x14\0" + common
        directory += struct.pack("<3H2I", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + common + name + data
    end = struct.pack("<4H2IH", 0, 0, 4, 4, len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def constant_of_the_most_voxels() -> bytes:
    """Return a gzip of a good header and 512 MB of zeros."""
    head = nifti(b"", dim=(3, 512, 512, 256, 1, 1, 1, 1), datatype=64, bitpix=64)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = compressor.compress(head) + compressor.flush(zlib.Z_FULL_FLUSH)
    checksum, size = isal_zlib.crc32(head), len(head) + 512 * 2**20
    for _ in range(512):
        checksum = isal_zlib.crc32(bytes(2**20), checksum)
    tail = struct.pack("<2I", checksum, size)
    return gz(b"")[:10] + start + deflated_zeros(512) + b"\3\0" + tail


ONE = packed({"p_t1.nii": scan()})
FOUR = packed({name: content for _, name, content in four()})
ZEROS = gz(nifti(bytes(2 * int(np.prod(SHAPE)))))
MASK = gz(nifti((voxels() % 5).astype("<i2").tobytes(order="F")))
NEVER = ("prepare", "", b"never")
OTHER_GRID = gz(nifti((voxels() + 9).astype("<i2").tobytes(order="F"), srow_x=(-1, 0, 0, 5.2)))
OTHER_SIZE = gz(nifti(bytes(range(240)) * 8, dim=(3, 10, 12, 8, 1, 1, 1, 1)))

HAZARDS: dict[str, tuple[Parts, str]] = {
    f"scan: {name}": (four(t1=content), code) for name, (content, code) in BROKEN.items()
} | {
    "constant volume": (four(t1=gz(nifti(b"\7" * 1980))), "constant_volume"),
    "empty volume": (four(t1=ZEROS), "constant_volume"),
    "label mask as a scan": (four(t1=MASK), "label_mask"),
    "same file four times": (four(**dict.fromkeys(MODALITIES, scan())), "same_volume"),
    "patients on other positions": ([*four(t1=OTHER_GRID), NEVER], "grid_mismatch"),
    "patients of other sizes": ([*four(t1=OTHER_SIZE), NEVER], "grid_mismatch"),
    "two sequences missing": (four()[:2], "missing_modality"),
    "one sequence twice": ([*four(), ("t1", "q_t1.nii", scan(9))], "duplicate_modality"),
    "names alike in a zip": (
        zipped(packed({f"{folder}/p_t1.nii": scan() for folder in "ab"})),
        "duplicate_modality",
    ),
    "unknown part": ([*four(), ("t3", "p.nii", scan(9))], "unknown_part"),
    "no file": ([], "no_files"),
    "zip: slip": (zipped(packed({"../../p_t1.nii": scan()})), "missing_modality"),
    "zip: link": (zipped(link()), "zip_link"),
    "zip: nested": (zipped(packed({"in.zip": packed({"in.zip": ONE})})), "zip_nested"),
    "constant volumes of the most voxels": (
        four(**dict.fromkeys(MODALITIES, constant_of_the_most_voxels())),
        "constant_volume",
    ),
    "zip: bomb": (zipped(bomb(500)), "not_nifti"),
    "zip: zeros behind a small header": (
        zipped(packed({f"p_{key}.nii": nifti() + bytes(2**25) for key in MODALITIES})),
        "trailing_data",
    ),
    "zip: DICOM of zeros": (
        zipped(packed({"IM1": bytes(128) + b"DICM" + bytes(2**25)})),
        "zip_too_large",
    ),
    "zip: entry larger than any scan": (
        zipped(changed_directory(FOUR, 24, struct.pack("<I", 2**30))),
        "too_large",
    ),
    "zip: overlapping entries": (zipped(overlapping()), "zip_too_large"),
    "zip: size that lies": (
        zipped(changed_directory(FOUR, 24, struct.pack("<I", 100))),
        "zip_damaged",
    ),
    "zip: claim of 4 GB": (
        zipped(changed_directory(ONE, 24, struct.pack("<I", 2**32 - 2))),
        "zip_too_large",
    ),
    "zip: encrypted": (zipped(changed_directory(ONE, 8, b"\1")), "zip_encrypted"),
    "zip: thousands of entries": (
        zipped(packed({f"{number}.txt": b"" for number in range(21_000)})),
        "zip_too_large",
    ),
    "zip: unusual compression": (
        zipped(packed({"p_t1.nii": scan()}, zipfile.ZIP_LZMA)),
        "zip_damaged",
    ),
    "zip: name of NUL": (
        zipped(ONE.replace(b"p_t1.nii", b"\0_t1.nii")),
        "missing_modality",
    ),
    "zip: directory before the file": (
        zipped(changed_directory(FOUR, 42, struct.pack("<I", 2**31))),
        "zip_damaged",
    ),
    "zip: cut": (zipped(ONE[:-30]), "zip_damaged"),
    "zip: without scans": (zipped(packed({"notes.txt": b"x"})), "missing_modality"),
}


def send(client, parts: Parts):
    """Post parts to the API."""
    # A part without a name is a field of text.
    fields = [
        (part, FileStorage(io.BytesIO(body), name) if name else body.decode())
        for part, name, body in parts
    ]
    boundary, data = encode_multipart(MultiDict(fields or {"name": "nothing"}))
    content_type = f"multipart/form-data; boundary={boundary}"
    return client.post("/api/cases", data=data, content_type=content_type)


def _kept(data_dir: Path) -> list[str]:
    return [path.name for place in ("cases", "staging") for path in (data_dir / place).iterdir()]


def _outcomes(data_dir: Path) -> Iterator[dict]:
    from app import create_app

    app = create_app({"data_dir": data_dir}, serve=False)
    client = app.test_client()
    send(client, HAZARDS["no file"][0])
    idle = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (idle + MEMORY_BYTES,) * 2)
    for name, (parts, _) in HAZARDS.items():
        start = time.perf_counter(), time.process_time()
        answer = send(client, parts)
        # The lesser of both: the machine may do other things too, and several threads may read.
        seconds = min(time.perf_counter() - start[0], time.process_time() - start[1])
        yield {"hazard": name, "status": answer.status_code, "seconds": seconds} | {
            "error": answer.json.get("error", {}),
            "kept": _kept(data_dir),
        }


if __name__ == "__main__":
    for outcome in _outcomes(Path(sys.argv[1])):
        print(json.dumps(outcome), flush=True)
