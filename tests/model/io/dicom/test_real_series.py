"""Short real series of five vendors: read where they are volumes, else refused with the reason."""

import numpy as np
import pytest
import SimpleITK as sitk

from model.io.dicom.geometry import LPS_TO_RAS
from model.io.dicom.pixels import read_series
from model.io.sequence_choice import choose
from model.io.sequence_physics import guess
from tests.support.dicom_reading import series_in

pytestmark = pytest.mark.realdata

# By folder: number of slices, and which sequence or kind it is by physics.
READ = {
    "ge_anatomical": (4, "t1"),
    "generic_compressed_j2k": (4, "flair"),
    "generic_compressed_jpeg": (4, "flair"),
    "generic_compressed_jpegls": (4, "flair"),
    "generic_compressed_rle": (4, "flair"),
    "hitachi_anatomical": (4, "proton_density"),
    "hyperfine_anatomical": (8, "flair"),
    "philips_anatomical": (4, "flair"),
    "philips_enhanced_anatomical": (8, "t1"),
    "siemens_anatomical": (4, "flair"),
    "siemens_multiframe_anatomical": (8, "t1"),
}
# Of `failing_sliceorientation` and `failing_slicecount` two slices are there.
REFUSED = {
    "failing_gantrytilting": "gantry_tilt",
    "failing_notavolume": "one_place",
    "failing_slicecount": "too_few_slices",
    "failing_sliceincrement": "missing_slices",
    "failing_sliceorientation": "too_few_slices",
    "ge_anatomical_001_single_slice": "too_few_slices",
}


def test_every_series_is_here(real_data):
    here = {path.name for path in (real_data / "dicom").iterdir()}
    assert here == READ.keys() | REFUSED.keys() | {"siemens_fmri_classic"}


@pytest.mark.parametrize("name", READ)
def test_series_are_read(real_data, name):
    (series,) = series_in(real_data / "dicom" / name)
    slices, kind = READ[name]
    found = guess(series.scan)
    assert series.usable and (found.modality or found.kind) == kind
    volume = read_series(series)
    assert volume.data.shape[2] == series.slices == slices and volume.data.std() > 0


@pytest.mark.parametrize("name", [name for name in READ if "enhanced" not in name and "multiframe" not in name and "hyperfine" not in name])  # fmt: skip
def test_voxels_and_places_are_those_of_simpleitk(real_data, name):
    folder = real_data / "dicom" / name
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    (series,) = series_in(folder)
    volume = read_series(series)
    direction = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = direction, image.GetOrigin()
    # Positions in headers are rounded: SimpleITK goes by the first two slices, we by all.
    np.testing.assert_allclose(volume.affine, LPS_TO_RAS @ affine, atol=2e-3)
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image).T)


def test_compressions_hold_the_same_picture(real_data):
    plain = read_series(series_in(real_data / "dicom" / "generic_compressed_rle")[0]).data
    for name in ("j2k", "jpeg", "jpegls"):
        other = read_series(series_in(real_data / "dicom" / f"generic_compressed_{name}")[0]).data
        np.testing.assert_array_equal(other, plain)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_volume_is_refused_with_the_reason(real_data, name):
    series = series_in(real_data / "dicom" / name)
    for one in series:
        assert [reason.code for reason in one.problems] == [REFUSED[name]] and not one.usable
    assert choose(series).chosen == {}


def test_volumes_of_diffusion_are_left_out(real_data):
    series = series_in(real_data / "dicom" / "siemens_fmri_classic")
    assert [one.slices for one in series] == [4, 4]
    assert {reason.code for one in series for reason in one.left_out} == {"diffusion", "echo_planar"}  # fmt: skip
