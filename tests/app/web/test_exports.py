import io
import json
import zipfile

import pytest


@pytest.fixture
def archive(finished):
    response = finished.client.get(f"/api/cases/{finished.id}/report.zip")
    assert response.mimetype == "application/zip"
    disposition = response.headers["Content-Disposition"]
    assert disposition == "attachment; filename=patient_results.zip"
    return zipfile.ZipFile(io.BytesIO(response.data))


def test_it_holds_what_the_single_calls_give(archive, finished):
    url = f"/api/cases/{finished.id}"
    assert archive.testzip() is None
    assert archive.namelist() == [
        "patient_seg.nii.gz",
        "patient_report.json",
        "patient_report.csv",
        "patient_report.pdf",
    ]
    mask = finished.client.get(f"{url}/segmentation.nii.gz").data
    assert archive.read("patient_seg.nii.gz") == mask
    report = finished.client.get(f"{url}/report.json").json
    assert json.loads(archive.read("patient_report.json")) == report
    assert archive.read("patient_report.csv") == finished.client.get(f"{url}/report.csv").data
    assert archive.read("patient_report.pdf").startswith(b"%PDF-")


def test_before_the_end(client, upload, assert_error):
    case_id = upload().json["id"]
    assert_error(client.get(f"/api/cases/{case_id}/report.zip"), 409, "not_ready")
    assert_error(client.get("/api/cases/0/report.zip"), 404, "not_found")


def test_it_is_documented(client):
    path = client.get("/api/openapi.json").json["paths"]["/api/cases/{case_id}/report.zip"]
    assert "application/zip" in path["get"]["responses"]["200"]["content"]
