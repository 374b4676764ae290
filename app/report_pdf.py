"""The report of a finished case as one A4 page."""

import io
from pathlib import Path
from typing import Any

from fpdf import FPDF, FontFace
from fpdf.enums import XPos, YPos

from app import overlay, wording
from app.charts import area_charts
from app.key_images import KeyImage, frames, key_images, look
from app.report import measurements_of, region_rows
from model.modalities import TITLES, missing_modalities

TEXT_FONT = "Helvetica"
MARGIN = 15.0
# Width of each of three columns, what lies between two, and the height of a chart, in mm.
COLUMN, GAP, CHART_HEIGHT = 57.0, 4.5, 10.0
BAR_COLOUR = (47, 110, 168)


def to_pdf(report: dict[str, Any], results: Path) -> bytes:
    """Return one A4 page: measurements, key images of the three planes, provenance, disclaimer.

    results : folder of the finished case
    """
    pdf = FPDF(format="A4")
    pdf.set_title("Segmentation report")
    pdf.set_margin(MARGIN)
    pdf.set_auto_page_break(False)
    pdf.add_page()
    measurements = measurements_of(report)
    _heading(pdf, report)
    _images(pdf, report["modalities"], measurements, results)
    _regions(pdf, measurements)
    _findings(pdf, measurements, report["geometry"].get("brain_centre_mm"))
    _charts(pdf, measurements)
    _provenance(pdf, report)
    pdf.set_xy(MARGIN, -15)
    _line(pdf, report["disclaimer"], 10, "B")
    return bytes(pdf.output())


def _heading(pdf: FPDF, report: dict[str, Any]) -> None:
    _line(pdf, "Brain tumour segmentation", 16, "B")
    _line(pdf, report["disclaimer"], 10, "B")
    _line(pdf, "  ".join(f"{key}: {value}" for key, value in report["case"].items()), 9)
    if report["message"]:
        _line(pdf, report["message"], 11, "B")
    pdf.ln(3)


def _images(
    pdf: FPDF, modalities: dict[str, str], measurements: dict[str, Any], results: Path
) -> None:
    """Draw one slice of each plane side by side, cut to the head, with the diameters in it."""
    top, bottom = pdf.get_y(), pdf.get_y()
    shown = frames(results, overlay.first_modality(modalities))
    for column, image in enumerate(key_images(measurements, modalities)):
        left = MARGIN + column * (COLUMN + GAP)
        x1, y1, x2, y2 = shown[image.plane]
        width_mm, height_mm = overlay.size_mm(results, image.plane)
        scale = COLUMN / ((x2 - x1) * width_mm)
        place = left - x1 * width_mm * scale, top - y1 * height_mm * scale
        size = width_mm * scale, height_mm * scale
        height = (y2 - y1) * size[1]
        with pdf.rect_clip(x=left, y=top, w=COLUMN, h=height):
            png = overlay.render_png(results, image.plane, image.index, look(image.modality))
            pdf.image(io.BytesIO(png), *place, *size)
            _diameters(pdf, image, place, size)
        letters = overlay.EDGE_LETTERS[image.plane]
        pdf.set_xy(left, top + height + 1)
        text = f"{TITLES[image.modality]}, {image.plane} {image.index + 1}/{image.count}, {letters['left']} on the left"
        pdf.set_font(TEXT_FONT, size=8)
        pdf.cell(COLUMN, 4, text)
        bottom = max(bottom, top + height + 5)
    pdf.set_y(bottom)
    _line(pdf, "The regions' outlines are in the colours of the table below.", 8)
    pdf.ln(1)


def _diameters(
    pdf: FPDF, image: KeyImage, place: tuple[float, float], size: tuple[float, float]
) -> None:
    """Draw the lines of a picture that lies at `place` with `size`, both in mm of the page."""
    pdf.set_draw_color(255)
    for ends in image.lines:
        (x1, y1), (x2, y2) = ((place[0] + x * size[0], place[1] + y * size[1]) for x, y in ends)
        pdf.line(x1, y1, x2, y2)
    pdf.set_draw_color(0)


