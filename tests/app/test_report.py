import csv
import io

import pytest

from app import jobs, report, report_pdf
from model.nifti import DISCLAIMER


@pytest.fixture
def found(finished):
    return finished.client.get(f"/api/cases/{finished.id}/report.json").json


def test_json(found, finished):
    assert found["disclaimer"] == DISCLAIMER
    assert found["case"] == {"id": finished.id, "name": "patient"}
    assert found["label_values"] == {"core": 1, "edema": 2, "enhancing": 4}
    assert found["geometry"]["shape"] == [80, 96, 72]
    assert found["geometry"]["spacing_mm"] == [1, 1, 1]
    assert found["modalities"]["flair"] == "patient_flair.nii.gz"
    assert {"brats-mobileunet", "python", "numpy"} <= set(found["software"])


def test_csv(finished, found):
    response = finished.client.get(f"/api/cases/{finished.id}/report.csv")
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(response.text)))
    table = {row[0]: row[1:] for row in rows}
    assert table["disclaimer"][0] == DISCLAIMER
    whole = found["measurements"]["volumes_ml"]["whole_tumor"]
    assert table["whole_tumor"] == [f"{whole:.3f}", "mL"]
    assert table["model_checksum"][0] == found["model"]["checksum"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_csv_holds_no_formula(found, name):
    text = report.to_csv(found | {"case": {"name": name}})
    row = next(row for row in csv.reader(io.StringIO(text)) if row[0] == "case_name")
    assert row[1] == "'" + name


def test_pdf(finished):
    response = finished.client.get(f"/api/cases/{finished.id}/report.pdf")
    assert response.mimetype == "application/pdf"
    assert response.data.startswith(b"%PDF-")
    assert response.data.count(b"/Type /Page\n") == 1
    assert response.data.count(b"/Subtype /Image") >= 3


def test_pdf_with_any_name(found, finished):
    results = finished.app.config["SETTINGS"].data_dir / "cases" / finished.id / "results"
    odd = found | {"case": {"name": "病人 <b>**bold**</b> " + "x" * 200}, "warnings": ["ż" * 300]}
    assert report_pdf.to_pdf(odd, results).startswith(b"%PDF-")


def test_empty_result_is_no_finding(found):
    volumes = dict.fromkeys(found["measurements"]["volumes_ml"], 0.0)
    assert report.message({"volumes_ml": volumes}) == "The model marked no voxels."
    assert report.message({"volumes_ml": volumes | {"whole_tumor": 0.1}}) == ""


def test_label_convention(make_app, parts):
    app = make_app(label_convention="brats2023")
    client = app.test_client()
    case_id = client.post("/api/cases", data=parts).json["id"]
    with app.app_context():
        jobs.worker(app).run_next()
    found = client.get(f"/api/cases/{case_id}/report.json").json
    assert found["label_convention"] == "brats2023"
    assert found["label_values"]["enhancing"] == 3
