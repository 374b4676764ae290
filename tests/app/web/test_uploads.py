import io
import logging

import numpy as np
import pytest

from app.intake.files import ScanFile, assign, common_name, shown_name, visible
from app.store.models import StoredCase, db
from model.errors import CaseError
from model.io.modalities import MODALITIES
from model.io.nifti import write_scan
from model.preparation.plan import Options
from tests.app.web.hazards import packed


def scan_bytes(tmp_path):
    path = tmp_path / "scan.nii"
    write_scan(path, np.arange(10 * 11 * 12, dtype=np.int16).reshape(10, 11, 12), np.eye(4))
    return path.read_bytes()


def test_four_named_parts(upload, client):
    response = upload(name="Anna")
    assert response.status_code == 202
    answer = response.json
    assert set(answer) == {"id", "state", "url"}
    assert answer["state"] == "queued"
    assert len(answer["id"]) == 32
    assert response.location == answer["url"]
    case = client.get(answer["url"]).json
    assert case["name"] == "Anna"
    assert case["modalities"] == {m: f"patient_{m}.nii.gz" for m in MODALITIES}


def test_any_number_of_files(client, scans):
    files = [(io.BytesIO(path.read_bytes()), f"folder/{path.name}") for path in scans.values()]
    files.append((io.BytesIO(b"expert"), "patient_seg.nii.gz"))
    response = client.post("/api/cases", data={"files": files})
    assert response.status_code == 202
    case = client.get(response.json["url"]).json
    assert case["name"] == "patient"
    assert case["modalities"]["t1ce"] == "patient_t1ce.nii.gz"


def test_zip(client, zip_of):
    data = {"files": (zip_of({"readme.txt": b"x"}, prefix="deep/er/"), "all.zip")}
    response = client.post("/api/cases", data=data)
    assert response.status_code == 202
    assert client.get(response.json["url"]).json["name"] == "patient"


def test_folders_may_tell_the_sequences_apart(client, scans):
    """In a zip, and in the names of files."""
    names = {
        f"p/{modality.upper()}/scan{n}.nii.gz": path
        for n, (modality, path) in enumerate(scans.items())
    }
    packed_up = packed({name: path.read_bytes() for name, path in names.items()})
    loose = [(io.BytesIO(path.read_bytes()), name) for name, path in names.items()]
    for files in ((io.BytesIO(packed_up), "all.zip"), loose):
        response = client.post("/api/cases", data={"files": files})
        assert response.status_code == 202, response.text
        case = client.get(response.json["url"]).json
        assert case["modalities"] == {m: f"scan{n}.nii.gz" for n, m in enumerate(MODALITIES)}


def test_a_zip_as_one_sequence_is_told_where_it_belongs(upload, zip_of, assert_error):
    error = assert_error(upload(t1ce=(zip_of(), "p.zip")), 415, "not_nifti")
    assert (error["message"], error["file"]) == ("What was sent as T1ce is a zip.", "p.zip")
    assert "as files" in error["hint"]


def test_a_guess_is_corrected_by_the_part_name(client, scans):
    """The file that looks like T2 is sent as FLAIR, and the other way round."""
    data = {
        "flair": (io.BytesIO(scans["flair"].read_bytes()), "x_t2.nii.gz"),
        "files": [
            (io.BytesIO(scans["t2"].read_bytes()), "y_t2.nii.gz"),
            (io.BytesIO(scans["t1"].read_bytes()), "y_t1.nii.gz"),
            (io.BytesIO(scans["t1ce"].read_bytes()), "y_t1ce.nii.gz"),
        ],
    }
    case = client.get(client.post("/api/cases", data=data).json["url"]).json
    assert case["modalities"] == {
        "flair": "x_t2.nii.gz",
        "t1": "y_t1.nii.gz",
        "t1ce": "y_t1ce.nii.gz",
        "t2": "y_t2.nii.gz",
    }


def test_empty_file_inputs_of_a_form_do_not_count(client, zip_of):
    data = {modality: (io.BytesIO(), "") for modality in MODALITIES}
    data["files"] = (zip_of(), "all.zip")
    assert client.post("/api/cases", data=data).status_code == 202


