"""The report of a finished case: a plain dict, and the same as CSV; `report_pdf` draws it."""

import csv
import io
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from app.analysis.pipeline import Analysis
from app.config import VERSION
from app.reporting import schemas, wording
from model.geometry import to_canonical
from model.inference.segmenter import Segmenter
from model.io.modalities import missing_modalities
from model.io.nifti import DISCLAIMER
from model.labels import DERIVED_TITLES, REGIONS, Convention

# Never worded as an absence of tumour: the model may have missed one.
EMPTY_MESSAGE = "The model marked no voxels."
VOLUME_TITLES = {region.key: region.title for region in REGIONS} | DERIVED_TITLES
PACKAGES = ("numpy", "nibabel")
# Scores of the model card that stand in a report.
ACCURACY = ("dice", "hd95_mm")
ACCURACY_TITLES = {"WT": "Whole tumour", "TC": "Tumour core", "ET": "Enhancing tumour"}


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
        "dates": {"segmented": datetime.now(UTC).isoformat(timespec="seconds")},
        "message": message(analysis.measurements),
        "measurements": analysis.measurements,
        "model": {
            "name": card.name,
            "version": card.version,
            "architecture": card.architecture,
            "checksum": card.checksum,
        },
        "accuracy": accuracy(card.scores),
        "engine": segmenter.engine_name,
        "device": segmenter.device,
        "label_convention": convention,
        "label_values": label_values(convention),
        "modalities": names,
        "missing_modalities": list(analysis.case.missing),
        "geometry": {
            "shape": [int(length) for length in analysis.case.shape],
            "spacing_mm": [float(edge) for edge in analysis.case.spacing_mm],
            "affine": segmentation.affine.tolist(),
            "canonical_affine": canonical_affine.tolist(),
            "brain_centre_mm": list(segmentation.brain_centre_mm),
        },
        "timings_s": {stage: round(float(s), 4) for stage, s in analysis.timings_s.items()},
        "warnings": list(segmentation.warnings),
        "software": {"brats-mobileunet": VERSION, "python": platform.python_version()}
        | {package: version(package) for package in (*PACKAGES, segmenter.engine_name)},
    }


def accuracy(scores: dict[str, Any]) -> dict[str, Any] | None:
    """Return the card's mean scores that a reader needs, None if it has none.

    scores : those of the model card
    """
    if not scores.get("regions"):
        return None
    regions = {
        short: {name: row.get(name) for name in ACCURACY}
        for short, row in scores["regions"].items()
    }
    return {"patients": scores.get("patients"), "regions": regions}


