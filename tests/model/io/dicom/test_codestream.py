"""Compressed pictures that claim another size than the header are never given to a decoder."""

import resource
import shutil
import struct
import subprocess

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from model.errors import CaseError
from model.io.dicom.codestream import sizes
from model.io.dicom.pixels import read_middle_slice, read_series
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import Written, classic_files, write_study

DATA = np.random.default_rng(0).integers(0, 1000, (9, 11, 7)).astype(np.int16)
AFFINE = np.diag([-1.0, -1.0, 3.0, 1.0])


def item(content):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def j2k(columns, rows, components, left=0):
    siz = struct.pack(">HHIIIIIIIIH", 47, 0, columns + left, rows, left, 0, 64, 64, 0, 0, components)  # fmt: skip
    return b"\xff\x4f\xff\x51" + siz + bytes(40)


def jpeg(columns, rows, components, marker=0xC3):
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xc0\x00\x00"
    frame = struct.pack(">HBHHB", 8 + 3 * components, 12, rows, columns, components)
    return b"\xff\xd8" + comment + b"\xff\xff" + bytes([marker]) + frame + bytes(20)


PICTURES = {
    "JPEG 2000": (j2k(256, 128, 1), (256, 128, 1)),
    "JPEG 2000 in its box": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(20) + j2k(9, 8, 1), (9, 8, 1)),
    "JPEG 2000 with an origin": (j2k(256, 128, 1, left=40), (256, 128, 1)),
    "JPEG 2000 of many components": (j2k(256, 128, 16384), (256, 128, 16384)),
    "lossless JPEG": (jpeg(256, 128, 1), (256, 128, 1)),
    "baseline JPEG in colour": (jpeg(60000, 50000, 3, 0xC0), (60000, 50000, 3)),
    "JPEG-LS": (jpeg(256, 128, 1, 0xF7), (256, 128, 1)),
    "a JPEG without frame": (b"\xff\xd8\xff\xd9" + bytes(20), None),
    "no picture": (b"hello, world", None),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_sizes_that_pictures_claim(tmp_path, name):
    content, wanted = PICTURES[name]
    path = tmp_path / "a"
    path.write_bytes(
        b"header" + item(b"") + item(content) + item(b"continued") + b"\xfe\xff\xdd\xe0"
    )
    assert sizes(path, 6) == {wanted}


def test_pictures_of_several_sizes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(item(b"") + item(j2k(9, 8, 1)) + item(j2k(9000, 8, 1)))
    assert sizes(path, 0) == {(9, 8, 1), (9000, 8, 1)}


def test_a_claim_of_another_size_costs_no_memory(tmp_path):
    for path in write_study(tmp_path, [Written(1, DATA, AFFINE)], compression="jpegls")[1]:
        content = path.read_bytes()
        at = content.rindex(b"\xff\xf7")
        path.write_bytes(content[: at + 5] + struct.pack(">HH", 60000, 60000) + content[at + 9 :])
    (series,) = series_in(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (read_series, read_middle_slice):
        with pytest.raises(CaseError) as caught:
            read(series)
        assert caught.value.code == "dicom_pixels"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 2**10


@pytest.mark.parametrize(
    ("elements", "code"),
    [({}, "dicom_series"), ({"SamplesPerPixel": 3, "Rows": 10}, "dicom_pixels")],
)
def test_a_small_file_of_vast_pictures_is_not_decoded_for_a_picture(tmp_path, elements, code):
    (dataset, *_) = classic_files(Written(1, DATA, AFFINE))
    edge = 12000
    dataset.Rows = dataset.Columns = edge
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    # Both bytes of each pixel as runs of 128 zeros.
    runs = b"\x81\0" * (edge**2 // 128)
    starts = struct.pack("<16I", 2, 64, 64 + len(runs), *[0] * 13)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([starts + runs + runs])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    (series,) = series_in(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CaseError) as caught:
        read_middle_slice(series)
    assert caught.value.code == code
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 2**10


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("compression", [None, "rle", "jpegls"])
def test_a_picture_of_a_series(tmp_path, compression, enhanced):
    write_study(tmp_path, [Written(1, DATA, AFFINE)], compression=compression, enhanced=enhanced)
    (series,) = series_in(tmp_path)
    np.testing.assert_array_equal(read_middle_slice(series), DATA[:, :, 3])
    np.testing.assert_array_equal(read_series(series).data, DATA)


def test_a_picture_of_what_is_no_volume(tmp_path):
    (dataset, *_) = classic_files(Written(1, DATA, AFFINE))
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    (series,) = series_in(tmp_path)
    np.testing.assert_array_equal(read_middle_slice(series), DATA[:, :, 0])


@pytest.mark.skipif(not shutil.which("dcmcjpeg"), reason="dcmcjpeg (Debian package dcmtk) is not installed")  # fmt: skip
def test_lossless_jpeg_of_another_toolkit(tmp_path):
    (tmp_path / "out").mkdir()
    for path in write_study(tmp_path / "in", [Written(1, DATA + 2, AFFINE)])[1]:
        subprocess.run(["dcmcjpeg", "--encode-lossless-sv1", path, tmp_path / "out" / path.name], check=True)  # fmt: skip
    (series,) = series_in(tmp_path / "out")
    np.testing.assert_array_equal(read_series(series).data, DATA + 2)
