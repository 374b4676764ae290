"""Four files that must belong together."""

import nibabel as nib
import numpy as np
import pytest

from model.errors import CaseError
from model.io.case import Case, find_case_files, find_mask_file, load_case
from model.io.modalities import MODALITIES
from model.io.nifti import write_scan
from tests.phantoms import small_case, write_case


@pytest.fixture
def paths(tmp_path):
    return write_case(tmp_path, small_case()[0])


def failure(paths, **options) -> CaseError:
    with pytest.raises(CaseError) as caught:
        load_case(paths, **options)
    return caught.value


def test_channels_come_in_order(paths):
    case = load_case(paths)
    original, _ = small_case()
    assert case.data.shape == (*original.shape, 4) and case.data.dtype == np.float32
    assert case.missing == () and case.present == (0, 1, 2, 3)
    np.testing.assert_array_equal(case.data, np.rint(original.data))
    np.testing.assert_allclose(case.spacing_mm, 1)


@pytest.mark.parametrize("missing", MODALITIES)
def test_a_missing_channel_is_zero(paths, missing):
    whole = load_case(paths)
    del paths[missing]
    case = load_case(paths)
    channel = MODALITIES.index(missing)
    assert case.missing == (missing,) and channel not in case.present
    assert case.data.shape == whole.data.shape and case.data.dtype == np.float32
    assert not case.data[..., channel].any()
    kept = list(case.present)
    np.testing.assert_array_equal(case.data[..., kept], whole.data[..., kept])


def test_headers_that_do_not_say_how_the_head_lies(paths):
    for path in paths.values():
        image = nib.load(path)
        image.set_sform(None, code=0)
        image.set_qform(None, code=0)
        nib.save(image, path)
    assert not load_case(paths).oriented
    write_case(paths["t1"].parent, small_case()[0])
    assert load_case(paths).oriented


def test_three_files_must_belong_together_as_well(paths):
    del paths["flair"]
    write_scan(paths["t2"], np.arange(8000, dtype=np.int16).reshape(20, 20, 20), np.eye(4))
    error = failure(paths)
    assert (error.code, error.file) == ("grid_mismatch", "patient_t2.nii.gz")
    assert "patient_t1.nii.gz has" in error.message
    paths["t2"].write_bytes(paths["t1"].read_bytes())
    assert failure(paths).code == "same_volume"


def test_two_missing_ones_are_an_error(paths):
    del paths["t1"], paths["t2"]
    error = failure(paths)
    assert error.code == "missing_modality" and "T1, T2." in error.message


def test_another_shape_names_the_file(paths):
    write_scan(paths["t1ce"], np.arange(8000, dtype=np.int16).reshape(20, 20, 20), np.eye(4))
    error = failure(paths, names={"t1ce": "theirs.nii.gz"})
    assert error.code == "grid_mismatch" and error.file == "theirs.nii.gz"
    assert "20 x 20 x 20" in error.message


def test_another_place_names_the_file_but_rounding_passes(paths):
    case, _ = small_case()
    moved = case.affine.copy()
    moved[0, 3] += 0.01
    write_scan(paths["t2"], case.data[..., 3].astype(np.int16), moved)
    load_case(paths)
    moved[0, 3] += 3
    write_scan(paths["t2"], case.data[..., 3].astype(np.int16), moved)
    assert (failure(paths).code, failure(paths).file) == ("grid_mismatch", "patient_t2.nii.gz")


def test_constant_and_repeated_scans_are_refused(paths):
    case, _ = small_case()
    paths["t2"].write_bytes(paths["t1"].read_bytes())
    assert (failure(paths).code, failure(paths).file) == ("same_volume", "patient_t2.nii.gz")
    write_scan(paths["t2"], np.full(case.shape, 7, np.int16), case.affine)
    assert failure(paths).code == "constant_volume"


def test_errors_tell_files_apart_that_are_called_alike(paths):
    case, _ = small_case()
    write_scan(paths["t2"], np.full(case.shape, 7, np.int16), case.affine)
    names = dict.fromkeys(paths, "scan.nii.gz") | {"t1": "other.nii"}
    with pytest.raises(CaseError) as caught:
        load_case(paths, names=names)
    assert caught.value.file == "t2/scan.nii.gz"


def test_folders_are_read_by_name(paths, tmp_path):
    assert find_mask_file(tmp_path) is None
    (tmp_path / "patient_seg.nii.gz").touch()
    (tmp_path / "._patient_t1.nii.gz").touch()
    (tmp_path / "notes.txt").touch()
    assert find_case_files(tmp_path) == paths
    assert find_mask_file(tmp_path).name == "patient_seg.nii.gz"
    paths.pop("t1").unlink()
    assert find_case_files(tmp_path) == paths
    with pytest.raises(CaseError) as caught:
        find_case_files(tmp_path, most_missing=0)
    assert caught.value.code == "missing_modality" and "T1." in caught.value.message
    paths["t1ce"].unlink()
    with pytest.raises(CaseError) as caught:
        find_case_files(tmp_path)
    assert caught.value.code == "missing_modality" and "T1, T1ce." in caught.value.message


def test_folders_for_each_sequence(paths, tmp_path):
    folders = {}
    for modality, path in paths.items():
        (tmp_path / modality.upper()).mkdir()
        folders[modality] = path.rename(tmp_path / modality.upper() / "scan.nii.gz")
    (tmp_path / "patient_seg.nii.gz").touch()
    (tmp_path / "brain.nii.gz").touch()
    assert find_case_files(tmp_path) == folders
    # What lies in folders beside scans is what was made of them.
    for modality, path in folders.items():
        path.rename(paths[modality])
    paths.pop("t1").unlink()
    (tmp_path / "FLAIR" / "patient_t1.nii.gz").touch()
    assert find_case_files(tmp_path) == paths


def test_errors_can_cross_processes():
    import pickle

    error = pickle.loads(pickle.dumps(CaseError("code", "message", "hint", "file")))
    assert error.as_dict() == {"code": "code", "message": "message", "hint": "hint", "file": "file"}


def test_spacing_comes_from_the_affine():
    case = Case(
        np.zeros((2, 2, 2, 4)), np.array([[0, 2, 0, 0], [3, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])
    )
    np.testing.assert_allclose(case.spacing_mm, [3, 2, 4])
