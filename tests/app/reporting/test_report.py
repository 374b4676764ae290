import csv
import html
import io
import re
import zlib
from dataclasses import astuple, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from app.analysis.lesion_names import NamedLesion
from app.analysis.record import Accuracy, Calibration, MaskInfo, accuracy_of
from app.analysis.values import VolumesMl
from app.jobs.queue_runner import queue_runner
from app.reporting import report, report_pdf, wording
from app.reporting.csv_cells import rounded, write_rows
from app.reporting.pdf_text import MARGIN, WIDTH
from app.reporting.report_csv import to_csv
from app.reporting.schemas import Report
from app.reporting.sheet import sheet_of
from app.store.results import Results
from model.io.modalities import TITLES
from model.io.nifti import DISCLAIMER

PT_PER_MM, A4_HEIGHT_PT = 72 / 25.4, 841.89


@pytest.fixture
def found(finished):
    return finished.client.get(f"/api/cases/{finished.id}/report.json").json


@pytest.fixture
def results(finished):
    return Results(finished.app.config["SETTINGS"].data_dir / "cases" / finished.id / "results")


def changed(found, **fields) -> Report:
    """Return a report read back from its JSON, some fields replaced."""
    return Report(**found | fields)


def warned(*texts) -> dict:
    details = [{"code": "resampled", "text": text} for text in texts]
    return {"warnings": list(texts), "warning_details": details}


def test_json(found, finished):
    assert found["disclaimer"] == DISCLAIMER
    assert found["case"] == {"id": finished.id, "name": "patient"}
    assert found["label_values"] == {"core": 1, "edema": 2, "enhancing": 4}
    assert found["geometry"]["shape"] == [80, 96, 72]
    assert found["geometry"]["spacing_mm"] == [1, 1, 1]
    assert found["modalities"]["flair"] == "patient_flair.nii.gz"
    assert found["missing_modalities"] == []
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


def test_csv_holds_every_measurement(finished, found):
    rows = csv.reader(io.StringIO(finished.client.get(f"/api/cases/{finished.id}/report.csv").text))
    table = {row[0]: row[1:] for row in rows}
    taken = found["measurements"]
    assert table["percent_of_brain_core"] == [f"{taken['percent_of_brain']['core']:.3f}", "%"]
    assert table["confidence_edema"][0] == f"{taken['confidence']['edema']:.3f}"
    assert table["rano_longest"] == [f"{taken['rano']['longest_mm']:.2f}", "mm"]
    assert table["rano_slice"][0] == str(taken["rano"]["slice"])
    assert table["lesions_enhancing"][0] == str(taken["lesions"]["enhancing"])
    assert table["side"][0] == taken["location"]["side"]
    # A number, and so without the mark that keeps texts from being formulas.
    offset = taken["location"]["centre_from_brain_mm"][1]
    assert float(table["centre_from_brain_mm_anterior"][0]) == round(offset, 1)
    assert table["centre_from_brain_mm_anterior"][1] == "mm from the brain's centre"
    areas = {name: row[0] for name, row in table.items() if name.startswith("area_coronal_")}
    assert len(areas) == sum(area > 0 for area in taken["areas_mm2"]["coronal"])


def test_csv_says_what_was_segmented_when_and_how_well(finished, found):
    rows = list(
        csv.reader(io.StringIO(finished.client.get(f"/api/cases/{finished.id}/report.csv").text))
    )
    table = {row[0]: row[1:] for row in rows}
    assert len(table) == len(rows)
    assert table["date_segmented"][0] == found["dates"]["segmented"]
    assert table["date_uploaded"][0] == found["dates"]["uploaded"]
    assert "date_corrected" not in table
    assert table["sequence_t1ce"][0] == "patient_t1ce.nii.gz"
    assert [table[f"shape_{axis}"] for axis in "ijk"] == [[n, "voxels"] for n in ("80", "96", "72")]
    assert table["spacing_k"] == ["1.0000", "mm"]
    assert float(table["brain_centre_scanner_mm_right"][0]) == round(
        found["geometry"]["brain_centre_mm"][0], 1
    )
    accuracy = found["accuracy"]
    assert table["accuracy_patients"][0] == str(accuracy["patients"])
    for short, row in accuracy["regions"].items():
        assert table[f"accuracy_dice_{short}"][0] == f"{row['dice']:.3f}"
        assert table[f"accuracy_hd95_{short}"] == [f"{row['hd95_mm']:.2f}", "mm"]


