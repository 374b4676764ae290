"""What headers say of the place, read as leniently as other programs do, and what contradicts itself."""

import nibabel as nib
import numpy as np
import pytest

from model.errors import CaseError
from model.io.nifti import read_volume
from model.io.scans import on_one_grid, read_scans

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (30, 28, 26)


def written(path, sform=LPS, qform=LPS, codes=(1, 1), seed=0, **fields):
    """Write a scan with forms and codes (sform, qform); fields replace those of the header."""
    data = np.random.default_rng(seed).integers(0, 999, SHAPE).astype(np.int16)
    image = nib.Nifti1Image(data, sform)
    image.set_sform(sform, codes[0])
    image.set_qform(qform, codes[1])
    block = np.frombuffer(bytearray(image.header.binaryblock), image.header.template_dtype).copy()
    for name, value in ({"vox_offset": 352} | fields).items():
        block[name] = value
    path.write_bytes(block.tobytes() + b"\0" * 4 + data.tobytes(order="F"))
    return path


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        # An sform with nothing in it, beside a qform.
        ({"srow_x": 0, "srow_y": 0, "srow_z": 0}, (1, 1, 1)),
        ({"codes": (0, 1), "pixdim": (1, -1, 1, 1, 0, 0, 0, 0)}, (1, 1, 1)),
        ({"bitpix": 0}, (1, 1, 1)),
        ({"dim": (4, *SHAPE, 0, 1, 1, 1)}, (1, 1, 1)),
    ],
)
def test_slips_are_mended(tmp_path, options, sizes):
    volume = read_volume(written(tmp_path / "scan.nii", **options))
    np.testing.assert_allclose(nib.affines.voxel_sizes(volume.affine), sizes)
    np.testing.assert_allclose(volume.affine, LPS, atol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [(1, 0.001), (3, 1000.0)])
def test_metres_and_microns_are_read_as_such(tmp_path, unit, factor):
    small = np.diag([-factor, -factor, factor, 1.0])
    small[:3, 3] = 5 * factor
    path = written(tmp_path / "scan.nii", small, small, xyzt_units=unit)
    volume = read_volume(path)
    expected = LPS.copy()
    expected[:3, 3] = 5
    np.testing.assert_allclose(volume.affine, expected, rtol=1e-5)
    np.testing.assert_allclose(volume.placing.get_sform(), expected, rtol=1e-5)


def test_a_unit_that_cannot_be_true_is_not_believed(tmp_path):
    volume = read_volume(written(tmp_path / "scan.nii", xyzt_units=1))
    np.testing.assert_allclose(volume.affine, LPS)


def test_bits_that_contradict_the_type_are_refused(tmp_path):
    with pytest.raises(CaseError) as caught:
        read_volume(written(tmp_path / "scan.nii", bitpix=8))
    assert caught.value.code == "bad_data_type"


THICK = LPS @ np.diag([1, 1, 5, 1.0])
MIRRORED = np.diag([-1.0, 1, 1, 1]) @ LPS
ASIDE = LPS.copy()
ASIDE[2, 3] = 30


@pytest.mark.parametrize(
    ("sform", "qform", "kind"),
    [
        (np.eye(4), THICK, "spacing"),
        (LPS, MIRRORED, "mirrored"),
        (LPS, ASIDE, "apart"),
        (LPS, LPS, None),
        (LPS, LPS + np.array([[0, 0, 0, 0.05]] * 3 + [[0, 0, 0, 0]]), None),
    ],
)
def test_forms_that_contradict_each_other_are_told(tmp_path, sform, qform, kind):
    conflict = read_volume(written(tmp_path / "scan.nii", sform, qform)).conflict
    assert (conflict and conflict.kind) == kind


def test_sizes_that_contradict_the_only_form_are_told(tmp_path):
    path = written(tmp_path / "scan.nii", codes=(1, 0), pixdim=(1, 1, 1, 5, 0, 0, 0, 0))
    conflict = read_volume(path).conflict
    assert (conflict.kind, conflict.other) == ("spacing", "pixdim")


def test_a_template_lies_elsewhere_than_the_scanner(tmp_path):
    volume = read_volume(written(tmp_path / "scan.nii", LPS, ASIDE, codes=(4, 1)))
    assert volume.conflict is None


def test_a_scan_without_codes_lies_where_the_others_lie(tmp_path):
    placed = LPS.copy()
    placed[:3, 3] = (80, 90, -40)
    paths = {
        modality: written(tmp_path / modality, placed, placed, codes, seed)
        for seed, (modality, codes) in enumerate(
            {"flair": (1, 1), "t1": (0, 0), "t1ce": (1, 1), "t2": (0, 1)}.items()
        )
    }
    scans = read_scans(paths)
    assert on_one_grid(scans)
    np.testing.assert_allclose(scans.volumes["t1"].affine, placed)
