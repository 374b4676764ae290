import json
import os
import shutil
import subprocess
import sys
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import pytest

from app import create_app
from model.io.modalities import MODALITIES
from model.io.nifti import DISCLAIMER
from tests.support.dicom_study import NAME, scanned, write_study


@pytest.fixture
def flask(app):
    """Return a function that runs a command of the app."""
    runner = app.test_cli_runner()

    def run(*arguments):
        return runner.invoke(args=[str(argument) for argument in arguments])

    return run


@pytest.fixture
def folder(scans, tmp_path):
    """The small case as a BraTS 2023 folder, with a mask that is to be left alone."""
    target = tmp_path / "BraTS-GLI-1"
    target.mkdir()
    for modality, name in zip(MODALITIES, ("t2f", "t1n", "t1c", "t2w"), strict=True):
        shutil.copy(scans[modality], target / f"BraTS-GLI-1-{name}.nii.gz")
    (target / "BraTS-GLI-1-seg.nii.gz").write_bytes(b"expert")
    return target


def results(out):
    return sorted(path.name for path in out.iterdir())


def test_folder_zip_and_files(flask, folder, scans, zip_of, tmp_path, phantom):
    out = tmp_path / "out"
    packed = tmp_path / "packed.zip"
    packed.write_bytes(zip_of().getvalue())
    files = [part for modality in MODALITIES for part in (f"--{modality}", scans[modality])]
    result = flask("segment", folder, packed, *files, "--out", out)
    assert result.exit_code == 0, result.output
    assert "3 of 3 segmented" in result.stderr
    names = ("BraTS-GLI-1", "packed", "patient")
    assert results(out) == sorted(f"{n}{end}" for n in names for end in (".json", "_seg.nii.gz"))
    case, _ = phantom
    masks = []
    for name in names:
        mask = nib.Nifti1Image.from_filename(out / f"{name}_seg.nii.gz")
        assert mask.shape == case.shape
        assert np.array_equal(mask.affine, case.affine)
        masks.append(np.asarray(mask.dataobj))
        found = json.loads((out / f"{name}.json").read_text())
        assert found["disclaimer"] == DISCLAIMER
        assert found["case"] == {"name": name}
        assert found["model"]["checksum"]
        assert found["device"]
        assert found["timings_s"]
        assert set(found["measurements"]["volumes_ml"]) == {
            "edema",
            "enhancing",
            "core",
            "tumor_core",
            "whole_tumor",
        }
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])


def test_a_folder_for_each_sequence(flask, scans, tmp_path):
    """In a folder and in a zip; the results, written beside them, are no scan."""
    case, zipped = tmp_path / "patient", tmp_path / "packed.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for modality, path in scans.items():
            (case / modality.upper()).mkdir(parents=True)
            shutil.copy(path, case / modality.upper() / "scan.nii.gz")
            archive.write(path, f"p/{modality.upper()}/scan.nii.gz")
    for told in ("2 of 2 segmented, in", "2 of 2 segmented, 2 of them before"):
        result = flask("segment", case, zipped, "--out", case)
        assert result.exit_code == 0, result.output
        assert told in result.stderr
    masks = [nib.Nifti1Image.from_filename(path) for path in sorted(case.glob("*_seg.nii.gz"))]
    first, second = (np.asarray(mask.dataobj) for mask in masks)
    assert first.any() and np.array_equal(first, second)


def test_one_sequence_may_be_missing(flask, folder, scans, tmp_path):
    (folder / "BraTS-GLI-1-t2w.nii.gz").unlink()
    out = tmp_path / "out"
    given = ("flair", "t1", "t1ce")
    files = [part for modality in given for part in (f"--{modality}", scans[modality])]
    result = flask("segment", folder, *files, "--out", out)
    assert result.exit_code == 0, result.output
    for name in (folder.name, "patient"):
        found = json.loads((out / f"{name}.json").read_text())
        assert tuple(found["modalities"]) == given
        assert found["missing_modalities"] == ["t2"]
        assert found["warnings"][0].startswith("No T2 was given.")
        assert f"{name}: No T2 was given." in " ".join(result.stderr.split())
    (folder / "BraTS-GLI-1-t1c.nii.gz").unlink()
    result = flask("segment", folder, "--out", out)
    assert result.exit_code == 1
    assert "missing_modality" in result.stderr


def test_one_failure_does_not_stop_the_rest(flask, folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "BraTS-GLI-1-t1n.nii.gz").write_bytes(b"no scan")
    (tmp_path / "text.zip").write_text("no zip")
    out = tmp_path / "out"
    result = flask("segment", broken, tmp_path / "text.zip", folder, "--out", out)
    assert result.exit_code == 1
    text = " ".join(result.stderr.split())
    assert "broken: not_nifti: This is not a NIfTI file. (BraTS-GLI-1-t1n.nii.gz)" in text
    assert "Convert the scan to .nii" in text
    assert "text: not_a_case:" in text
    assert "1 of 3 segmented" in text
    assert results(out) == ["BraTS-GLI-1.json", "BraTS-GLI-1_seg.nii.gz"]


