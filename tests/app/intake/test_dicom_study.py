"""Folders of DICOM files: one study of one patient, or a clear refusal; hostile files cost no memory."""

import logging
import os
import resource
import struct
import zlib

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from app.intake import dicom_study
from app.intake.dicom_study import holds_dicom, read_study
from model.errors import CaseError
from model.io.dicom import files, headers
from model.io.dicom.pixels import read_series
from tests.support.dicom_study import NAME, Patient, Written, moved, write_study

DATA = np.random.default_rng(0).integers(0, 1000, (9, 11, 7)).astype(np.int16)
AFFINE = np.diag([-1.0, -1.0, 3.0, 1.0])
SCAN = Written(1, DATA, AFFINE, {"RepetitionTime": 500, "EchoTime": 9})
META = 132
# Bytes that refusing a hostile file may take beside what the process has.
MOST_BYTES = 256 * 2**20


def put(folder, series=(SCAN,), patient=Patient(), **options):
    return write_study(folder, series, patient, **options)


def one_file(folder):
    """Write a study; return the path of one of its files."""
    return put(folder)[1][0]


def rewrite(path, change):
    dataset = dcmread(path)
    change(dataset)
    dataset.save_as(path, enforce_file_format=True)


def refused(folder):
    with pytest.raises(CaseError) as caught:
        read_study(folder)
    error = caught.value
    assert error.hint and NAME not in str(error.as_dict()) and error.file is None
    return error.code


def test_a_study_in_folders_beside_other_files(tmp_path):
    put(tmp_path / "DICOM" / "A", [SCAN])
    put(tmp_path / "DICOM" / "B", [moved(Written(2, DATA, AFFINE), EchoTime=90, RepetitionTime=4000)])  # fmt: skip
    (tmp_path / "readme.txt").write_text("about")
    (tmp_path / "empty").touch()
    (tmp_path / "autorun.exe").write_bytes(b"MZ" + bytes(200))
    study = read_study(tmp_path)
    assert [one.number for one in study.series] == [1, 2] and study.others == 3
    assert study.patient.name == NAME and study.patient.shown_name == "Doe, Jane"
    assert study.patient.identifier == "P-0815" and study.patient.birth_date == "19700102"
    assert study.patient.study_date == "20260301" and study.patient.accession_number == "A42"
    assert study.patient.study_description == "MRI brain" and study.patient.study_uid
    assert holds_dicom(path for path in tmp_path.rglob("*") if path.is_file())


def test_a_patient_is_not_shown_by_accident(tmp_path):
    put(tmp_path)
    patient = read_study(tmp_path).patient
    assert "Doe" not in repr(patient) and "0815" not in f"{patient}"


def test_files_without_preamble_are_read(tmp_path):
    for path in put(tmp_path)[1]:
        content = path.read_bytes()
        # Group 2 is explicit little endian, as the rest is.
        path.write_bytes(content[META:])
    study = read_study(tmp_path)
    np.testing.assert_array_equal(study.series[0].shape, DATA.shape)


def test_an_index_is_not_believed(tmp_path):
    put(tmp_path)
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + b"\xff" * 400)
    assert len(read_study(tmp_path).series) == 1


@pytest.mark.parametrize(
    ("charset", "name", "shown"),
    [
        (["", "ISO 2022 IR 87"], b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "山田"),
        (["", "ISO 2022 IR 149"], b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "洪"),
        ("GB18030", "王^小东".encode("gb18030"), "王"),
        ("ISO_IR 192", "Müller^Jörg".encode(), "Müller"),
        ("ISO_IR 144", "Иванов".encode("iso8859_5"), "Иванов"),
        ("GB18030", b"\xff\xfe\xff", ""),
    ],
)  # fmt: skip
def test_character_sets(tmp_path, charset, name, shown):
    for path in put(tmp_path)[1]:
        dataset = dcmread(path)
        dataset.SpecificCharacterSet = charset
        del dataset.PatientName
        dataset.add_new("PatientName", "UN", name)
        dataset.save_as(path, enforce_file_format=True)
    study = read_study(tmp_path)
    assert shown in study.patient.name and len(study.series) == 1


def test_the_same_instance_twice_counts_once(tmp_path):
    put(tmp_path / "a")
    put(tmp_path / "b")
    study = read_study(tmp_path)
    assert study.duplicates == 7 and study.series[0].slices == 7