@pytest.mark.parametrize(
    ("part", "content", "name", "status", "code"),
    [
        ("t1c", b"x", "b_t1c.nii", 400, "unknown_part"),
        ("t2", b"no scan", "b_t2.nii", 415, "not_nifti"),
        ("t2", b"", "b_t2.nii", 415, "not_nifti"),
    ],
)
def test_refused(app, upload, assert_error, assert_nothing_kept, part, content, name, status, code):
    error = assert_error(upload(**{part: (io.BytesIO(content), name)}), status, code)
    assert error.get("file") in (name, None)
    assert_nothing_kept(app)


@pytest.mark.parametrize("missing", MODALITIES)
def test_three_named_parts(upload, client, missing):
    response = upload(**{missing: None})
    assert response.status_code == 202
    modalities = client.get(response.json["url"]).json["modalities"]
    assert list(modalities) == [modality for modality in MODALITIES if modality != missing]


def test_three_files_of_any_part(client, scans):
    files = [(io.BytesIO(scans[m].read_bytes()), scans[m].name) for m in ("t1", "t2", "t1ce")]
    response = client.post("/api/cases", data={"files": files})
    assert response.status_code == 202
    assert "flair" not in client.get(response.json["url"]).json["modalities"]


def test_two_missing(app, upload, assert_error, assert_nothing_kept):
    error = assert_error(upload(t2=None, flair=None), 422, "missing_modality")
    assert "FLAIR, T2." in error["message"]
    assert "3 of the 4" in error["hint"]
    assert_nothing_kept(app)


def test_cut_scan(app, upload, scans, assert_error, assert_nothing_kept):
    cut = io.BytesIO(scans["t2"].read_bytes()[:-100])
    assert assert_error(upload(t2=(cut, "b.gz")), 422, "corrupt_gzip")["file"] == "b.gz"
    assert_nothing_kept(app)


def test_no_files(app, client, assert_error, assert_nothing_kept):
    assert_error(client.post("/api/cases", data={"name": "x"}), 400, "no_files")
    assert_error(client.post("/api/cases", json={}), 415, "unsupported_type")
    assert_nothing_kept(app)


@pytest.mark.parametrize("part", ["flair", "files"])
def test_text_in_place_of_a_file(app, client, parts, part, assert_error, assert_nothing_kept):
    fields = {name: file for name, file in parts.items() if name != "flair"}
    error = assert_error(client.post("/api/cases", data=fields | {part: "x"}), 400, "bad_request")
    assert f"-F {part}=@FILE" in error["hint"]
    assert_nothing_kept(app)


def test_files_about_files_do_not_count(client, scans):
    files = [(io.BytesIO(path.read_bytes()), path.name) for path in scans.values()]
    files += [(io.BytesIO(b"macOS"), f"._{path.name}") for path in scans.values()]
    assert client.post("/api/cases", data={"files": files}).status_code == 202


def test_two_files_for_one_modality(app, client, scans, assert_error, assert_nothing_kept):
    twice = [(io.BytesIO(scans["t1"].read_bytes()), f"{name}_t1.nii.gz") for name in "ab"]
    error = assert_error(client.post("/api/cases", data={"t1": twice}), 422, "duplicate_modality")
    assert error["file"] == "b_t1.nii.gz"
    twice = [(io.BytesIO(scans["t1"].read_bytes()), f"{name}_t1.nii.gz") for name in "ab"]
    assert_error(client.post("/api/cases", data={"files": twice}), 422, "duplicate_modality")
    assert_nothing_kept(app)


def test_another_grid(app, upload, tmp_path, assert_error, assert_nothing_kept):
    other = io.BytesIO(scan_bytes(tmp_path))
    refused = upload(t1=(other, "other_t1.nii"), prepare="never")
    error = assert_error(refused, 422, "grid_mismatch")
    assert error["file"] == "other_t1.nii"
    assert_nothing_kept(app)


def test_scans_on_other_grids_are_taken_to_be_prepared(app, upload, tmp_path):
    other = io.BytesIO(scan_bytes(tmp_path))
    answer = upload(t1=(other, "other_t1.nii"))
    assert answer.status_code == 202
    with app.app_context():
        assert db.session.get(StoredCase, answer.json["id"]).options == Options()


def test_prepare_is_one_of_three(app, upload, assert_error, assert_nothing_kept):
    error = assert_error(upload(prepare="perhaps"), 400, "bad_parameter")
    assert "auto, never, always" in error["message"]
    assert_nothing_kept(app)


