"""The report of a finished case: a plain dict, and the same as CSV and as a one-page PDF."""

import csv
import io
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fpdf import FPDF, FontFace
from fpdf.enums import XPos, YPos

from app import overlay
from app.config import VERSION
from app.pipeline import Analysis
from model.geometry import to_canonical
from model.labels import DERIVED_TITLES, REGIONS, Convention
from model.modalities import TITLES
from model.nifti import DISCLAIMER
from model.segmenter import Segmenter

# Never worded as an absence of tumour: the model may have missed one.
EMPTY_MESSAGE = "The model marked no voxels."
VOLUME_TITLES = {region.key: region.title for region in REGIONS} | DERIVED_TITLES
PACKAGES = ("numpy", "nibabel")
TEXT_FONT = "Helvetica"


def message(measurements: dict[str, Any]) -> str:
    """Return the one sentence that an empty result needs, else an empty string."""
    return "" if measurements["volumes_ml"]["whole_tumor"] > 0 else EMPTY_MESSAGE


def build(
    analysis: Analysis,
    segmenter: Segmenter,
    convention: Convention,
    names: dict[str, str],
    case: dict[str, str],
) -> dict[str, Any]:
    """Return the report as JSON can hold it.

    names : the files as their owner knows them, by modality; case : what identifies the case
    """
    segmentation, card = analysis.segmentation, segmenter.card
    _, canonical_affine = to_canonical(segmentation.labels, segmentation.affine)
    return {
        "disclaimer": DISCLAIMER,
        "case": case,
        "message": message(analysis.measurements),
        "measurements": analysis.measurements,
        "model": {
            "name": card.name,
            "version": card.version,
            "architecture": card.architecture,
            "checksum": card.checksum,
        },
        "engine": segmenter.engine_name,
        "device": segmenter.device,
        "label_convention": convention,
        "label_values": label_values(convention),
        "modalities": names,
        "geometry": {
            "shape": [int(length) for length in analysis.case.shape],
            "spacing_mm": [float(edge) for edge in analysis.case.spacing_mm],
            "affine": segmentation.affine.tolist(),
            "canonical_affine": canonical_affine.tolist(),
        },
        "timings_s": {stage: round(float(s), 4) for stage, s in analysis.timings_s.items()},
        "warnings": list(segmentation.warnings),
        "software": {"brats-mobileunet": VERSION, "python": platform.python_version()}
        | {package: version(package) for package in (*PACKAGES, segmenter.engine_name)},
    }


def label_values(convention: Convention) -> dict[str, int]:
    """Return the value in the mask file by region."""
    return {
        region.key: region.value_2021 if convention == "brats2021" else region.value_2023
        for region in REGIONS
    }


def to_csv(report: dict[str, Any]) -> str:
    """Return the report as rows of quantity, value, unit."""
    measurements = report["measurements"]
    rows = [
        ("quantity", "value", "unit"),
        ("disclaimer", report["disclaimer"], ""),
        *((f"case_{key}", value, "") for key, value in report["case"].items()),
        *((key, f"{ml:.3f}", "mL") for key, ml in measurements["volumes_ml"].items()),
        ("brain", f"{measurements['brain_ml']:.3f}", "mL"),
        ("voxel", f"{measurements['voxel_ml']:.6f}", "mL"),
        *((f"model_{key}", value, "") for key, value in report["model"].items()),
        ("engine", report["engine"], ""),
        ("device", report["device"], ""),
        ("label_convention", report["label_convention"], ""),
        *((f"time_{stage}", seconds, "s") for stage, seconds in report["timings_s"].items()),
        *(("warning", warning, "") for warning in report["warnings"]),
    ]
    if report["message"]:
        rows.append(("message", report["message"], ""))
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_no_formula(cell) for cell in row] for row in rows)
    return buffer.getvalue()


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


def _no_formula(cell: Any) -> Any:
    """Keep a spreadsheet from running a name that begins like a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