def test_the_same_instance_with_other_pixels(tmp_path):
    put(tmp_path / "a")
    put(tmp_path / "b", [Written(1, DATA + 1, AFFINE, SCAN.elements)])
    assert refused(tmp_path) == "dicom_conflict"


@pytest.mark.parametrize(
    "other",
    [
        Patient(identifier="P-4711"),
        Patient(name="Roe^Richard"),
        Patient(identifier="", name="Roe^Richard"),
        Patient(elements={"PatientBirthDate": "19800101"}),
    ],
)
def test_two_patients_are_never_mixed(tmp_path, other):
    put(tmp_path / "a")
    put(tmp_path / "b", [Written(2, DATA, AFFINE)], other)
    assert refused(tmp_path) == "dicom_two_patients"


def test_one_patient_spelt_in_two_ways(tmp_path):
    put(tmp_path / "a")
    put(tmp_path / "b", [Written(2, DATA, AFFINE)], Patient(name="DOE^JANE^^Dr "))
    assert len(read_study(tmp_path).series) == 2


def test_two_studies(tmp_path):
    put(tmp_path / "a")
    put(tmp_path / "b", [Written(2, DATA, AFFINE)], Patient(study=2))
    assert refused(tmp_path) == "dicom_two_studies"


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_missing_uids(tmp_path, keyword):
    for path in put(tmp_path)[1]:
        rewrite_raw(path, keyword)
    assert refused(tmp_path) == "dicom_no_uids"


def rewrite_raw(path, keyword):
    dataset = dcmread(path)
    del dataset[keyword]
    dataset.save_as(path)


def test_private_tags_alone(tmp_path):
    dataset = Dataset()
    dataset.file_meta = dcmread(one_file(tmp_path / "x")).file_meta
    block = dataset.private_block(0x0011, "SOMEBODY", create=True)
    block.add_new(1, "LO", "nothing else")
    (tmp_path / "y").mkdir()
    dataset.save_as(tmp_path / "y" / "a", enforce_file_format=False, implicit_vr=False, little_endian=True)  # fmt: skip
    assert refused(tmp_path / "y") == "dicom_no_images"