def test_same_name_twice(flask, folder, tmp_path):
    other = tmp_path / "other" / folder.name
    shutil.copytree(folder, other)
    result = flask("segment", folder, other, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "duplicate_name" in result.stderr


def test_label_convention(flask, folder, tmp_path):
    out = tmp_path / "out"
    result = flask("segment", folder, "--out", out, "--label-convention", "brats2023")
    assert result.exit_code == 0, result.output
    assert json.loads((out / f"{folder.name}.json").read_text())["label_values"]["enhancing"] == 3


def test_usage(flask, scans, tmp_path):
    out = ("--out", tmp_path / "out")
    assert flask("segment", *out).exit_code == 2
    result = flask("segment", "--t1", scans["t1"], *out)
    assert result.exit_code == 2
    assert "--flair, --t1ce, --t2 are missing" in result.output
    assert flask("segment", "--t1", scans["t1"], "--t2", scans["t2"], *out).exit_code == 2
    assert flask("segment", tmp_path / "nowhere", *out).exit_code == 2


def test_demo_case(flask, tmp_path):
    result = flask("demo-case", tmp_path / "demo")
    assert result.exit_code == 0
    written = {path.name for path in (tmp_path / "demo").iterdir()}
    assert written == {f"synthetic_demo_{kind}.nii.gz" for kind in (*MODALITIES, "seg")}


def test_settings(flask):
    assert "| `BTS_DATA_DIR` |" in flask("settings").output


def started(tmp_path, *command, **environment):
    variables = {**os.environ, "BTS_DATA_DIR": str(tmp_path / "data"), **environment}
    return subprocess.run(
        [sys.executable, *command],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_setting_is_said_plainly(tmp_path):
    result = started(tmp_path, "-m", "flask", "run", BTS_TYPO="1")
    assert result.returncode == 1
    assert "BTS_TYPO: no such setting" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_model_is_said_plainly(tmp_path):
    result = started(tmp_path, "-m", "flask", "run", BTS_MODEL_DIR=str(tmp_path))
    assert result.returncode == 1
    assert "The model cannot be used: There is no model in" in result.stderr
    assert "Traceback" not in result.stderr


def test_only_segment_needs_the_model(tmp_path, folder):
    app = create_app({"data_dir": tmp_path / "data", "model_dir": tmp_path}, serve=False)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["settings"]).exit_code == 0
    result = runner.invoke(args=["segment", str(folder), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "Error: The model cannot be used" in result.stderr


def test_commands_leave_no_data_folder(tmp_path):
    assert started(tmp_path, "-m", "flask", "settings").returncode == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_gunicorn_gives_up_without_a_model(tmp_path):
    command = ("-m", "gunicorn", "--bind", "127.0.0.1:0")
    result = started(tmp_path, *command, BTS_MODEL_DIR=str(tmp_path))
    assert result.returncode == 3
    assert "The model cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_folders_that_cannot_be_made(flask, folder, tmp_path):
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "out"
    result = flask("segment", folder, "--out", out)
    assert result.exit_code == 2
    assert "The result folder cannot be made" in result.stderr
    result = flask("demo-case", out)
    assert result.exit_code == 1
    assert "The demo case cannot be written" in result.stderr


def test_a_study_gives_results_in_dicom_too(flask, phantom, tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    write_study(study, scanned(phantom[0], "philips"))
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", study)
    result = flask("segment", study, packed, "--out", out)
    assert result.exit_code == 0, result.output
    endings = (".json", "_report.dcm", "_seg.dcm", "_seg.nii.gz", "_structures.dcm")
    assert results(out) == sorted(f"{name}{end}" for name in ("packed", "study") for end in endings)
    report = json.loads((out / "study.json").read_text())
    assert report["preparation"]["source"] == "dicom"
    assert "Doe" not in (out / "study.json").read_text()
    found = pydicom.dcmread(out / "study_seg.dcm")
    assert found.SOPClassUID.name == "Segmentation Storage"
    assert str(found.PatientName) == NAME
    again = flask("segment", study, "--out", out)
    assert "there before" in again.output + again.stderr or "1 of 1" in again.stderr


def test_a_study_that_is_no_case_says_why(flask, phantom, tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    write_study(study, scanned(phantom[0], "ge")[:2])
    result = flask("segment", study, "--out", out)
    assert result.exit_code == 1
    assert "missing_modality" in result.output + result.stderr
    assert results(out) == []
