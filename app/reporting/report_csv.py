"""The report of a finished case as rows of quantity, value and unit."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from app.analysis.drawn import Drawn
from app.analysis.features import Features
from app.analysis.lesion_names import NamedLesion
from app.analysis.lesions import Location, from_brain_mm
from app.analysis.measurements import Measurements
from app.analysis.record import Accuracy, Geometry
from app.analysis.values import AreasMm2
from app.reporting import wording
from app.reporting.csv_cells import rounded, write_rows
from app.reporting.schemas import Report
from model.io.modalities import missing_modalities

Row = tuple[str, Any, str]


def to_csv(report: Report) -> str:
    """Return the report as a table."""
    measurements = report.measurements
    rows = [
        ("quantity", "value", "unit"),
        ("disclaimer", report.disclaimer, ""),
        *((f"case_{key}", value, "") for key, value in report.case.items()),
        *((f"date_{key}", date, "") for key, date in report.dates or () if date),
        *((key, rounded(ml, 3), "mL") for key, ml in measurements.volumes_ml.items()),
        ("brain", rounded(measurements.brain_ml, 3), "mL"),
        ("voxel", rounded(measurements.voxel_ml, 6), "mL"),
        *_measurement_rows(measurements),
        *_location_rows(measurements.location, report.geometry.brain_centre_mm),
        *_feature_rows(measurements.features),
        *_lesion_rows(measurements.named_lesions or ()),
        *_drawn_rows(report.annotations),
        ("mask", wording.mask(report.mask), ""),
        *((f"model_{key}", getattr(report.model, key), "") for key in _MODEL),
        ("engine", report.engine, ""),
        ("device", report.device, ""),
        ("label_convention", report.label_convention, ""),
        *_accuracy_rows(report.accuracy),
        *((f"sequence_{key}", name, "") for key, name in report.modalities.items()),
        *(("missing_modality", key, "") for key in missing_modalities(report.modalities)),
        *_geometry_rows(report.geometry),
        *((f"time_{stage}", seconds, "s") for stage, seconds in report.timings_s.items()),
        *(("warning", warning, "") for warning in report.warnings),
    ]
    if report.message:
        rows.append(("message", report.message, ""))
    rows += _area_rows(measurements.areas_mm2)
    buffer = io.StringIO()
    write_rows(buffer, rows)
    return buffer.getvalue()


_MODEL = ("name", "version", "architecture", "checksum")


def _measurement_rows(measurements: Measurements) -> Iterator[Row]:
    """Yield what is known besides volumes.

    Slices count from 0, as in JSON; those called `number` count from 1, as on the pages.
    """
    for key, percent in _items(measurements.percent_of_brain):
        yield f"percent_of_brain_{key}", rounded(percent, 3), "%"
    for key, probability in _items(measurements.confidence):
        if probability is not None:
            yield f"confidence_{key}", rounded(probability, 3), ""
    if rano := measurements.rano:
        yield "rano_longest", rounded(rano.longest_mm, 2), "mm"
        yield "rano_perpendicular", rounded(rano.perpendicular_mm, 2), "mm"
        yield "rano_product", rounded(rano.product_mm2, 1), "mm2"
        yield "rano_slice", rano.slice, ""
        yield "rano_slice_number", rano.slice + 1, "counted from 1"
        yield "rano_measurable", "yes" if rano.measurable else "no", ""
    for key, found in _items(measurements.lesions):
        yield f"lesions_{key}", found, ""
    for plane, slices in measurements.slices.items():
        yield f"slices_{plane}", slices.count, ""
        if slices.largest is not None:
            yield f"largest_slice_number_{plane}", slices.largest + 1, "counted from 1"


def _location_rows(
    location: Location | None, brain_centre_mm: Sequence[float] | None
) -> Iterator[Row]:
    """Yield side and centre of the whole tumour; the centre from the brain's, as on the pages."""
    if not location:
        return
    yield "side", location.side, ""
    yield "left_share", rounded(location.left_share, 3), ""
    if brain_centre_mm:
        offset_mm = from_brain_mm(location.centre_mm, brain_centre_mm)
        yield from _point_rows("centre_from_brain_mm", offset_mm, "mm from the brain's centre")


