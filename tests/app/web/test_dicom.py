"""DICOM studies through REST: uploaded as files and zips, confirmed, and given back as DICOM."""

import io
import zipfile

import numpy as np
import pydicom
import pytest

from app.jobs.queue_runner import queue_runner
from app.store import data_folder
from model.io.dicom.files import MAGIC
from model.io.modalities import MODALITIES
from tests.app.conftest import app_on, close
from tests.app.corrections import changed, file_of, image_of
from tests.phantoms import turned
from tests.support.dicom_study import NAME, Patient, scanned, write_study

PATIENT_WORDS = ("Doe", "Jane", "P-0815", "A42", "19700102")


@pytest.fixture(scope="session")
def study(phantom, tmp_path_factory):
    """The small case as a folder of DICOM files, with localiser, diffusion and others between."""
    folder = tmp_path_factory.mktemp("study")
    series = scanned(
        phantom[0], "siemens", turn=lambda data, affine: turned(data, affine, ("L", "P", "S"))
    )
    write_study(folder, series)
    return folder


@pytest.fixture(scope="session")
def thin_study(phantom, tmp_path_factory):
    """The same with a third of the slices, where it does not matter what is found."""
    folder = tmp_path_factory.mktemp("thin_study")
    write_study(folder, scanned(phantom[0], "siemens", every=3))
    return folder


def study_parts(folder) -> list:
    """Return all files of a folder as parts of an upload, as a browser sends a folder."""
    return [
        (io.BytesIO(path.read_bytes()), f"study/{path.name}") for path in sorted(folder.iterdir())
    ]


