"""Affines of stacks are exact, and what is no stack is told so."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from model.geometry import to_canonical
from model.io.dicom.geometry import LPS_TO_RAS
from model.io.dicom.pixels import read_series
from tests.phantoms import orientations, turned
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import Written, classic_files, enhanced_file, write_study

RNG = np.random.default_rng(0)
DATA = RNG.integers(0, 1000, (9, 11, 7)).astype(np.int16)
OBLIQUE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.2, -0.3, 0.4) @ np.diag([0.9, 1.1, 3.0]), (-30.5, 12.25, 40))  # fmt: skip
PLAIN = nib.affines.from_matvec(np.diag([-0.9, -1.1, 3.0]), (30.5, 12.25, -40))


def one_series(folder):
    (series,) = series_in(folder)
    return series


def same_place(volume, data, affine):
    """Say whether a volume holds `data` at the places that `affine` gives them."""
    found, grid = to_canonical(volume.data, volume.affine)
    wanted, wanted_grid = to_canonical(data, affine)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(grid, wanted_grid, atol=1e-6)
    return True


@pytest.mark.parametrize(("affine", "enhanced"), [(PLAIN, True), (OBLIQUE, False), (OBLIQUE, True)])
def test_voxels_lie_where_the_phantom_was_written_from(tmp_path, affine, enhanced):
    # All orientations as one file each; a file for each slice takes long.
    for place, axes in enumerate(list(orientations())[:: 1 if enhanced else 6]):
        data, grid = turned(DATA, affine, axes)
        folder = tmp_path / str(place)
        write_study(folder, [Written(1, data, grid)], enhanced=enhanced)
        series = one_series(folder)
        assert series.problems == () and same_place(read_series(series), data, grid)


@pytest.mark.parametrize("axes", ["LPS", "LIP", "PIR"])
def test_the_affine_is_that_of_simpleitk(tmp_path, axes):
    data, affine = turned(DATA, OBLIQUE, tuple(axes))
    write_study(tmp_path, [Written(1, data, affine)])
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    direction = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    wanted = LPS_TO_RAS @ nib.affines.from_matvec(direction, image.GetOrigin())
    volume = read_series(one_series(tmp_path))
    np.testing.assert_allclose(volume.affine, wanted, atol=1e-4)
    np.testing.assert_array_equal(volume.data, sitk.GetArrayFromImage(image).T)


@pytest.mark.parametrize(("axes", "plane"), [("LPS", "axial"), ("LSP", "coronal"), ("ASL", "sagittal")])  # fmt: skip
def test_plane_spacing_and_facts(tmp_path, axes, plane):
    data, affine = turned(DATA, PLAIN, tuple(axes))
    write_study(tmp_path, [Written(4, data, affine, {"SeriesDescription": "ax", "RepetitionTime": 500, "EchoTime": 9})])  # fmt: skip
    series = one_series(tmp_path)
    assert series.plane == plane and series.oblique_deg < 0.1
    assert series.shape == data.shape and series.number == 4 and series.description == "ax"
    np.testing.assert_allclose(series.spacing_mm, np.linalg.norm(affine[:3, :3], axis=0), rtol=1e-6)
    assert (series.scan.tr_ms, series.scan.te_ms) == (500, 9)


def moved_slice(dataset, mm):
    dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], dataset.ImagePositionPatient[2] + mm]  # fmt: skip


def turn_slice(dataset, degrees):
    angle = np.radians(degrees)
    dataset.ImageOrientationPatient = [round(float(v), 8) for v in (np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0)]  # fmt: skip


def smaller(dataset):
    dataset.Rows -= 1
    dataset.PixelData = dataset.PixelData[: -2 * dataset.Columns]


BROKEN = {
    "missing_slices": lambda files: files.pop(3),
    "uneven_steps": lambda files: moved_slice(files[-1], 1.3),
    "double_slices": lambda files: moved_slice(files[3], -3.0),
    "mixed_size": lambda files: smaller(files[2]),
    "mixed_spacing": lambda files: setattr(files[2], "PixelSpacing", [1.2, 0.9]),
    "mixed_orientation": lambda files: turn_slice(files[3], 2.0),
    "gantry_tilt": lambda files: [setattr(f, "ImagePositionPatient", [f.ImagePositionPatient[0], f.ImagePositionPatient[1] + 0.5 * k, f.ImagePositionPatient[2]]) for k, f in enumerate(files)],
    "shifted_slices": lambda files: setattr(files[3], "ImagePositionPatient", [files[3].ImagePositionPatient[0] + 20, *files[3].ImagePositionPatient[1:]]),
    "too_few_slices": lambda files: files.__delitem__(slice(2, None)),
    "one_place": lambda files: [setattr(f, "ImagePositionPatient", [0, 0, 0]) for f in files],
    "no_position": lambda files: [delattr(f, "ImagePositionPatient") for f in files],
    "mixed_rescale": lambda files: (setattr(files[2], "RescaleSlope", 2), setattr(files[2], "RescaleIntercept", 0)),
    "bad_spacing": lambda files: [setattr(f, "PixelSpacing", [0.01, 0.01]) for f in files],
    "no_pixels": lambda files: setattr(files[4], "PixelData", files[4].PixelData[:-20]),
    "not_grey": lambda files: [setattr(f, "PhotometricInterpretation", "MONOCHROME1") for f in files],
}  # fmt: skip


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_wrong_with_a_series_is_said(tmp_path, code):
    files = classic_files(Written(1, DATA, PLAIN))
    BROKEN[code](files)
    for place, dataset in enumerate(files):
        dataset.save_as(tmp_path / str(place), enforce_file_format=True)
    series = one_series(tmp_path)
    assert [reason.code for reason in series.problems] == [code]
    assert series.problems[0].text and not series.usable


def test_where_slices_are_missing_is_said(tmp_path):
    files = classic_files(Written(1, DATA, PLAIN))
    del files[3:5]
    for place, dataset in enumerate(files):
        dataset.save_as(tmp_path / str(place), enforce_file_format=True)
    (reason,) = one_series(tmp_path).problems
    count, after, step, usual = reason.values
    assert (count, usual) == (2, pytest.approx(3.0)) and step == pytest.approx(9.0)
    assert after == pytest.approx(-34.0)


def test_rounded_headers_are_no_fault(tmp_path):
    files = classic_files(Written(1, DATA, OBLIQUE))
    for place, dataset in enumerate(files):
        dataset.ImagePositionPatient = [round(float(v), 2) for v in dataset.ImagePositionPatient]
        dataset.ImageOrientationPatient = [round(float(v), 4) for v in dataset.ImageOrientationPatient]  # fmt: skip
        dataset.save_as(tmp_path / str(place), enforce_file_format=True)
    series = one_series(tmp_path)
    assert series.problems == ()
    np.testing.assert_allclose(np.abs(series.grid.affine[:3, 3] - OBLIQUE[:3, 3]) < 0.02, True)


def test_frames_of_an_enhanced_file_have_their_own_rescale(tmp_path):
    dataset = enhanced_file(Written(1, DATA, PLAIN))
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    slopes = 1.5 + np.arange(DATA.shape[2])
    for item, slope in zip(dataset.PerFrameFunctionalGroupsSequence, slopes, strict=True):
        shared = enhanced_file(Written(1, DATA, PLAIN)).SharedFunctionalGroupsSequence[0]
        item.PixelValueTransformationSequence = shared.PixelValueTransformationSequence
        item.PixelValueTransformationSequence[0].RescaleSlope = slope
        item.PixelValueTransformationSequence[0].RescaleIntercept = -3
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    volume = read_series(one_series(tmp_path))
    np.testing.assert_allclose(volume.data, DATA * slopes - 3, rtol=1e-6)


def test_slices_of_classic_files_have_their_own_rescale(tmp_path):
    series = Written(1, DATA, PLAIN)
    files = classic_files(series)
    for place, dataset in enumerate(files):
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + place, -7
        dataset.save_as(tmp_path / str(place), enforce_file_format=True)
    volume = read_series(one_series(tmp_path))
    assert same_place(volume, (DATA * (1.0 + np.arange(7)) - 7).astype(np.float32), PLAIN)