def test_the_centre_is_told_in_one_way_everywhere(finished, found):
    """From the brain's centre, in mm to the right, anterior and superior."""
    location, geometry = found["measurements"]["location"], found["geometry"]
    offset = location["centre_from_brain_mm"]
    assert offset == pytest.approx(
        np.subtract(location["centre_mm"], geometry["brain_centre_mm"]), abs=0.01
    )
    url = f"/api/cases/{finished.id}/report"
    rows = {
        row[0]: row[1] for row in csv.reader(io.StringIO(finished.client.get(f"{url}.csv").text))
    }
    axes = ("right", "anterior", "superior")
    assert [float(rows[f"centre_from_brain_mm_{axis}"]) for axis in axes] == [
        round(mm, 1) for mm in offset
    ]
    assert not any(name.startswith("centre_") and "from_brain" not in name for name in rows)
    words = f"{abs(round(offset[0]))} mm {'right' if offset[0] > 0 else 'left'}"
    assert words in finished.client.get(f"/cases/{finished.id}/report").text
    assert words in text_of(finished.client.get(f"{url}.pdf").data)


def test_csv_holds_the_features(finished, found):
    rows = csv.reader(io.StringIO(finished.client.get(f"/api/cases/{finished.id}/report.csv").text))
    table, features = {row[0]: row[1:] for row in rows}, found["measurements"]["features"]
    for key, share in features["proportions"].items():
        assert table[f"proportion_{key}"] == [f"{share['percent']:.2f}", "% of the whole tumour"]
        assert table[f"proportion_{key}_bin"][0] == share["bin"]
    assert table["side_of_tumour"][0] == features["side"]
    assert table["foci"][0] == str(features["foci"])
    assert table["enhancing_margin"][0] == features["margin"]["kind"]
    assert table["crosses_midline_edema"][0] in ("yes", "no")


def test_csv_counts_slices_from_0_and_from_1(finished, found):
    rows = csv.reader(io.StringIO(finished.client.get(f"/api/cases/{finished.id}/report.csv").text))
    table = {row[0]: row[1:] for row in rows}
    index = found["measurements"]["rano"]["slice"]
    assert table["rano_slice"] == [str(index), ""]
    assert table["rano_slice_number"] == [str(index + 1), "counted from 1"]
    for plane, slices in found["measurements"]["slices"].items():
        assert table[f"largest_slice_number_{plane}"][0] == str(slices["largest"] + 1)


def test_dates_are_those_of_the_case(finished, found):
    case = finished.client.get(f"/api/cases/{finished.id}").json
    assert found["dates"].keys() == {"uploaded", "segmented", "corrected"}
    for name, key in (("uploaded", "created_at"), ("segmented", "finished_at")):
        assert found["dates"][name] == case[key][:19] + "+00:00"
    assert found["dates"]["corrected"] is None


def test_accuracy_comes_from_the_card():
    row = {"dice": 0.9, "hd95_mm": 4.0, "precision": 0.8}
    found = accuracy_of({"patients": 7, "regions": {"WT": row}})
    assert found.patients == 7
    assert found.regions == {"WT": {"dice": 0.9, "hd95_mm": 4.0}} and found.calibration is None
    calibration = {"error": 0.03, "case_gap": 0.2}
    found = accuracy_of({"regions": {"WT": row}, "calibration": calibration})
    assert found.calibration == Calibration(0.03, 0.2)
    assert accuracy_of({}) is None


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t1", "\r1", "＝1", "＋1", "－1", "＠SUM(A1)"],
)
def test_csv_holds_no_formula(found, name):
    text = to_csv(changed(found, case={"name": name}))
    row = next(row for row in csv.reader(io.StringIO(text, newline="")) if row[0] == "case_name")
    assert row[1] == "'" + name


FORMULA_STARTS = tuple("=+-@＝＋－＠\t\r")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "name",
    ["a;=1", "a\t=1", "a,=1", "a\n=1", "a\r\n＝1", 'a;"=1', 'a"";"=1', "\t=1", ";;+1", "-1;\t@x;"],
)
def test_csv_holds_none_for_any_separator(found, name, separator):
    text = to_csv(changed(found, case={"name": name}))
    cells = [
        cell
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        for cell in row
    ]
    numbers = [cell for cell in cells if re.fullmatch(r"-?[\d.]+(,.*)?", cell)]
    assert [c for c in cells if c.startswith(FORMULA_STARTS) and c not in numbers] == []