def _feature_rows(features: Features | None) -> Iterator[Row]:
    """Yield the features after VASARI, with their codes as in JSON."""
    if not features:
        return
    for key, share in features.proportions.items():
        yield f"proportion_{key}", rounded(share.percent, 2), "% of the whole tumour"
        yield f"proportion_{key}_bin", share.bin, ""
    if features.side:
        yield "side_of_tumour", features.side, ""
    if features.epicentre:
        yield "epicentre", features.epicentre, ""
    for key, crosses in _items(features.crosses_midline):
        yield f"crosses_midline_{key}", "yes" if crosses else "no", ""
    if features.focality:
        yield "focality", features.focality, ""
    yield "foci", features.foci, ""
    yield "satellites", features.satellites, ""
    if margin := features.margin:
        yield "enhancing_margin", margin.kind, ""
        yield (
            "enhancing_margin_thick",
            rounded(margin.thick_percent, 1),
            "% of the enhancing volume",
        )


def _items(values: Any) -> Iterator[tuple[str, Any]]:
    """Return keys and values of what was measured, none where it was not."""
    return values.items() if values else iter(())


def _point_rows(name: str, point_mm: Sequence[float], unit: str) -> Iterator[Row]:
    """Yield a point (3,): mm to the right, anterior, superior."""
    for axis, mm in zip(("right", "anterior", "superior"), point_mm, strict=True):
        yield f"{name}_{axis}", round(mm, 1), unit


def _geometry_rows(geometry: Geometry) -> Iterator[Row]:
    """Yield the grid of the scans, along the axes of their files, and the brain's centre."""
    for axis, length, edge in zip("ijk", geometry.shape, geometry.spacing_mm, strict=True):
        yield f"shape_{axis}", length, "voxels"
        yield f"spacing_{axis}", rounded(edge, 4), "mm"
    if geometry.brain_centre_mm:
        unit = "mm in the scanner's coordinates"
        yield from _point_rows("brain_centre_scanner_mm", geometry.brain_centre_mm, unit)


def _accuracy_rows(accuracy: Accuracy | None) -> Iterator[Row]:
    """Yield the model's mean scores on patients not trained on, as far as they are known."""
    if not accuracy:
        return
    if accuracy.patients is not None:
        yield "accuracy_patients", accuracy.patients, ""
    for short, row in accuracy.regions.items():
        if row["dice"] is not None:
            yield f"accuracy_dice_{short}", rounded(row["dice"], 3), ""
        if row["hd95_mm"] is not None:
            yield f"accuracy_hd95_{short}", rounded(row["hd95_mm"], 2), "mm"


def _lesion_rows(lesions: Sequence[NamedLesion]) -> Iterator[Row]:
    """Yield each lesion under its number."""
    for one in lesions:
        yield f"lesion_{one.number}", rounded(one.ml, 3), "mL"
        yield f"lesion_{one.number}_longest", rounded(one.longest_mm, 2), "mm"
        yield f"lesion_{one.number}_slice_number", one.slice + 1, "counted from 1"
        if one.side:
            yield f"lesion_{one.number}_side", one.side, ""


# Unit of what something drawn measures, by the name of its field.
_DRAWN = {
    "length_mm": "mm",
    "angle_deg": "degrees",
    "area_mm2": "mm2",
    "mean": "",
    "lowest": "",
    "highest": "",
    "pair_with": "",
    "longest_mm": "mm",
    "perpendicular_mm": "mm",
    "product_mm2": "mm2",
}


def _drawn_rows(drawn: Sequence[Drawn]) -> Iterator[Row]:
    """Yield what was drawn by hand, numbered from 1, and what it measures."""
    for item in drawn:
        start = f"drawn_{item.number}"
        yield f"{start}_tool", item.kind, ""
        yield f"{start}_plane", item.plane, ""
        yield f"{start}_slice_number", item.slice + 1, "counted from 1"
        yield f"{start}_sequence", item.modality, ""
        if item.text:
            yield f"{start}_text", item.text, ""
        for name, unit in _DRAWN.items():
            if (value := getattr(item, name)) is not None:
                yield f"{start}_{name}", value, unit


def _area_rows(areas: AreasMm2 | None) -> list[Row]:
    """Return the slices with tumour, by plane and index from 0."""
    return [
        (f"area_{plane}_{index}", rounded(mm2, 1), "mm2")
        for plane, values in _items(areas)
        for index, mm2 in enumerate(values)
        if mm2
    ]
