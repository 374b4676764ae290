"""The report of a finished case as one A4 page."""

import io
from pathlib import Path
from typing import Any

from fpdf import FPDF, FontFace
from fpdf.enums import XPos, YPos

from app import overlay
from app.report import VOLUME_TITLES
from model.labels import REGIONS
from model.modalities import TITLES

TEXT_FONT = "Helvetica"


def to_pdf(report: dict[str, Any], results: Path) -> bytes:
    """Return one A4 page: measurements, key images of the three planes, provenance, disclaimer.

    results : folder of the finished case
    """
    pdf = FPDF(format="A4")
    pdf.set_title("Segmentation report")
    pdf.set_margin(15)
    pdf.set_auto_page_break(False)
    pdf.add_page()
    _heading(pdf, report)
    _images(pdf, report, results)
    _volumes(pdf, report)
    _provenance(pdf, report)
    pdf.set_xy(15, -18)
    _line(pdf, report["disclaimer"], 10, "B")
    return bytes(pdf.output())


def _heading(pdf: FPDF, report: dict[str, Any]) -> None:
    _line(pdf, "Brain tumour segmentation", 16, "B")
    _line(pdf, report["disclaimer"], 10, "B")
    _line(pdf, "  ".join(f"{key}: {value}" for key, value in report["case"].items()), 9)
    if report["message"]:
        _line(pdf, report["message"], 11, "B")
    pdf.ln(3)


def _images(pdf: FPDF, report: dict[str, Any], results: Path) -> None:
    """Draw the slice with the most tumour (or the middle one) of each plane side by side."""
    top, width, gap = pdf.get_y(), 57.0, 4.5
    bottom = top
    for column, plane in enumerate(overlay.PLANES):
        slices = report["measurements"]["slices"][plane]
        index = slices["count"] // 2 if slices["largest"] is None else slices["largest"]
        png = overlay.render_png(results, plane, index, overlay.Look(outline=True, opacity=1.0))
        width_mm, height_mm = overlay.size_mm(results, plane)
        height, left = width * height_mm / width_mm, 15 + column * (width + gap)
        pdf.image(io.BytesIO(png), x=left, y=top, w=width, h=height)
        letters = overlay.EDGE_LETTERS[plane]
        pdf.set_xy(left, top + height + 1)
        text = f"{plane} {index + 1}/{slices['count']}, {letters['left']} on the left"
        pdf.set_font(TEXT_FONT, size=8)
        pdf.cell(width, 4, text)
        bottom = max(bottom, top + height + 6)
    pdf.set_y(bottom)


def _volumes(pdf: FPDF, report: dict[str, Any]) -> None:
    pdf.set_font(TEXT_FONT, size=10)
    colours = {region.key: region.colour for region in REGIONS}
    with pdf.table(col_widths=(6, 90, 40), width=100, align="LEFT", text_align="LEFT") as table:
        table.row(("", "Region", "Volume, mL"))
        for key, ml in report["measurements"]["volumes_ml"].items():
            row = table.row()
            colour = colours.get(key)
            row.cell("", style=FontFace(fill_color=colour) if colour else None)
            row.cell(VOLUME_TITLES[key])
            row.cell(f"{ml:.2f}", align="RIGHT")
    _line(pdf, f"Brain: {report['measurements']['brain_ml']:.0f} mL", 9)
    _line(pdf, "Above: FLAIR, with the regions' outlines in the colours of the table.", 9)
    pdf.ln(2)


def _provenance(pdf: FPDF, report: dict[str, Any]) -> None:
    model, geometry = report["model"], report["geometry"]
    spacing = " x ".join(f"{edge:.2f}" for edge in geometry["spacing_mm"])
    _line(pdf, f"Model: {model['name']} {model['version']} ({model['architecture']})", 9)
    _line(pdf, f"Weights, SHA-256: {model['checksum']}", 8)
    _line(pdf, f"Run on {report['device']} ({report['engine']})", 9)
    _line(pdf, f"Grid: {' x '.join(map(str, geometry['shape']))} voxels of {spacing} mm", 9)
    for modality, name in report["modalities"].items():
        _line(pdf, f"{TITLES[modality]}: {name}", 9)
    times = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in report["timings_s"].items())
    _line(pdf, f"Times: {times}", 8)
    for warning in report["warnings"]:
        _line(pdf, f"Warning: {warning}", 9, "B")


def _line(pdf: FPDF, text: str, size: float, style: str = "") -> None:
    pdf.set_font(TEXT_FONT, style, size)
    # The fonts that every PDF reader has know Latin letters only.
    shown = text.encode("latin-1", "replace").decode("latin-1")
    pdf.multi_cell(0, size * 0.5, shown, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
