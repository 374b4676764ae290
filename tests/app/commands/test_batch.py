import csv
import gzip
import json
import os
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from app.commands.batch import TABLE, CommandReport, OutputFolder
from app.intake.case_inputs import CaseInput, listed
from model.card import DEFAULT_DIR
from model.inference.segmenter import card_for
from model.io.modalities import MODALITIES


@pytest.fixture
def flask(app):
    """Return a function that runs `flask segment` with results in `out`."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["segment", *map(str, arguments)])


@pytest.fixture
def study(scans, zip_of, tmp_path):
    """A folder of three cases, one of them broken, and things that are no cases."""
    folder = tmp_path / "study"
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        for path in scans.values():
            shutil.copy(path, folder / name)
    (folder / "two" / scans["t1"].name).write_bytes(b"no scan")
    (folder / "three.zip").write_bytes(zip_of().getvalue())
    (folder / "notes.txt").write_text("no case")
    (folder / ".hidden").mkdir()
    return folder


def table(out) -> dict[str, dict[str, str]]:
    with (out / TABLE).open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_a_folder_of_cases(flask, study, tmp_path):
    out = tmp_path / "out"
    result = flask("--batch", study, "--out", out)
    assert result.exit_code == 1
    assert "2 of 3 segmented" in result.stderr
    rows = table(out)
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "one": "done",
        "two": "failed",
        "three": "done",
    }
    assert rows["two"]["error"] == "not_nifti"
    assert float(rows["one"]["whole_tumor_ml"]) == float(rows["three"]["whole_tumor_ml"]) > 0
    # Failures stand at the end, where they are seen.
    assert result.stderr.index("two: not_nifti") > result.stderr.index("3/3")
    assert not list(out.glob(".brats-*"))


def test_what_is_done_is_not_done_again(flask, study, scans, tmp_path):
    out = tmp_path / "out"
    flask("--batch", study, "--out", out)
    first = (out / "one.json").stat().st_mtime_ns
    shutil.copy(scans["t1"], study / "two" / scans["t1"].name)
    result = flask("--batch", study, "--out", out)
    assert result.exit_code == 0
    assert "3 of 3 segmented, 2 of them before" in result.stderr
    assert (out / "one.json").stat().st_mtime_ns == first
    assert table(out)["one"]["outcome"] == "there before"
    assert table(out)["one"]["whole_tumor_ml"] == table(out)["two"]["whole_tumor_ml"]
    # A copy of another scan counts as changed even if it is older than the results.
    changed = study / "one" / scans["t2"].name
    shutil.copyfile(scans["flair"], changed)
    changed.write_bytes(brighter(changed))
    os.utime(changed, (0, 0))
    assert "2 of them before" in flask("--batch", study, "--out", out).stderr
    assert (out / "one.json").stat().st_mtime_ns > first
    assert "before" not in flask("--batch", study, "--out", out, "--again").stderr


def brighter(path) -> bytes:
    image = nib.load(path)
    return nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine).to_bytes()


@pytest.mark.parametrize("way", ["folders", "files", "zips"])
def test_results_of_another_patient_of_the_same_name_do_not_count(
    flask, scans, zip_of, tmp_path, way
):
    """Even in folders and files that are older than the results."""
    out = tmp_path / "out"
    reports = []
    for patient in ("a", "b"):
        folder = tmp_path / patient / "001"
        folder.mkdir(parents=True)
        for modality, path in scans.items():
            content = path.read_bytes() if patient == "a" else gzip.compress(brighter(path))
            (folder / f"{modality}.nii.gz").write_bytes(content)
        given = [folder]
        if way == "files":
            given = [word for m in MODALITIES for word in (f"--{m}", folder / f"{m}.nii.gz")]
        elif way == "zips":
            given = [shutil.make_archive(str(folder), "zip", folder)]
        for path in (tmp_path / patient).rglob("*"):
            os.utime(path, (0, 0))
        told = flask(*given, "--out", out).stderr
        assert "1 of 1 segmented" in told and "before" not in told
        assert "1 of them before" in flask(*given, "--out", out).stderr
        reports.append(json.loads(next(out.glob("*.json")).read_text()))
    assert reports[0]["inputs_sha256"] != reports[1]["inputs_sha256"]
    assert len(list(out.glob("*.json"))) == 1


def test_an_entry_that_cannot_be_read_fails_alone(flask, study, tmp_path):
    (study / "gone.zip").symlink_to(tmp_path / "nowhere")
    shutil.rmtree(study / "two")
    out = tmp_path / "out"
    assert flask("--batch", study, "--out", out).exit_code == 1
    outcomes = {name: row["outcome"] for name, row in table(out).items()}
    assert outcomes == {"one": "done", "gone": "failed", "three": "done"}
    assert table(out)["gone"]["error"] == "file_error"


def test_results_among_the_cases_are_no_case(study):
    out = study / "results"
    out.mkdir()
    assert [job.name for job in listed(study, out)] == ["one", "three", "two"]


def test_a_manifest(flask, scans, tmp_path):
    rows = ["name,path,flair,t1,t1ce,t2", "folder,patient,,,,"]
    (tmp_path / "patient").mkdir()
    for path in scans.values():
        shutil.copy(path, tmp_path / "patient")
    given = ",".join(str(scans[modality]) for modality in MODALITIES)
    rows += [f"files,,{given}", "nowhere,missing,,,,"]
    manifest = tmp_path / "cases.csv"
    manifest.write_text("\n".join(rows))
    out = tmp_path / "out"
    assert flask("--batch", manifest, "--out", out).exit_code == 1
    outcomes = {name: row["outcome"] for name, row in table(out).items()}
    assert outcomes == {"folder": "done", "files": "done", "nowhere": "failed"}


@pytest.mark.parametrize(
    "text",
    [
        "path\na",
        "name,wrong\na,b",
        "name,path\n../up,a",
        "name,path\n,a",
        "name,path\n.hidden,a",
        "name,path\na,",
        "name,path,t1\na,b,c",
        "name,path\na," + "b" * 140_000,
    ],
)
def test_a_manifest_that_makes_no_sense(flask, tmp_path, text):
    manifest = tmp_path / "cases.csv"
    manifest.write_text(text)
    with pytest.raises(ValueError):
        list(listed(manifest, tmp_path / "out"))
    result = flask("--batch", manifest, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "manifest" in result.output


@pytest.mark.parametrize(
    "change", ["model", "convention", "quality", "networks", "scans", "mask", "version", "report"]
)
def test_results_count_only_if_they_are_what_is_wanted(finished, tmp_path, scans, change):
    case = CaseInput("patient", files=scans)
    found = finished.client.get(f"/api/cases/{finished.id}/report.json").json
    report = CommandReport(**found, inputs_sha256=case.digest())
    made = report.provenance
    output = OutputFolder(tmp_path, "brats2021", report.model.checksum, made.networks, made.views)
    mask = tmp_path / "mask"
    mask.write_bytes(b"mask")
    output.keep(case, {"": mask}, {}, report)
    assert output.existing(case) == report
    if change == "model":
        output = replace(output, model="another")
    elif change == "convention":
        output = replace(output, convention="brats2023")
    elif change == "quality":
        fast = card_for(DEFAULT_DIR, "fast").inference.views
        assert made.views == card_for(DEFAULT_DIR, "accurate").inference.views != fast
        output = replace(output, views=fast)
    elif change == "networks":
        output = replace(output, networks=1)
    elif change == "scans":
        case = replace(case, files=scans | {"t1": scans["t2"], "t2": scans["t1"]})
    elif change == "mask":
        output.mask_path(case).unlink()
    elif change == "version":
        # As versions before 0.7 wrote it.
        old = {key: value for key, value in found.items() if key != "provenance"}
        output.report_path(case).write_text(json.dumps(old | {"inputs_sha256": case.digest()}))
    else:
        output.report_path(case).write_text("{")
    assert output.existing(case) is None


def test_a_table_that_cannot_be_written_hides_no_failure(flask, study, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.commands.batch.write_rows", full)
    result = flask("--batch", study, "--out", out)
    assert result.exit_code == 1
    assert "The table of all cases was not written" in result.stderr
    assert "2 of 3 segmented" in result.stderr
    assert not list(out.glob("*.csv")) and not list(out.glob(".*.csv"))
