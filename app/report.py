"""The report of a finished case: a plain dict, and the same as CSV; `report_pdf` draws it."""

import csv
import io
import platform
from importlib.metadata import version
from typing import Any

from app.config import VERSION
from app.pipeline import Analysis
from model.geometry import to_canonical
from model.labels import DERIVED_TITLES, REGIONS, Convention
from model.nifti import DISCLAIMER
from model.segmenter import Segmenter

# Never worded as an absence of tumour: the model may have missed one.
EMPTY_MESSAGE = "The model marked no voxels."
VOLUME_TITLES = {region.key: region.title for region in REGIONS} | DERIVED_TITLES
PACKAGES = ("numpy", "nibabel")


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


def _no_formula(cell: Any) -> Any:
    """Keep a spreadsheet from running a name that begins like a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