def test_csv_quotes_text_and_leaves_numbers(found):
    text = to_csv(changed(found, case={"name": 'a;b\tc,"d"'}))
    assert '"case_name","a;b\tc,""d""",""\r\n' in text
    assert re.search(r'^"brain",\d+\.\d{3},"mL"\r$', text, re.MULTILINE)
    buffer = io.StringIO()
    write_rows(buffer, [("a", -1.5, rounded(-2, 3), None)])
    assert buffer.getvalue() == '"a",-1.5,-2.000,""\r\n'


def test_pdf(finished):
    response = finished.client.get(f"/api/cases/{finished.id}/report.pdf")
    assert response.mimetype == "application/pdf"
    assert response.data.startswith(b"%PDF-")
    assert response.data.count(b"/Type /Page\n") == 1
    assert response.data.count(b"/Subtype /Image") >= 3


def test_pdf_holds_the_measurements(finished, found):
    text = text_of(finished.client.get(f"/api/cases/{finished.id}/report.pdf").data)
    rano, percents = found["measurements"]["rano"], found["measurements"]["percent_of_brain"]
    places = [text.index(title) for title in report.VOLUME_TITLES.values()]
    assert places == sorted(places)
    assert "(RANO) Tj" in text and f"{rano['longest_mm']:.1f} " in text
    assert f"({percents['whole_tumor']:.2f})" in text
    assert "Area of the whole tumour by slice" in text


def test_pdf_says_what_the_page_says(finished, found):
    text = text_of(finished.client.get(f"/api/cases/{finished.id}/report.pdf").data)
    segmented = found["dates"]["segmented"]
    assert "(Segmented) Tj" in text and f"({segmented[:10]} {segmented[11:16]} UTC) Tj" in text
    page = html.unescape(finished.client.get(f"/cases/{finished.id}/report").text)
    accuracy = TypeAdapter(Accuracy).validate_python(found["accuracy"])
    for sentence in (wording.origin(None), *wording.limits(None, accuracy)):
        assert sentence in page
        # Lines are broken in the PDF.
        assert all(word in text for word in escaped(sentence).split())
    assert f"over {found['accuracy']['patients']} patients" in text


def test_page_and_pdf_say_the_same(finished, found):
    sheet = sheet_of(changed(found))
    page = html.unescape(finished.client.get(f"/cases/{finished.id}/report").text)
    text = text_of(finished.client.get(f"/api/cases/{finished.id}/report.pdf").data)
    rows = [*sheet.identity, *sheet.measured, *sheet.lesions, *sheet.sequences, *sheet.made]
    rows += sheet.accuracy
    cells = [cell for row in rows for cell in row]
    cells += [cell for row in sheet.features for cell in astuple(row)]
    assert sheet.features and sheet.accuracy
    for cell in [*cells, sheet.accuracy_note, sheet.features_note, sheet.pictures_note]:
        assert cell in page, cell
        assert all(word in text for word in escaped(cell).split()), cell


def heights_of(pdf: bytes) -> list[float]:
    """Return how high above the paper's lower edge the texts of a page stand, in points, from below."""
    return sorted(float(y) for y in re.findall(r"BT [\d.]+ (-?[\d.]+) Td", text_of(pdf)))


def test_no_quarter_of_the_pdf_is_empty(found, results):
    nothing = VolumesMl(0.0, 0.0, 0.0, 0.0, 0.0)
    empty = replace(
        changed(found).measurements,
        volumes_ml=nothing,
        rano=None,
        location=None,
        areas_mm2=None,
        features=None,
    )
    for shown in (changed(found), changed(found, measurements=empty)):
        heights = heights_of(report_pdf.to_pdf(shown, results))
        # The lowest is the footer; the text ends above it, and not far above.
        assert 0 < heights[1] - heights[0] < A4_HEIGHT_PT / 20


def test_pdf_needs_no_colours_and_no_knowledge_of_sides(finished):
    text = text_of(finished.client.get(f"/api/cases/{finished.id}/report.pdf").data)
    for letters in ("NCR", "ED", "ET", "R", "L", "A", "P"):
        assert f"({letters}) Tj" in text


