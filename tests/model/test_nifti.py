"""Reading: every form that scans come in, and one clear error for each that is broken."""

import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.errors import CaseError
from model.nifti import DISCLAIMER, Limits, read_volume, write_mask
from tests.model.malformed import SHAPE, gz, nifti, voxels

NAN, INF = float("nan"), float("inf")
GOOD = nifti()
FLOATS = voxels("<f4")


def with_voxel(value: float) -> bytes:
    data = FLOATS.copy()
    data[4, 4, 4] = value
    return nifti(data.tobytes(order="F"), datatype=16, bitpix=32)


BROKEN = {
    "empty": (b"", "not_nifti"),
    "text": (b"not a scan at all" * 50, "not_nifti"),
    "header cut": (GOOD[:200], "not_nifti"),
    "pair (.hdr)": (nifti(magic=b"ni1\0"), "not_nifti"),
    "gzipped three times": (gz(gz(gz(GOOD))), "not_nifti"),
    "voxels cut": (GOOD[:-100], "truncated"),
    "no voxels": (GOOD[:352], "truncated"),
    "gzip cut": (gz(GOOD)[:-9], "corrupt_gzip"),
    "gzip of cut file": (gz(GOOD[:-100]), "truncated"),
    "crc wrong": (gz(GOOD)[:-8] + b"\0\0\0\0" + gz(GOOD)[-4:], "corrupt_gzip"),
    "bytes flipped in gzip": (gz(GOOD)[:300] + b"\xff" * 20 + gz(GOOD)[320:], "corrupt_gzip"),
    "long tail": (GOOD + bytes(2**20 + 1), "trailing_data"),
    "2-D": (nifti(dim=(2, 9, 10, 1, 1, 1, 1, 1)), "bad_dimensions"),
    "single slice": (nifti(dim=(3, 9, 110, 1, 1, 1, 1, 1)), "bad_dimensions"),
    "time series": (nifti(dim=(4, 9, 10, 11, 5, 1, 1, 1)), "bad_dimensions"),
    "5-D": (nifti(dim=(5, 9, 10, 11, 1, 3, 1, 1)), "bad_dimensions"),
    "dimension count 0": (nifti(dim=(0, 9, 10, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "dimension count 99": (nifti(dim=(99, 9, 10, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "zero dimension": (nifti(dim=(3, 9, 0, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "negative dimension": (nifti(dim=(3, 9, -10, 11, 1, 1, 1, 1)), "bad_dimensions"),
    "huge claim": (nifti(dim=(3, 1500, 1500, 1500, 1, 1, 1, 1)), "too_large"),
    "complex": (nifti(datatype=32, bitpix=64), "bad_data_type"),
    "colour": (nifti(datatype=128, bitpix=24), "bad_data_type"),
    "unknown type": (nifti(datatype=999, bitpix=16), "bad_data_type"),
    "bits disagree": (nifti(bitpix=8), "bad_data_type"),
    "affine NaN": (nifti(srow_x=(NAN, 0, 0, 5)), "bad_affine"),
    "affine infinite": (nifti(srow_x=(-1, 0, 0, INF)), "bad_affine"),
    "affine singular": (nifti(srow_y=(-1, 0, 0, 0)), "bad_affine"),
    "affine zero": (nifti(srow_z=(0, 0, 0, 0)), "bad_affine"),
    "voxels of 1 m": (nifti(srow_z=(0, 0, 1000, 0)), "bad_affine"),
    "header read as voxels": (nifti(vox_offset=0), "bad_header"),
    "voxels inside the header": (nifti(vox_offset=348), "bad_header"),
    "voxels at infinity": (nifti(vox_offset=INF), "bad_header"),
    "voxels a gigabyte on": (nifti(vox_offset=1e9), "bad_header"),
    "voxels before the file": (nifti(vox_offset=-16), "bad_header"),
    "scaling infinite": (nifti(scl_slope=INF), "bad_header"),
    "voxel NaN": (with_voxel(NAN), "not_finite"),
    "voxel infinite": (with_voxel(INF), "not_finite"),
}


def read(tmp_path: Path, content: bytes, limits: Limits = Limits()):
    path = tmp_path / "scan.nii"
    path.write_bytes(content)
    return read_volume(path, name="name of the client", limits=limits)


@pytest.mark.parametrize(("content", "code"), BROKEN.values(), ids=BROKEN)
def test_broken_files_have_one_clear_error(tmp_path, content, code):
    for layers in (content, gz(content)):
        if code == "not_nifti" and content[:2] == b"\x1f\x8b":
            layers = content
        with pytest.raises(CaseError) as caught:
            read(tmp_path, layers)
        assert caught.value.code == code
        assert caught.value.file == "name of the client"
        assert caught.value.message.endswith(".") and caught.value.hint


@pytest.mark.parametrize("wrap", [bytes, gz, lambda content: gz(gz(content))])
def test_plain_and_compressed_files_read_alike(tmp_path, wrap):
    volume = read(tmp_path, wrap(GOOD))
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, voxels())
    np.testing.assert_array_equal(volume.affine[0], [-1, 0, 0, 5])


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_version_and_byte_order(tmp_path, image, kind, order):
    data = (np.arange(np.prod(SHAPE)) % 120).reshape(SHAPE).astype(order + kind)
    header = image.header_class(endianness=order)
    header.set_data_dtype(data.dtype)
    path = tmp_path / "scan.nii"
    nib.save(image(data, np.diag([2.0, 1.0, 3.0, 1.0]), header), path)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, data.astype(np.float32))
    np.testing.assert_allclose(volume.affine, np.diag([2.0, 1.0, 3.0, 1.0]))


def test_scaling_is_applied_and_zero_or_nan_mean_none(tmp_path):
    scaled = read(tmp_path, nifti(scl_slope=2.5, scl_inter=-3)).data
    np.testing.assert_allclose(scaled, voxels() * 2.5 - 3)
    for none in (0, NAN):
        np.testing.assert_array_equal(read(tmp_path, nifti(scl_slope=none)).data, voxels())


def test_trailing_dimensions_of_one_are_dropped(tmp_path):
    assert read(tmp_path, nifti(dim=(4, *SHAPE, 1, 1, 1, 1))).data.shape == SHAPE
    assert read(tmp_path, nifti(dim=(6, *SHAPE, 1, 1, 1, 1))).data.shape == SHAPE


def test_extensions_before_the_voxels_are_skipped(tmp_path):
    content = nifti(vox_offset=384)
    content = content[:352] + b"\x20\0\0\0\x04\0\0\0" + b"patient name".ljust(24) + content[352:]
    np.testing.assert_array_equal(read(tmp_path, content).data, voxels())


def test_limit_of_voxels(tmp_path):
    with pytest.raises(CaseError) as caught:
        read(tmp_path, GOOD, Limits(max_voxels=int(np.prod(SHAPE)) - 1))
    assert caught.value.code == "too_large"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0, 351), value=st.integers(0, 255))
def test_any_changed_header_byte_reads_or_fails_cleanly(tmp_path, position, value):
    content = bytearray(GOOD)
    content[position] = value
    try:
        assert np.isfinite(read(tmp_path, bytes(content)).data).all()
    except CaseError as error:
        assert error.code and error.message


def test_memory_stays_flat_for_lying_and_bomb_files(tmp_path):
    claim = gz(nifti(b"", dim=(3, 512, 512, 400, 1, 1, 1, 1)))
    bomb = gz(gz(nifti(bytes(2**28))))
    for number, content in enumerate((claim, bomb)):
        path = tmp_path / f"{number}.nii.gz"
        path.write_bytes(content)
        program = (
            "import sys, pathlib; from model.nifti import *; from model.errors import CaseError\n"
            "try: read_volume(pathlib.Path(sys.argv[1]))\n"
            "except CaseError as error: print(error.code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (700 * 2**20,) * 2),
        )
        assert done.stdout.strip() in ("truncated", "trailing_data"), done.stderr


@pytest.mark.parametrize("name", ["mask.nii", "mask.nii.gz"])
def test_masks_keep_values_and_grid_and_say_nothing_else(tmp_path, name):
    affine = np.array([[0, -1.5, 0, 3], [1, 0, 0.1, -4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    values = (voxels() % 5).astype(np.uint8)
    write_mask(tmp_path / name, values, affine)
    image = nib.load(tmp_path / name)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(image.dataobj, values)
    np.testing.assert_allclose(image.affine, affine, atol=1e-6)
    assert image.header["descrip"].item().decode() == DISCLAIMER
    assert [path.name for path in tmp_path.iterdir()] == [name]
