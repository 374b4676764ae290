"""Reading: every form that scans come in, and one clear error for each that is broken."""

import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.errors import CaseError
from model.io.nifti import DISCLAIMER, PLACING, encode, read_placing, read_volume, write_mask
from model.io.nifti_header import Limits
from tests.model.io.malformed import BROKEN, GOOD, NAN, SHAPE, gz, nifti, voxels


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


@pytest.mark.parametrize(("lowest", "expected"), [(5.0, 0.0), (-3.5, -5.0), (0.0, -1.0)])
def test_nan_around_a_brain_is_background(tmp_path, lowest, expected):
    data = np.full((12, 12, 12), NAN, np.float32)
    data[3:9, 3:9, 3:9] = np.linspace(lowest, 100, 6**3).reshape(6, 6, 6)
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "scan.nii")
    found = read_volume(tmp_path / "scan.nii").data
    assert found[0, 0, 0] == expected and np.count_nonzero(found == expected) == 12**3 - 6**3
    data[5, 5, 5] = np.inf
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "broken.nii")
    with pytest.raises(CaseError) as caught:
        read_volume(tmp_path / "broken.nii")
    assert caught.value.code == "not_finite"


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
            "import sys, pathlib; from model.io.nifti import *; from model.errors import CaseError\n"
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


@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("codes", [(1, 2), (2, 1), (1, 0), (0, 4), (0, 0)])
def test_masks_lie_where_every_program_puts_the_scan(tmp_path, image, codes):
    """Also where the two forms disagree, as after a registration that writes one of them."""
    turned = np.array([[0, -1.5, 0, 3], [1, 0, 0, -4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    scan = image(voxels().astype(np.int16), None)
    scan.header.set_qform(turned, codes[0])
    scan.header.set_sform(turned + np.eye(4, k=3) * 12, codes[1])
    scan.header["descrip"], scan.header["pixdim"][4:] = b"patient", 7
    nib.save(scan, tmp_path / "scan.nii")
    volume = read_volume(tmp_path / "scan.nii")
    assert volume.oriented == (codes != (0, 0))
    write_mask(tmp_path / "mask.nii", voxels() % 5, volume.placing)
    write_mask(tmp_path / "again.nii", voxels() % 5, read_placing(tmp_path / "mask.nii"))
    assert (tmp_path / "again.nii").read_bytes() == (tmp_path / "mask.nii").read_bytes()
    scan, mask = (nib.load(tmp_path / f"{name}.nii") for name in ("scan", "mask"))
    for name in PLACING:
        assert mask.header[name] == pytest.approx(scan.header[name])
    np.testing.assert_allclose(mask.header["pixdim"][:4], scan.header["pixdim"][:4])
    np.testing.assert_allclose(mask.affine, volume.affine, atol=1e-6)
    assert b"patient" not in (tmp_path / "mask.nii").read_bytes()
    if image is nib.Nifti1Image:  # ITK reads no other.
        scan, mask = (sitk.ReadImage(tmp_path / f"{name}.nii") for name in ("scan", "mask"))
        for where in ("GetOrigin", "GetDirection", "GetSpacing"):
            np.testing.assert_allclose(getattr(mask, where)(), getattr(scan, where)(), atol=1e-5)


def test_scaling_is_written_with_either_kind_of_grid(tmp_path):
    placing = read(tmp_path, GOOD).placing
    for grid in (np.eye(4), placing):
        stored = read(tmp_path, encode(voxels().astype(np.int16), grid, (0.5, -3.0))).data
        np.testing.assert_allclose(stored, voxels() * 0.5 - 3)


def test_a_missing_sign_of_the_quaternion_counts_as_plus(tmp_path):
    content = bytearray(nifti(sform_code=0, qform_code=1))
    expected = read(tmp_path, bytes(content)).affine
    at = nib.Nifti1Header.template_dtype.fields["pixdim"][1]
    content[at : at + 4] = bytes(4)
    np.testing.assert_array_equal(read(tmp_path, bytes(content)).affine, expected)


def test_a_small_file_of_a_vast_scan_is_refused(tmp_path):
    limits = Limits(max_voxels=int(np.prod(SHAPE)) * 20)
    rows = {f"srow_{axis}": tuple(row) for axis, row in zip("xyz", 3 * np.eye(3, 4), strict=True)}
    with pytest.raises(CaseError) as caught:
        read(tmp_path, nifti(**rows), limits)
    assert caught.value.code == "too_large" and " mm, " in caught.value.message
    assert read(tmp_path, GOOD, limits).data.shape == SHAPE
    long = (3, 40_000, 8, 8, 1, 1, 1, 1)
    header = nib.Nifti2Header()
    header["dim"], header["sform_code"] = long, 1
    header["srow_x"], header["srow_y"], header["srow_z"] = np.eye(3, 4) * 0.2
    content = header.binaryblock + bytes(4 + 40_000 * 64 * 4)
    with pytest.raises(CaseError) as caught:
        read(tmp_path, content)
    assert caught.value.code == "too_large" and "40,000" in caught.value.message