def accuracy_rows(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return title and scores of the regions that a report is read for, none without scores."""
    regions = (report.get("accuracy") or {}).get("regions", {})
    return [(title, regions[key]) for key, title in ACCURACY_TITLES.items() if key in regions]


def measurements_of(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report's measurements; what an earlier version did not take is None."""
    return schemas.Measurements(**report["measurements"]).model_dump()


def region_rows(measurements: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each region and derived region, in the order of all pages; what is not known
    is None.

    measurements : as `measurements_of` gives them
    """
    regions = {region.key: region for region in REGIONS}
    percents, confidences = measurements["percent_of_brain"], measurements["confidence"]
    return [
        {
            "key": key,
            "title": title,
            "short": regions[key].short if key in regions else None,
            "colour": regions[key].colour if key in regions else None,
            "ml": measurements["volumes_ml"][key],
            "percent": percents and percents[key],
            "confidence": confidences and confidences[key],
        }
        for key, title in VOLUME_TITLES.items()
    ]


def label_values(convention: Convention) -> dict[str, int]:
    """Return the value in the mask file by region."""
    return {
        region.key: region.value_2021 if convention == "brats2021" else region.value_2023
        for region in REGIONS
    }


def to_csv(report: dict[str, Any]) -> str:
    """Return the report as rows of quantity, value, unit."""
    measurements = measurements_of(report)
    rows = [
        ("quantity", "value", "unit"),
        ("disclaimer", report["disclaimer"], ""),
        *((f"case_{key}", value, "") for key, value in report["case"].items()),
        *((f"date_{key}", date, "") for key, date in (report.get("dates") or {}).items() if date),
        *((key, f"{ml:.3f}", "mL") for key, ml in measurements["volumes_ml"].items()),
        ("brain", f"{measurements['brain_ml']:.3f}", "mL"),
        ("voxel", f"{measurements['voxel_ml']:.6f}", "mL"),
        *_measurement_rows(measurements),
        ("mask", wording.mask(report.get("mask")), ""),
        *((f"model_{key}", value, "") for key, value in report["model"].items()),
        ("engine", report["engine"], ""),
        ("device", report["device"], ""),
        ("label_convention", report["label_convention"], ""),
        *_accuracy_rows(report.get("accuracy")),
        *((f"sequence_{key}", name, "") for key, name in report["modalities"].items()),
        *(("missing_modality", key, "") for key in missing_modalities(report["modalities"])),
        *_geometry_rows(report["geometry"]),
        *((f"time_{stage}", seconds, "s") for stage, seconds in report["timings_s"].items()),
        *(("warning", warning, "") for warning in report["warnings"]),
    ]
    if report["message"]:
        rows.append(("message", report["message"], ""))
    rows += _area_rows(measurements["areas_mm2"] or {})
    buffer = io.StringIO()
    csv.writer(buffer).writerows([no_formula(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _measurement_rows(measurements: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield what is known besides volumes.

    Slices count from 0, as in JSON; those called `number` count from 1, as on the pages.
    """
    for key, percent in (measurements["percent_of_brain"] or {}).items():
        yield f"percent_of_brain_{key}", f"{percent:.3f}", "%"
    for key, probability in (measurements["confidence"] or {}).items():
        if probability is not None:
            yield f"confidence_{key}", f"{probability:.3f}", ""
    if rano := measurements["rano"]:
        yield "rano_longest", f"{rano['longest_mm']:.2f}", "mm"
        yield "rano_perpendicular", f"{rano['perpendicular_mm']:.2f}", "mm"
        yield "rano_product", f"{rano['product_mm2']:.1f}", "mm2"
        yield "rano_slice", rano["slice"], ""
        yield "rano_slice_number", rano["slice"] + 1, "counted from 1"
        yield "rano_measurable", "yes" if rano["measurable"] else "no", ""
    for key, found in (measurements["lesions"] or {}).items():
        yield f"lesions_{key}", found, ""
    if location := measurements["location"]:
        yield "side", location["side"], ""
        yield "left_share", f"{location['left_share']:.3f}", ""
        yield from _point_rows("centre", location["centre_mm"])
    for plane, slices in measurements["slices"].items():
        yield f"slices_{plane}", slices["count"], ""
        if slices["largest"] is not None:
            yield f"largest_slice_number_{plane}", slices["largest"] + 1, "counted from 1"


def _point_rows(name: str, point_mm: Sequence[float]) -> Iterator[tuple[str, Any, str]]:
    """Yield a point (3,) in RAS+ mm."""
    for axis, mm in zip(("right", "anterior", "superior"), point_mm, strict=True):
        yield f"{name}_{axis}", round(mm, 1), "mm"


def _geometry_rows(geometry: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield the grid of the scans, along the axes of their files, and the brain's centre."""
    for axis, length, edge in zip("ijk", geometry["shape"], geometry["spacing_mm"], strict=True):
        yield f"shape_{axis}", length, "voxels"
        yield f"spacing_{axis}", f"{edge:.4f}", "mm"
    if centre_mm := geometry.get("brain_centre_mm"):
        yield from _point_rows("brain_centre", centre_mm)


def _accuracy_rows(accuracy: dict[str, Any] | None) -> Iterator[tuple[str, Any, str]]:
    """Yield the model's mean scores on patients not trained on, as far as they are known."""
    if not accuracy:
        return
    if accuracy["patients"] is not None:
        yield "accuracy_patients", accuracy["patients"], ""
    for short, row in accuracy["regions"].items():
        if row["dice"] is not None:
            yield f"accuracy_dice_{short}", f"{row['dice']:.3f}", ""
        if row["hd95_mm"] is not None:
            yield f"accuracy_hd95_{short}", f"{row['hd95_mm']:.2f}", "mm"


def _area_rows(areas: dict[str, list[float]]) -> list[tuple[str, str, str]]:
    """Return the slices with tumour, by plane and index from 0."""
    return [
        (f"area_{plane}_{index}", f"{mm2:.1f}", "mm2")
        for plane, values in areas.items()
        for index, mm2 in enumerate(values)
        if mm2
    ]


def no_formula(cell: Any) -> Any:
    """Keep a spreadsheet from running a name that begins like a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