def test_the_same_scan_twice(app, upload, scans, assert_error, assert_nothing_kept):
    same = (io.BytesIO(scans["t1"].read_bytes()), "again.nii.gz")
    assert assert_error(upload(t1ce=same), 422, "same_volume")["file"] == "again.nii.gz"
    assert_nothing_kept(app)


def test_too_many_voxels(make_app, parts, assert_error, assert_nothing_kept):
    app = make_app(max_voxels=1000)
    assert_error(app.test_client().post("/api/cases", data=parts), 413, "too_large")
    assert_nothing_kept(app)


def test_too_many_bytes(make_app, assert_error, assert_nothing_kept):
    app = make_app(max_upload_mb=1)
    data = {"t1": (io.BytesIO(bytes(2**20 + 1)), "t1.nii")}
    error = assert_error(app.test_client().post("/api/cases", data=data), 413, "upload_too_large")
    assert "1 MB" in error["message"]
    assert_nothing_kept(app)


def test_zip_hazards_leave_nothing(make_app, zip_of, assert_error, assert_nothing_kept):
    app = make_app(max_unpacked_mb=1)
    client = app.test_client()
    for content, code, status in (
        (zip_of({"inner.zip": b"x"}), "zip_nested", 422),
        (zip_of({"big_t1.nii": bytes(2**20)}), "zip_too_large", 413),
        (io.BytesIO(zip_of().getvalue()[:-40]), "zip_damaged", 422),
    ):
        response = client.post("/api/cases", data={"files": (content, "up.zip")})
        assert assert_error(response, status, code)["file"] == "up.zip"
        assert_nothing_kept(app)


def test_cut_body(app, client, assert_nothing_kept):
    body = b'--x\r\nContent-Disposition: form-data; name="t1"; filename="a.nii"\r\n\r\nabc'
    response = client.post("/api/cases", data=body, content_type="multipart/form-data; boundary=x")
    assert 400 <= response.status_code < 500
    assert_nothing_kept(app)


def test_client_names_stay_out_of_paths_and_log(app, client, parts, caplog):
    marker = "MUSTERMANN"
    files = [(stream, f"../{marker}_{name}") for stream, name in parts.values()]
    with caplog.at_level(logging.DEBUG):
        assert client.post("/api/cases", data={"files": files}).status_code == 202
    data_dir = app.config["SETTINGS"].data_dir
    assert not [path for path in data_dir.rglob("*") if marker in path.name]
    assert not list(data_dir.parent.glob(f"*{marker}*"))
    assert marker not in caplog.text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("C:\\scans\\a_t1.nii", "a_t1.nii"),
        ("../../etc/passwd", "passwd"),
        ("folder/", "folder"),
        ("a\x00b\u202egpj.nii", "abgpj.nii"),
        ("病人_t1.nii", "病人_t1.nii"),
    ],
)
def test_shown_names(name, shown):
    assert shown_name(name) == shown


def test_long_names_keep_both_ends():
    shown = visible("a" * 3000 + "_t1.nii.gz")
    assert len(shown) == 120
    assert shown.startswith("aaa")
    assert shown.endswith("_t1.nii.gz")


def test_common_names():
    assert common_name(["BraTS-GLI-00000-000-t1c.nii", "BraTS-GLI-00000-000-t2f.nii"]) == (
        "BraTS-GLI-00000-000"
    )
    assert common_name(["a.nii", "b.nii"]) == ""
    assert common_name(["scan.nii.gz", "scan.NII"]) == "scan"
    assert common_name(["P-1_a.nii.gz", "P-1.nii.gz", "P-1.t1.nii"]) == "P-1"
    assert common_name(["P-12_a.nii.gz", "P-1.nii.gz"]) == "P"


def test_assign_prefers_what_was_said(tmp_path):
    def file(name):
        return ScanFile(name, tmp_path / name)

    named = {"t1": file("scan9.nii")}
    loose = [file("p_t1.nii"), file("p_t2.nii"), file("p_flair.nii"), file("p_t1ce.nii")]
    assert assign(named, loose).files["t1"].name == "scan9.nii"
    with pytest.raises(CaseError, match="FLAIR, T1ce, T2"):
        assign(named, [])
