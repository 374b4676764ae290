import html
import re
from dataclasses import replace

import pytest

from app.analysis.measurements import Lesions
from app.analysis.record import Accuracy
from app.analysis.values import AreasMm2, Confidence, VolumesMl
from app.reporting.report import VOLUME_TITLES
from model.io.modalities import TITLES
from model.io.nifti import DISCLAIMER
from tests.app.reporting.test_report import text_of
from tests.app.rows import change_record, row

# What cases of version 0.1.0 lack.
ADDED = (
    *("percent_of_brain", "confidence", "rano", "lesions", "location", "areas_mm2"),
    *("features", "named_lesions"),
)


@pytest.fixture
def page(finished):
    return finished.client.get(f"/cases/{finished.id}/report").text


def pictures(page: str) -> list[str]:
    return [html.unescape(url) for url in re.findall(r'<image href="([^"]+)"', page)]


def test_it_holds_what_a_reader_asks_for(page, finished):
    report = finished.client.get(f"/api/cases/{finished.id}/report.json").json
    found = report["measurements"]
    assert page.count(DISCLAIMER) == 2
    # In the order of all pages.
    places = [page.index(title) for title in VOLUME_TITLES.values()]
    assert places == sorted(places)
    for key, ml in found["volumes_ml"].items():
        assert f">{ml:.2f}<" in page
        assert f">{found['percent_of_brain'][key]:.2f}<" in page
        assert f">{found['confidence'][key]:.2f}<" in page
    assert f"{found['rano']['longest_mm']:.1f} × " in page
    assert f"in axial slice {found['rano']['slice'] + 1}" in page
    assert "of the brain&#39;s centre" in page and "RAS" not in page
    assert report["model"]["checksum"] in page
    assert report["device"] in page
    assert "80 × 96 × 72 voxels of 1.00 × 1.00 × 1.00 mm" in page
    for modality, name in report["modalities"].items():
        assert TITLES[modality] in page and name in page
    assert page.count('<path class="bars"') == 3


def test_key_images_can_be_had(page, finished):
    shown = pictures(page)
    assert [url.split("/overlay/")[1].split("/")[0] for url in shown] == [
        "axial",
        "coronal",
        "sagittal",
    ]
    assert [re.search(r"modality=(\w+)", url)[1] for url in shown] == ["t1ce", "flair", "flair"]
    assert re.findall(r">(\w+) \d+/\d+, (\w+)<", page) == [
        ("Axial", "T1ce"),
        ("Coronal", "FLAIR"),
        ("Sagittal", "FLAIR"),
    ]
    assert all("outline=1" in url for url in shown)
    assert all(finished.client.get(url).status_code == 200 for url in shown)


def test_pictures_and_pdf_have_the_windows_that_were_chosen(finished):
    client, url = finished.client, f"/cases/{finished.id}/report"
    asked = "window_t1ce=100,900.5&window_flair=9,1&window_t2=nan,1"
    page = client.get(f"{url}?{asked}").text
    axial, coronal, _ = pictures(page)
    # What makes no sense is left out; coronal and sagittal are FLAIR.
    assert "window=100,900.5" in axial.replace("%2C", ",") and "window" not in coronal
    bright, usual = client.get(axial), client.get(pictures(client.get(url).text)[0])
    assert bright.status_code == 200 and bright.data != usual.data
    assert bright.headers["ETag"] != usual.headers["ETag"]
    pdf = html.unescape(re.search(r'href="([^"]+report.pdf[^"]*)"', page)[1])
    assert "window_t1ce=100,900.5" in pdf.replace("%2C", ",")
    assert client.get(pdf).data.startswith(b"%PDF-")


def test_nothing_is_inline_or_from_elsewhere(page):
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_a_missing_sequence_is_named(finished_without):
    case, missing = finished_without
    page = case.client.get(f"/cases/{case.id}/report").text
    assert f'<dt>{TITLES[missing]}</dt><dd class="break">Not given</dd>' in page
    assert f"No {TITLES[missing]} was given." in page
    assert all(f"modality={missing}" not in url for url in pictures(page))


def test_accuracy_is_that_of_the_model_that_made_the_case(app, client, done):
    regions = {
        short: {"dice": dice, "hd95_mm": hd95}
        for short, dice, hd95 in (("WT", 0.874, 7.25), ("TC", 0.75, 5.0), ("ET", 0.698, None))
    }
    with app.app_context():
        change_record(done, accuracy=Accuracy(14, regions), missing_modalities=("t1",))
    page = client.get(f"/cases/{done}/report").text
    for text in (">0.87<", ">7.2<", ">0.75<", ">0.70<", ">-<"):
        assert text in page
    assert (
        "Means over 14 patients that the scored network was not trained on, with all four sequences"
        in page
    )
    pdf = text_of(client.get(f"/api/cases/{done}/report.pdf").data)
    for text in ("0.87", "7.2", "0.70", "-"):
        assert f"({text}) Tj" in pdf
    assert "Means over 14 patients" in pdf


def test_before_the_end(client, upload):
    case_id = upload().json["id"]
    response = client.get(f"/cases/{case_id}/report")
    assert response.status_code == 409
    assert "The case has no results yet." in response.text


def test_empty_result(app, client, done):
    message = "The model marked no voxels."
    empty = {
        "volumes_ml": VolumesMl(0.0, 0.0, 0.0, 0.0, 0.0),
        "rano": None,
        "location": None,
        "lesions": Lesions(0, 0),
        "confidence": Confidence(None, None, None, None, None),
        "areas_mm2": AreasMm2((0.0,), (0.0,), (0.0,)),
        "features": None,
    }
    with app.app_context():
        change_record(done, empty)
    page = client.get(f"/cases/{done}/report").text
    assert message in page
    assert "No enhancing voxels were marked" in page
    assert "no tumo" not in page.lower()
    assert 'class="bars"' not in page
    assert client.get(f"/cases/{done}").status_code == 200
    assert client.get(f"/api/cases/{done}/report.pdf").status_code == 200


def test_cases_of_earlier_versions_can_still_be_read(app, client, done):
    with app.app_context():
        geometry = replace(row(done).record.geometry, brain_centre_mm=None)
        change_record(done, dict.fromkeys(ADDED), accuracy=None, geometry=geometry)
    page = client.get(f"/cases/{done}/report").text
    assert "No measured accuracy is stored with this case." in page
    assert "No measured accuracy" in text_of(client.get(f"/api/cases/{done}/report.pdf").data)
    assert ">-<" in page
    assert "<dt>RANO" not in client.get(f"/cases/{done}").text
    assert client.get(f"/api/cases/{done}").json["measurements"]["rano"] is None
    for kind in ("json", "csv", "pdf", "zip"):
        assert client.get(f"/api/cases/{done}/report.{kind}").status_code == 200
