"""Which file is which sequence, and what is said of files that are none."""

import os

import nibabel as nib
import numpy as np
import pytest

from app.intake.case_inputs import CaseInput, case_name
from app.intake.files import ScanFile, assign
from model.errors import CaseError
from model.io.nifti_header import Limits

NAMES = ("p_flair.nii.gz", "p_t1.nii.gz", "p_t1ce.nii.gz", "p_t2.nii.gz")


def assigned(tmp_path, *names):
    return assign({}, [ScanFile(name, tmp_path / name) for name in names])


def given(folder, *names):
    """Write files of nothing under these names, and return what a command makes of the folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"scan")
    return CaseInput("case", folder).scans(folder, 10_000, "auto", Limits())


def test_nothing_is_said_of_four_scans_and_a_mask(tmp_path):
    found = assigned(tmp_path, *NAMES, "p_seg.nii.gz", "p_brainmask.nii.gz", "p_swi.nii.gz")
    assert list(found.files) == ["flair", "t1", "t1ce", "t2"]
    assert found.warnings == ()


def test_the_last_file_is_taken_for_the_last_sequence(tmp_path):
    found = assigned(tmp_path, *NAMES[1:], "p_xyz.nii.gz", "p_seg.nii.gz")
    assert list(found.files) == ["flair", "t1", "t1ce", "t2"]
    assert found.files["flair"].name == "p_xyz.nii.gz"
    (warning,) = found.warnings
    assert warning.code == "taken_by_exclusion"
    assert "p_xyz.nii.gz" in warning.text and "FLAIR" in warning.text


@pytest.mark.parametrize(
    "names", [(*NAMES, "p_xyz.nii.gz"), (*NAMES[1:], "p_x.nii.gz", "p_y.nii.gz")]
)
def test_files_that_are_left_out_are_named(tmp_path, names):
    (warning,) = assigned(tmp_path, *names).warnings
    assert warning.code == "file_left_out"
    assert names[-1] in warning.text


def test_an_error_names_what_was_not_understood(tmp_path):
    with pytest.raises(CaseError) as caught:
        assigned(tmp_path, "a.nii.gz", "b.nii.gz", "c.nii.gz", "d.nii.gz", "p_t1.nii.gz")
    assert caught.value.code == "missing_modality"
    assert "Not understood: a.nii.gz, b.nii.gz, c.nii.gz and 1 more." in caught.value.message


def test_four_volumes_in_one_file(tmp_path):
    path = tmp_path / "BRATS_001.nii.gz"
    nib.Nifti1Image(np.zeros((9, 9, 9, 4), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(CaseError) as caught:
        CaseInput("case", tmp_path).scans(tmp_path, 10_000, "auto", Limits())
    assert caught.value.code == "several_volumes"
    assert caught.value.file == "BRATS_001.nii.gz"
    assert "4 volumes" in caught.value.message


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".mgz", ".hdr"])
def test_other_formats_are_called_that(tmp_path, suffix):
    with pytest.raises(CaseError) as caught:
        given(tmp_path, *(name.replace(".nii.gz", suffix) for name in NAMES))
    assert caught.value.code == "not_nifti"
    assert caught.value.file.endswith(suffix)


@pytest.mark.parametrize(
    "names",
    [
        [f"sub-01/ses-01/anat/{name}" for name in NAMES],
        [f"{name}/{name}" for name in NAMES],
        [*NAMES, *(f"__MACOSX/._{name}" for name in NAMES), ".DS_Store"],
        [*NAMES, *(f"original/{name}" for name in NAMES)],
        ["FLAIR/scan.nii.gz", "T1/scan.nii.gz", "T1ce/scan.nii.gz", "T2/scan.nii.gz"],
    ],
)
def test_folders_of_all_kinds(tmp_path, names):
    found = given(tmp_path, *names)
    assert list(found.files) == ["flair", "t1", "t1ce", "t2"]
    assert found.warnings == ()


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"M\xfcller")
    path.mkdir()
    assert case_name(path) == "M_ller"
    found = given(path, *NAMES, os.fsdecode(b"\xfc.nii.gz"))
    for warning in found.warnings:
        warning.text.encode()
