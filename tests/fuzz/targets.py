"""What is fuzzed: functions of bytes that end in silence, or in an exception that is a fault."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.intake import zip_archive
from app.intake.dicom_study import read_study
from app.intake.files import ScanFile, assign, common_name, shown_folder, shown_name
from app.reporting.dicom_common import as_file
from model.errors import CaseError
from model.io.dicom.pixels import read_middle_slice, read_series
from model.io.modalities import contrast_in, guess_description, other_kind
from model.io.nifti import read_volume
from model.io.nifti_header import Limits
from model.io.sequence_choice import choose
from model.io.sequence_table import series_table
from tests.app.web.hazards import packed, scan
from tests.model.io.malformed import BROKEN, GOOD, gz
from tests.support.dicom_study import Written, classic_files, enhanced_file

LIMITS = Limits(max_voxels=2**16, max_trailing_bytes=2**16)
MAX_UNPACKED = 2**18
SCAN = Written(1, np.arange(9 * 8 * 5, dtype=np.int16).reshape(9, 8, 5), np.diag([-1, -1, 3, 1.0]))
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
        guess_description(shown), contrast_in(shown), other_kind(shown)
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


def dicom(content: bytes) -> None:
    """Read bytes as a study of one file: series with sentences and finite voxels, or a CaseError."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(content)
        try:
            series = read_study(Path(folder), LIMITS).series
            for row in series_table(series, choose(series)):
                assert row.text
            for one in series:
                read_middle_slice(one)
                assert np.isfinite(read_series(one, limits=LIMITS).data).all()
        except CaseError as error:
            assert error.code.startswith(("dicom_", "too_large")) and error.hint


TARGETS: dict[str, Callable[[bytes], None]] = {
    "read": read,
    "unpack": unpack,
    "name": name,
    "dicom": dicom,
}


def seeds(target: str) -> list[bytes]:
    """Return inputs to start from."""
    if target == "read":
        found = [GOOD, gz(GOOD), gz(gz(GOOD)), *(content for content, _ in BROKEN.values())]
        return [content for content in found if len(content) <= LARGEST_SEED]
    if target == "unpack":
        zips = [packed({"a_t1.nii": scan()}), packed({"a/../b_t2.nii.gz": scan(), "x.zip": b""})]
        return [content.removeprefix(zip_archive.MAGIC) for content in zips]
    if target == "dicom":
        return [as_file(dataset) for dataset in (*classic_files(SCAN)[:1], enhanced_file(SCAN))]
    return [b"p_flair.nii\nT1/a.nii\np_t1ce.nii\np_t2.nii", "病人_t1.nii\n..\\..\\x".encode()]