def test_folders_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    assert refused(tmp_path) == "dicom_no_images"
    put(tmp_path, [moved(SCAN, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")])
    assert refused(tmp_path) == "dicom_no_images"


@pytest.mark.parametrize("start", [b"MZ\x90\0", b"\x7fELF", b"PK\x03\x04", b"<html><script>", b"%PDF-1.7", b"#!/bin/sh"])  # fmt: skip
def test_a_file_that_is_another_one_too(tmp_path, start):
    path = one_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(start + content[len(start) :])
    assert refused(tmp_path) == "dicom_disguised"


def element(group, number, vr, value, length=None):
    length = len(value) if length is None else length
    long = vr in (b"SQ", b"OB", b"OW", b"UN", b"UT")
    head = struct.pack("<HH", group, number) + vr
    return head + (b"\0\0" + struct.pack("<I", length) if long else struct.pack("<H", length)) + value  # fmt: skip


def with_elements(path, extra):
    """Put raw elements before the pixels of a file."""
    content = path.read_bytes()
    at = content.rindex(b"\xe0\x7f\x10\x00")
    path.write_bytes(content[:at] + extra + content[at:])


def bomb(path, inflated_bytes):
    """Write a file that is deflated as a whole."""
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    if inflated_bytes:
        content = path.read_bytes()
        end = 144 + int.from_bytes(content[140:144], "little")
        squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        parts = [squeezer.compress(element(0x0009, 0x1001, b"UN", b"", inflated_bytes))]
        parts += [squeezer.compress(bytes(2**20)) for _ in range(inflated_bytes // 2**20)]
        path.write_bytes(content[:end] + b"".join(parts) + squeezer.flush())


def nested(depth):
    inner = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)  # fmt: skip
        inner = element(0x0040, 0xA730, b"SQ", item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)  # fmt: skip
    return inner


HOSTILE = {
    "deflated bomb": (lambda path: bomb(path, 2**30), "dicom_too_large"),
    "nested without end": (lambda path: with_elements(path, nested(3000)), "dicom_damaged"),
    "header longer than any": (lambda path: with_elements(path, element(0x0009, 0x1001, b"UN", bytes(70 * 2**20))), "dicom_too_large"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_within_a_bound(tmp_path, name):
    make, code = HOSTILE[name]
    make(one_file(tmp_path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(tmp_path) == code
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < MOST_BYTES


def test_a_length_that_lies_allocates_nothing(tmp_path):
    path = one_file(tmp_path)
    content = path.read_bytes()
    at = content.rindex(b"\xe0\x7f\x10\x00")
    path.write_bytes(content[:at] + element(0x0009, 0x1001, b"UN", b"ab", 0xFFFFFFF0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    study = read_study(tmp_path)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES
    # The slice has no pixels any more: the file counts as none of the series.
    assert any(one.left_out or one.problems for one in study.series)


def test_a_deflated_file_of_ordinary_size_is_read(tmp_path):
    for path in put(tmp_path)[1]:
        bomb(path, 0)
    (series,) = read_study(tmp_path).series
    assert series.usable
    np.testing.assert_array_equal(read_series(series).data.shape, DATA.shape)


def test_pixels_shorter_than_declared(tmp_path):
    path = one_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    (series,) = read_study(tmp_path).series
    assert [reason.code for reason in series.problems] == ["no_pixels"]
    with pytest.raises(CaseError) as caught:
        read_series(series)
    assert caught.value.code == "dicom_series" and "series 1" in caught.value.message


def test_compressed_pixels_that_are_damaged(tmp_path):
    path = put(tmp_path, compression="rle")[1][0]
    content = path.read_bytes()
    path.write_bytes(content[:-60])
    (series,) = read_study(tmp_path).series
    with pytest.raises(CaseError) as caught:
        read_series(series)
    assert caught.value.code == "dicom_pixels"


@pytest.mark.parametrize("compression", ["rle", "jpegls"])
def test_compressed_series_are_read(tmp_path, compression):
    put(tmp_path, compression=compression)
    (series,) = read_study(tmp_path).series
    volume = read_series(series)
    np.testing.assert_array_equal(volume.data, DATA)


def test_links_that_lead_out_are_refused(tmp_path):
    outside = one_file(tmp_path / "outside")
    put(tmp_path / "in")
    (tmp_path / "in" / "inner").symlink_to(next((tmp_path / "in").iterdir()))
    assert read_study(tmp_path / "in").duplicates == 0
    (tmp_path / "in" / "link").symlink_to(outside)
    assert refused(tmp_path / "in") == "dicom_link"
    (tmp_path / "in" / "link").unlink()
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    assert refused(tmp_path / "in") == "dicom_link"


def test_pipes_are_not_opened(tmp_path):
    put(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert len(read_study(tmp_path).series) == 1


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_study, "MAX_FILES", 6)
    put(tmp_path)
    assert refused(tmp_path) == "dicom_too_many_files"


def test_a_claim_of_many_frames(tmp_path):
    for path in put(tmp_path)[1]:
        rewrite(path, lambda dataset: setattr(dataset, "NumberOfFrames", 2_000_000_000))
    assert refused(tmp_path) == "dicom_no_images"


def test_an_unknown_character_set_harms_nothing(tmp_path):
    for path in put(tmp_path)[1]:
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    assert read_study(tmp_path).patient.name == NAME


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_is_refused_or_read(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = one_file(tmp_path)
    content = bytearray(path.read_bytes())
    for at in rng.integers(0, len(content) - 250, 12):
        content[at] = rng.integers(256)
    path.write_bytes(content[: rng.integers(100, len(content))] if seed % 3 == 0 else content)
    try:
        study = read_study(tmp_path)
    except CaseError as error:
        assert error.code.startswith("dicom_") and error.hint
        return
    for series in study.series:
        for reason in (*series.problems, *series.left_out):
            assert reason.text


def test_names_stay_out_of_logs(tmp_path, caplog, capfd):
    """Headers that break rules, of which pydicom writes messages with the values in them."""
    for path in put(tmp_path)[1]:
        content = path.read_bytes().replace(b"19700102", NAME.encode()).replace(b"ISO_IR 100", b"ISO_IR 999")  # fmt: skip
        path.write_bytes(content)
    with caplog.at_level("DEBUG"):
        study = read_study(tmp_path)
        read_series(study.series[0])
    # pytest listens to pydicom's own logger, too; nothing else does.
    written = [record.getMessage() for record in caplog.records if record.name != "pydicom"]
    out, err = capfd.readouterr()
    assert not any("Doe" in text for text in (*written, out, err))
    assert not logging.getLogger("pydicom").propagate and study.patient.birth_date == ""


def test_limits_are_those_that_are_documented():
    assert dicom_study.MAX_FILES == headers.MAX_FRAMES == 20_000
    assert files.MAX_HEADER_BYTES == files.MAX_INFLATED_BYTES == 64 * 2**20
