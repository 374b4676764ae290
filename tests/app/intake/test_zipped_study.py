"""A DICOM study in a zip: what comes out, and what is refused."""

import io
import stat
import zipfile

import pytest

from app.intake import zip_archive
from model.errors import CaseError
from tests.app.intake.test_zip_archive import packed

DICOM = b"\0" * 128 + b"DICM" + b"rest" * 50


def unpack(tmp_path, content: bytes, max_bytes: int = 10_000) -> list[bytes]:
    path = tmp_path / "cd.zip"
    path.write_bytes(content)
    zip_archive.unpack_dicom(path, "cd.zip", tmp_path / "out", max_bytes)
    return [found.read_bytes() for found in sorted((tmp_path / "out").iterdir())]


def holds_study(tmp_path, content: bytes) -> bool:
    path = tmp_path / "cd.zip"
    path.write_bytes(content)
    return zip_archive.holds_study(path, "cd.zip")


def test_dicom_files_come_out_and_the_rest_of_a_cd_stays(tmp_path):
    entries = {
        "DICOM/IM0001": DICOM,
        "../../slip.dcm": DICOM + b"2",
        "VIEWER/run.exe": b"MZ" + b"\0" * 500,
        "VIEWER/more.zip": b"PK\x03\x04",
        "__MACOSX/DICOM/._IM0001": DICOM,
        "index.html": b"<html>",
        "empty": b"",
    }
    assert unpack(tmp_path, packed(entries)) == [DICOM, DICOM + b"2"]
    assert {path.name for path in tmp_path.iterdir()} == {"cd.zip", "out"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"a": DICOM}, True),
        ({"a.exe": b"MZ" * 200, "b": DICOM}, True),
        ({"a": DICOM, "b_t1.nii.gz": b"scan"}, False),
        ({"a": b"text" * 100}, False),
        ({}, False),
    ],
)
def test_a_study_is_told_by_its_content(tmp_path, entries, expected):
    assert holds_study(tmp_path, packed(entries)) is expected


def refused(tmp_path, content: bytes, **limits) -> str:
    with pytest.raises(CaseError) as caught:
        unpack(tmp_path, content, **limits)
    assert caught.value.file == "cd.zip"
    return caught.value.code


def test_more_than_may_be_unpacked(tmp_path):
    content = packed({"a": DICOM + b"\0" * 9_000, "b": DICOM + b"\0" * 9_000})
    assert refused(tmp_path, content) == "zip_too_large"


def test_more_files_than_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_archive, "MAX_ENTRIES", 3)
    content = packed({str(number): DICOM for number in range(4)})
    assert refused(tmp_path, content) == "zip_too_large"


def test_links(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("IM0001")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert refused(tmp_path, buffer.getvalue()) == "zip_link"


def test_damage(tmp_path):
    content = bytearray(packed({"a": DICOM * 20}))
    content[60] ^= 0xFF
    assert refused(tmp_path, bytes(content)) == "zip_damaged"