def test_pictures_of_the_pdf_have_one_height(finished):
    text = text_of(finished.client.get(f"/api/cases/{finished.id}/report.pdf").data)
    boxes = re.findall(r"([\d.]+) [\d.]+ ([\d.]+) (-?[\d.]+) re W", text)
    assert len(boxes) == 3
    assert len({height for _, _, height in boxes}) == 1
    right = max(float(left) + float(width) for left, width, _ in boxes)
    assert right <= (MARGIN + WIDTH) * PT_PER_MM + 0.1


def test_pdf_with_any_name(found, results):
    name = "病人 <b>**bold**</b> " + "x" * 200
    odd = changed(found, case={"name": name}, **warned("ż" * 300))
    assert report_pdf.to_pdf(odd, results).startswith(b"%PDF-")


def test_pdf_of_many_warnings_and_long_names_stays_one_page(found, results):
    lesion = NamedLesion(1, 0.1, "both", 9.0, 9, (1, 2, 3))
    lesions = tuple(replace(lesion, number=number) for number in range(1, 30))
    long = changed(
        found,
        measurements=replace(changed(found).measurements, named_lesions=lesions),
        case={"id": found["case"]["id"], "name": "W" * 200},
        dates=dict.fromkeys(("uploaded", "segmented", "corrected"), found["dates"]["segmented"]),
        message=wording.EMPTY_MESSAGE,
        **warned("a warning of many words " * 30, *["w" * 500] * 5),
        mask=MaskInfo(99, "corrected", 0, True),
        model=found["model"] | {"name": "M" * 200, "architecture": "a b " * 99},
        device="D" * 300,
        modalities=dict.fromkeys(found["modalities"], "W" * 250),
        missing_modalities=["t1"],
    )
    pdf = report_pdf.to_pdf(long, results)
    assert pdf.count(b"/Type /Page\n") == 1
    footer = A4_HEIGHT_PT - report_pdf.FOOTER * PT_PER_MM
    heights = heights_of(pdf)
    # The lowest is the footer itself.
    assert heights[0] > 0
    assert heights[1] > footer
    assert "more warnings stand in the other reports." in text_of(pdf)


def test_warnings_of_the_pdf_come_before_the_pictures(found, results):
    text = text_of(report_pdf.to_pdf(changed(found, **warned("Two look exchanged.")), results))
    assert text.index("Warning: Two look exchanged.") < text.index("(Axial ")


def test_a_missing_sequence_stands_in_every_report(finished_without):
    case, missing = finished_without
    url = f"/api/cases/{case.id}/report"
    found = case.client.get(f"{url}.json").json
    assert found["missing_modalities"] == [missing]
    assert missing not in found["modalities"]
    rows = list(csv.reader(io.StringIO(case.client.get(f"{url}.csv").text)))
    assert ["missing_modality", missing, ""] in rows
    text = text_of(case.client.get(f"{url}.pdf").data)
    assert f"({TITLES[missing]}) Tj" in text and "(Not given) Tj" in text
    shown = {"flair": "T2", "t2": "FLAIR"}[missing]
    assert re.search(rf"\(Coronal \d+/96, {shown}\)", text)
    assert re.search(r"\(Axial \d+/72, T1ce\)", text)


def text_of(pdf: bytes) -> str:
    """Return what the pages' streams hold, text among it; fpdf2 packs them and little else."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)
    unpacked = [zlib.decompress(stream) for stream in streams if stream[:1] == b"x"]
    return b"\n".join(unpacked).decode("latin-1")


def escaped(text: str) -> str:
    """Return a text as a PDF writes it."""
    return text.replace("(", r"\(").replace(")", r"\)")


def test_empty_result_is_no_finding(found):
    full = changed(found).measurements
    empty = replace(full, volumes_ml=VolumesMl(0.0, 0.0, 0.0, 0.0, 0.0))
    assert wording.message(empty, None) == "The model marked no voxels."
    corrected = MaskInfo(1, "corrected", 0, True)
    assert wording.message(empty, corrected) == "No voxels are marked in the corrected mask."
    assert wording.message(full, None) == ""


def test_label_convention(make_app, parts):
    app = make_app(label_convention="brats2023")
    client = app.test_client()
    case_id = client.post("/api/cases", data=parts).json["id"]
    with app.app_context():
        queue_runner(app).run_next()
    found = client.get(f"/api/cases/{case_id}/report.json").json
    assert found["label_convention"] == "brats2023"
    assert found["label_values"]["enhancing"] == 3