def _regions(pdf: FPDF, measurements: dict[str, Any]) -> None:
    pdf.set_font(TEXT_FONT, size=9)
    with pdf.table(
        col_widths=(6, 84, 30, 30, 30), align="LEFT", text_align="LEFT", line_height=4.6
    ) as table:
        heading = table.row(("", "Region"))
        for title in ("Volume, mL", "% of brain", "Probability"):
            heading.cell(title, align="RIGHT")
        for found in region_rows(measurements):
            row = table.row()
            colour = found["colour"]
            row.cell("", style=FontFace(fill_color=colour) if colour else None)
            row.cell(found["title"])
            for name in ("ml", "percent", "confidence"):
                value = found[name]
                row.cell("-" if value is None else f"{value:.2f}", align="RIGHT")
    pdf.ln(1)


def _findings(pdf: FPDF, measurements: dict[str, Any], brain_centre_mm: list[float] | None) -> None:
    rano, parts = measurements["rano"], [f"Brain: {measurements['brain_ml']:.0f} mL"]
    parts += [f"{title}: {text}" for title, text in wording.facts(measurements, brain_centre_mm)]
    _line(pdf, "   ".join(parts), 9)
    if measurements["lesions"]:
        _line(pdf, f"RANO: {wording.diameters(rano)}{wording.place(rano)}", 9, "B")
    pdf.ln(1)


def _charts(pdf: FPDF, measurements: dict[str, Any]) -> None:
    """Draw the area per slice of each plane side by side, nothing where nothing was marked."""
    charts = area_charts(measurements["areas_mm2"])
    if not charts:
        return
    _line(pdf, "Area of the whole tumour by slice", 9, "B")
    top = pdf.get_y() + 1
    pdf.set_font(TEXT_FONT, size=7)
    for column, chart in enumerate(charts):
        left, step = MARGIN + column * (COLUMN + GAP), COLUMN / chart["count"]
        pdf.set_fill_color(*BAR_COLOUR)
        for bar in chart["bars"]:
            height = CHART_HEIGHT * bar["share"]
            x, y = left + bar["index"] * step, top + CHART_HEIGHT - height
            pdf.rect(x, y, step, height, "F")
        pdf.line(left, top + CHART_HEIGHT, left + COLUMN, top + CHART_HEIGHT)
        pdf.set_xy(left, top + CHART_HEIGHT + 0.5)
        first, last = chart["ends"]
        text = f"{chart['plane']}, {first} to {last}: max {chart['peak_cm2']:.1f} cm² in slice {chart['peak'] + 1}"
        pdf.cell(COLUMN, 4, text)
    pdf.set_y(top + CHART_HEIGHT + 6)


def _provenance(pdf: FPDF, report: dict[str, Any]) -> None:
    model, geometry = report["model"], report["geometry"]
    spacing = " x ".join(f"{edge:.2f}" for edge in geometry["spacing_mm"])
    _line(pdf, f"Mask: {wording.mask(report.get('mask'))}", 8, "B")
    _line(pdf, f"Model: {model['name']} {model['version']} ({model['architecture']})", 8)
    _line(pdf, f"Weights, SHA-256: {model['checksum']}", 8)
    _line(pdf, f"Run on {report['device']} ({report['engine']})", 8)
    _line(pdf, f"Grid: {' x '.join(map(str, geometry['shape']))} voxels of {spacing} mm", 8)
    for modality, name in report["modalities"].items():
        _line(pdf, f"{TITLES[modality]}: {name}", 8)
    for modality in missing_modalities(report["modalities"]):
        _line(pdf, f"{TITLES[modality]}: not given", 8)
    times = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in report["timings_s"].items())
    _line(pdf, f"Times: {times}", 8)
    if found := report.get("accuracy"):
        dice = ", ".join(f"{short} {row['dice']:.2f}" for short, row in found["regions"].items())
        _line(pdf, f"Mean Dice on patients not trained on: {dice}", 8)
    _line(pdf, " ".join(wording.NOTES), 7)
    for warning in report["warnings"]:
        _line(pdf, f"Warning: {warning}", 8, "B")


def _line(pdf: FPDF, text: str, size: float, style: str = "") -> None:
    pdf.set_font(TEXT_FONT, style, size)
    # The fonts that every PDF reader has know Latin letters only.
    shown = text.encode("latin-1", "replace").decode("latin-1")
    pdf.multi_cell(0, size * 0.5, shown, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
