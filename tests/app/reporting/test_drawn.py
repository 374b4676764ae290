"""What readers drew stands in every report, as numbers and in pictures."""

import csv
import html
import io
import re

import numpy as np
import pytest

from model.geometry import to_canonical
from model.io.nifti import read_volume
from tests.app.reporting.test_report import escaped, text_of


def item(number, kind, plane, index, *points, text="", modality="t1ce"):
    fields = {"id": f"a{number}", "kind": kind, "plane": plane, "slice": index}
    return fields | {"points": list(points), "text": text, "modality": modality}


ITEMS = [
    item(1, "rano", "axial", 30, (20, 30, 30), (50, 30, 30), (35, 20, 30), (35, 40, 30)),
    item(2, "ruler", "axial", 30, (20, 30, 30), (44, 40, 30), modality="flair"),
    item(3, "ruler", "axial", 30, (30, 45, 30), (35, 33, 30), modality="flair"),
    item(4, "ellipse", "coronal", 40, (30, 40, 20), (50, 40, 40)),
    item(5, "angle", "sagittal", 35, (35, 20, 20), (35, 40, 20), (35, 40, 50)),
    item(6, "arrow", "axial", 31, (40, 40, 31), (60, 60, 31), text="=new <focus>", modality=None),
    # Beyond the scan: in the table, without a picture.
    item(7, "ruler", "axial", 500, (0, 0, 500), (3, 4, 500)),
]


@pytest.fixture
def drawn(finished):
    url = f"/api/cases/{finished.id}/annotations"
    assert finished.client.put(url, json={"items": ITEMS}).status_code == 200
    yield finished
    finished.client.put(url, json={"items": []})


def get(drawn, ending):
    return drawn.client.get(f"/api/cases/{drawn.id}/report.{ending}")


def test_json_measures_what_was_drawn(drawn, scans):
    found = {one["number"]: one for one in get(drawn, "json").json["annotations"]}
    assert len(found) == len(ITEMS)
    assert found[1]["product_mm2"] == 600
    assert found[2]["length_mm"] == 26 and found[3]["length_mm"] == 13
    assert (found[3]["pair_with"], found[3]["product_mm2"]) == (2, 338)
    assert found[5]["angle_deg"] == 90
    # What names no sequence is shown on the first.
    assert found[6]["modality"] == "flair"
    scan = read_volume(scans["t1ce"])
    volume, _ = to_canonical(scan.data, scan.affine)
    i, k = np.ogrid[:80, :72]
    inside = ((i - 40) / 10) ** 2 + ((k - 30) / 10) ** 2 <= 1
    values = volume[:, 40][inside]
    assert found[4]["mean"] == pytest.approx(values.mean(), abs=0.01)
    assert (found[4]["lowest"], found[4]["highest"]) == (values.min(), values.max())


def test_page_and_pdf_have_it_as_table_and_in_pictures(drawn):
    page = html.unescape(drawn.client.get(f"/cases/{drawn.id}/report").text)
    pdf = get(drawn, "pdf").data
    assert pdf.count(b"/Type /Page\n") == 2
    for text in (
        "30.0 × 20.0 mm = 600 mm²",
        "13.0 mm; with 2 a pair: 26.0 × 13.0 mm = 338 mm²",
        "90.0°",
        "=new <focus>",
        "Axial 501",
    ):
        assert text in page
        assert all(word in text_of(pdf) for word in escaped(text).split()), text
    assert "3.14 cm², mean " in page
    pictures = re.findall(r">(\w+ \d+/\d+, \w+)<", page)
    assert pictures[3:] == [
        "Axial 31/72, T1ce",
        "Axial 31/72, FLAIR",
        "Coronal 41/96, T1ce",
        "Sagittal 36/80, T1ce",
        "Axial 32/72, FLAIR",
    ]
    # The diameters that a reader moved stand for the model's.
    assert pictures[0] == "Axial 31/72, T1ce"
    assert page.count('<polyline class="rano"') == 4
    # One slice is shown twice.
    assert pdf.count(b"/Subtype /Image") == 7


def test_csv_has_it_and_no_formula(drawn):
    text = get(drawn, "csv").text
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(text))}
    assert rows["drawn_1_product_mm2"] == ["600.0", "mm2"]
    assert rows["drawn_3_pair_with"][0] == "2"
    assert rows["drawn_5_angle_deg"] == ["90.0", "degrees"]
    assert rows["drawn_6_text"][0] == "'=new <focus>"


def test_many_take_as_many_pages_as_they_need(finished):
    url = f"/api/cases/{finished.id}/annotations"
    items = [item(n, "ruler", "axial", n % 60, (0, 0, 0), (n, 4, 0)) for n in range(300)]
    finished.client.put(url, json={"items": items})
    pdf = get(finished, "pdf").data
    finished.client.put(url, json={"items": []})
    assert pdf.count(b"/Type /Page\n") > 5
    # Text, without what runs below the paper.
    assert text_of(pdf).count("(Ruler) Tj") == 300
    assert min(float(y) for y in re.findall(r"BT [\d.]+ (-?[\d.]+) Td", text_of(pdf))) > 0


def test_the_zip_and_the_report_of_nothing_drawn(drawn):
    assert get(drawn, "zip").status_code == 200
    drawn.client.put(f"/api/cases/{drawn.id}/annotations", json={"items": []})
    assert get(drawn, "json").json["annotations"] == []
    assert "Drawn by hand" not in drawn.client.get(f"/cases/{drawn.id}/report").text
    assert get(drawn, "pdf").data.count(b"/Type /Page\n") == 1