def zipped(folder, extra=None) -> io.BytesIO:
    """Return a folder as a zip, with further entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"DICOM/{path.name}")
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    buffer.seek(0)
    return buffer


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory, model_holder, study):
    """The study, segmented once: `(app, client, id)`."""
    app = app_on(tmp_path_factory.mktemp("dicom"), model_holder)
    client = app.test_client()
    answer = client.post("/api/cases", data={"files": study_parts(study)})
    assert answer.status_code == 202, answer.json
    with app.app_context():
        queue_runner(app).run_next()
    yield app, client, answer.json["id"]
    close(app)


def test_a_study_is_segmented_like_its_scans(finished_study, finished):
    _, client, case_id = finished_study
    case = client.get(f"/api/cases/{case_id}").json
    assert case["state"] == "done"
    assert case["preparation"]["source"] == "dicom"
    assert list(case["modalities"]) == list(MODALITIES)
    as_nifti = finished.client.get(f"/api/cases/{finished.id}").json["measurements"]
    found = case["measurements"]["volumes_ml"]["whole_tumor"]
    assert found == pytest.approx(as_nifti["volumes_ml"]["whole_tumor"], rel=0.01)


def test_a_case_knows_whose_study_it_is(finished_study):
    _, client, case_id = finished_study
    patient = client.get(f"/api/cases/{case_id}").json["patient"]
    assert patient == {
        "name": "Doe, Jane",
        "identifier": "P-0815",
        "birth_date": "19700102",
        "study_date": "20260301",
        "accession_number": "A42",
        "study_description": "MRI brain",
    }
    assert client.get("/api/cases").json["cases"][0]["patient"] == patient


def test_patients_can_be_hidden(make_app, thin_study):
    client = make_app(show_patients=False).test_client()
    case_id = client.post("/api/cases", data={"files": study_parts(thin_study)}).json["id"]
    assert client.get(f"/api/cases/{case_id}").json["patient"] is None
    page = client.get(f"/cases/{case_id}").text + client.get("/").text
    assert not any(word in page for word in PATIENT_WORDS)


def test_the_series_say_why_they_are_used(finished_study):
    _, client, case_id = finished_study
    found = client.get(f"/api/cases/{case_id}/series").json
    assert found["confirmed"]
    used = {row["used_as"]: row for row in found["series"] if row["used_as"]}
    assert set(used) == set(MODALITIES)
    assert all(row["evidence"] and row["text"] for row in used.values())
    others = [row for row in found["series"] if not row["used_as"]]
    assert others
    assert all(row["left_out"] for row in others)
    picture = client.get(used["t1ce"]["picture"])
    assert picture.mimetype == "image/png"


@pytest.mark.parametrize(
    ("path", "storage"),
    [
        ("segmentation.dcm", "Segmentation Storage"),
        ("segmentation.dcm?type=labelmap", "1.2.840.10008.5.1.4.1.1.66.7"),
        ("report.dcm", "Comprehensive 3D SR Storage"),
        ("report.dcm?type=pdf", "Encapsulated PDF Storage"),
        ("structures.dcm", "RT Structure Set Storage"),
    ],
)
def test_results_come_as_dicom_of_the_patient(finished_study, path, storage):
    _, client, case_id = finished_study
    answer = client.get(f"/api/cases/{case_id}/{path}")
    assert answer.status_code == 200, answer.json
    assert answer.mimetype == "application/dicom"
    assert not any(word in answer.headers["Content-Disposition"] for word in PATIENT_WORDS)
    found = pydicom.dcmread(io.BytesIO(answer.data))
    assert found.SOPClassUID.name == storage
    assert str(found.PatientName) == NAME
    assert "RESEARCH USE ONLY" in found.SeriesDescription
    again = pydicom.dcmread(io.BytesIO(client.get(f"/api/cases/{case_id}/{path}").data))
    assert again.SOPInstanceUID == found.SOPInstanceUID


def test_the_segmentation_has_the_voxels_of_the_mask(finished_study):
    _, client, case_id = finished_study
    found = pydicom.dcmread(io.BytesIO(client.get(f"/api/cases/{case_id}/segmentation.dcm").data))
    mask = image_of(client.get(f"/api/cases/{case_id}/segmentation.nii.gz").data)
    counts = {
        number: int(np.count_nonzero(found.pixel_array[[
            place
            for place, group in enumerate(found.PerFrameFunctionalGroupsSequence)
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
        ]]))
        for number in (1, 2, 3)
    }  # fmt: skip
    values = np.asarray(mask.dataobj)
    assert counts == {1: (values == 1).sum(), 2: (values == 2).sum(), 3: (values == 4).sum()}


def test_the_zip_of_results_has_them_too(finished_study):
    _, client, case_id = finished_study
    answer = client.get(f"/api/cases/{case_id}/report.zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
        assert {name.rpartition("_")[2] for name in names if name.endswith(".dcm")} == {
            "seg.dcm",
            "report.dcm",
            "structures.dcm",
        }
        for name in names:
            if name.endswith(".dcm"):
                assert archive.read(name)[128:132] == MAGIC


def test_a_corrected_mask_is_a_new_instance(app, client, thin_study, run_queue):
    url = f"/api/cases/{client.post('/api/cases', data={'files': study_parts(thin_study)}).json['id']}"
    run_queue()
    before = pydicom.dcmread(io.BytesIO(client.get(f"{url}/segmentation.dcm").data))
    mask = image_of(client.get(f"{url}/segmentation.nii.gz").data)
    file = file_of(changed(mask), mask.affine)
    assert client.post(f"{url}/masks", data={"mask": file}).status_code == 201
    after = pydicom.dcmread(io.BytesIO(client.get(f"{url}/segmentation.dcm").data))
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert "by hand" in after.SeriesDescription


def test_nifti_has_no_dicom_results(finished, assert_error):
    for path in ("segmentation.dcm", "report.dcm", "structures.dcm", "series"):
        answer = finished.client.get(f"/api/cases/{finished.id}/{path}")
        assert_error(answer, 409, "not_dicom")


def test_a_zip_of_a_study_is_taken(client, thin_study, run_queue):
    content = zipped(
        thin_study, {"VIEWER.EXE": b"MZ", "INDEX.HTM": b"<html>", "more.zip": b"PK\x03\x04"}
    )
    answer = client.post("/api/cases", data={"files": (content, "cd.zip")})
    assert answer.status_code == 202, answer.json
    assert client.get(f"/api/cases/{answer.json['id']}").json["patient"]["identifier"] == "P-0815"


def test_series_can_be_confirmed_and_changed(app, client, thin_study, run_queue):
    answer = client.post("/api/cases", data={"files": study_parts(thin_study), "confirm": "1"})
    assert answer.status_code == 202
    assert answer.json["state"] == "unconfirmed"
    url = f"/api/cases/{answer.json['id']}"
    run_queue()
    assert client.get(url).json["state"] == "unconfirmed"
    rows = client.get(f"{url}/series").json["series"]
    assert not client.get(f"{url}/series").json["confirmed"]
    keys = {row["used_as"]: row["key"] for row in rows if row["used_as"]}
    other = next(row["key"] for row in rows if row["readable"] and not row["used_as"])
    made = client.post(f"{url}/series", data={"t1": "", "t2": other, "flair": keys["flair"]})
    assert made.status_code == 202, made.json
    case = client.get(url).json
    assert case["state"] == "queued"
    assert list(case["modalities"]) == ["flair", "t1ce", "t2"]
    after = {row["used_as"]: row["key"] for row in client.get(f"{url}/series").json["series"]}
    assert after["t2"] == other
    assert "t1" not in after
    with app.app_context():
        assert not data_folder.case_folder(answer.json["id"]).study.files.exists()
    run_queue()
    assert client.get(url).json["state"] == "done"


def test_series_are_confirmed_once(client, thin_study, assert_error):
    answer = client.post("/api/cases", data={"files": study_parts(thin_study), "confirm": "1"})
    url = f"/api/cases/{answer.json['id']}/series"
    assert client.post(url, data={}).status_code == 202
    assert_error(client.post(url, data={}), 409, "confirmed_already")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"t1": "1.2.3"}, "unknown_series"),
        ({"t1": "", "t2": ""}, "missing_modality"),
    ],
)
def test_a_bad_choice_keeps_the_study(client, thin_study, fields, code, assert_error):
    answer = client.post("/api/cases", data={"files": study_parts(thin_study), "confirm": "1"})
    url = f"/api/cases/{answer.json['id']}"
    assert_error(client.post(f"{url}/series", data=fields), 422, code)
    assert client.get(url).json["state"] == "unconfirmed"
    assert client.post(f"{url}/series", data={}).status_code == 202


def test_a_study_that_lacks_sequences_waits_for_a_person_only_if_asked(
    app, client, thin_study, tmp_path, phantom, assert_error, assert_nothing_kept
):
    series = [one for one in scanned(phantom[0], "siemens") if one.number < 4]
    write_study(tmp_path / "few", series)
    parts = study_parts(tmp_path / "few")
    assert_error(client.post("/api/cases", data={"files": parts}), 422, "missing_modality")
    assert_nothing_kept(app)
    parts = study_parts(tmp_path / "few")
    assert client.post("/api/cases", data={"files": parts, "confirm": "1"}).status_code == 202


def test_two_patients_are_never_mixed(
    app, client, thin_study, tmp_path, phantom, assert_error, assert_nothing_kept
):
    write_study(tmp_path / "other", scanned(phantom[0], "ge")[:2], Patient("Roe^Richard", "X"))
    parts = study_parts(thin_study) + study_parts(tmp_path / "other")
    error = assert_error(
        client.post("/api/cases", data={"files": parts}), 422, "dicom_two_patients"
    )
    assert not any(word in str(error) for word in (*PATIENT_WORDS, "Roe"))
    assert_nothing_kept(app)


def test_dicom_and_nifti_are_not_mixed(
    app, client, thin_study, scans, assert_error, assert_nothing_kept
):
    nifti = (io.BytesIO(scans["t1"].read_bytes()), scans["t1"].name)
    parts = [*study_parts(thin_study), nifti]
    assert_error(client.post("/api/cases", data={"files": parts}), 422, "mixed_formats")
    parts = {"files": study_parts(thin_study)[:4], "t1": study_parts(thin_study)[5]}
    assert_error(client.post("/api/cases", data=parts), 422, "mixed_formats")
    assert_nothing_kept(app)


def test_downloads_as_nifti_tell_nothing_of_the_patient(finished_study):
    _, client, case_id = finished_study
    for path in ("segmentation.nii.gz", "volumes/t1ce.nii.gz", "brain.nii.gz"):
        image = image_of(client.get(f"/api/cases/{case_id}/{path}").data)
        header = bytes(image.header.binaryblock)
        assert not any(word.encode() in header for word in PATIENT_WORDS)
        assert not image.header.extensions


def test_nothing_of_the_patient_is_logged(make_app, thin_study, run_queue, caplog):
    caplog.set_level("DEBUG")
    app = make_app()
    client = app.test_client()
    case_id = client.post("/api/cases", data={"files": study_parts(thin_study)}).json["id"]
    with app.app_context():
        queue_runner(app).run_next()
    for path in ("segmentation.dcm", "report.dcm", "structures.dcm"):
        client.get(f"/api/cases/{case_id}/{path}")
    metrics = client.get("/metrics").text
    assert not any(word in caplog.text + metrics for word in PATIENT_WORDS)


def test_a_deleted_case_leaves_nothing(make_app, thin_study, assert_nothing_kept):
    app = make_app()
    client = app.test_client()
    answer = client.post("/api/cases", data={"files": study_parts(thin_study), "confirm": "1"})
    assert client.delete(f"/api/cases/{answer.json['id']}").status_code == 204
    assert_nothing_kept(app)
    files = [path for path in app.config["SETTINGS"].data_dir.rglob("*") if path.is_file()]
    assert not any(b"P-0815" in path.read_bytes() for path in files)
