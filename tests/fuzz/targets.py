"""What is fuzzed: functions of bytes that end in silence, or in an exception that is a fault."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.intake import zip_archive
from app.intake.files import ScanFile, assign, common_name, shown_folder, shown_name
from model.errors import CaseError
from model.io.nifti import read_volume
from model.io.nifti_header import Limits
from tests.app.web.hazards import packed, scan
from tests.model.io.malformed import BROKEN, GOOD, gz

LIMITS = Limits(max_voxels=2**16, max_trailing_bytes=2**16)
MAX_UNPACKED = 2**18
# Larger hazards only slow it down.
LARGEST_SEED = 2**14


def read(content: bytes) -> None:
    """Read bytes as a scan: a finite volume within the limits, or a CaseError."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            volume = read_volume(Path(file.name), name="scan", limits=LIMITS)
        except CaseError as error:
            assert error.code and error.hint and error.file == "scan"
        else:
            assert np.isfinite(volume.data).all() and volume.data.size <= LIMITS.max_voxels


def unpack(content: bytes) -> None:
    """Unpack bytes as a zip: nothing outside, nothing beyond the limit, or a CaseError."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "upload"), Path(folder, "out")
        path.write_bytes(zip_archive.MAGIC + content)
        try:
            found = zip_archive.unpack(path, "zip", out, MAX_UNPACKED)
        except CaseError as error:
            assert error.code.startswith("zip_") and error.file == "zip"
        else:
            assert all(item.parent == out for _, item in found)
        assert {item.name for item in Path(folder).iterdir()} <= {"upload", "out"}
        assert sum(item.stat().st_size for item in Path(folder).rglob("out/*")) <= MAX_UNPACKED


def name(content: bytes) -> None:
    """Show and assign names: short, of one line, without a path, or a CaseError."""
    texts = content.decode("utf-8", "replace").split("\n")
    names = [shown_name(text) for text in texts]
    for shown in (*names, *map(shown_folder, texts)):
        assert len(shown) <= 120 and "/" not in shown and "\0" not in shown
    common_name(names)
    try:
        assign(
            {},
            [
                ScanFile(shown, Path(str(n)), shown_folder(text))
                for n, (shown, text) in enumerate(zip(names, texts, strict=True))
            ],
        )
    except CaseError as error:
        assert error.code in ("missing_modality", "duplicate_modality")


TARGETS: dict[str, Callable[[bytes], None]] = {"read": read, "unpack": unpack, "name": name}


def seeds(target: str) -> list[bytes]:
    """Return inputs to start from."""
    if target == "read":
        found = [GOOD, gz(GOOD), gz(gz(GOOD)), *(content for content, _ in BROKEN.values())]
        return [content for content in found if len(content) <= LARGEST_SEED]
    if target == "unpack":
        zips = [packed({"a_t1.nii": scan()}), packed({"a/../b_t2.nii.gz": scan(), "x.zip": b""})]
        return [content.removeprefix(zip_archive.MAGIC) for content in zips]
    return [b"p_flair.nii\nT1/a.nii\np_t1ce.nii\np_t2.nii", "病人_t1.nii\n..\\..\\x".encode()]
