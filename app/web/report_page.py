"""What the printable report page shows of a finished case."""

from typing import Any

from flask import url_for

from app.reporting import rendering, wording
from app.reporting.charts import area_charts
from app.reporting.key_images import KeyImage, frames, key_images, look
from app.reporting.report import accuracy_rows, region_rows, report_of
from app.store.models import StoredCase
from app.store.results import Results
from model.io.modalities import MODALITIES, TITLES

# Height of the row of pictures, and what lies between two of them, in units of its drawing.
ROW_HEIGHT, ROW_GAP = 100.0, 3.0


def context(case: StoredCase) -> dict[str, Any]:
    """Return the values of `report.html`. Raises NotReady while there is no report."""
    results, report = case.results(), report_of(case)
    measurements = report.measurements
    images = key_images(measurements, case.modalities)
    pictures = _pictures(case, results, images)
    return {
        "case": case,
        "report": report,
        "mask": wording.mask(report.mask),
        "measurements": measurements,
        "table": region_rows(measurements),
        "diameters": wording.diameters(measurements.rano),
        "not_measurable": wording.NOT_MEASURABLE,
        "facts": wording.facts(measurements, report.geometry.brain_centre_mm),
        "origin": wording.origin(report.mask),
        "no_statement": wording.NO_STATEMENT,
        "warnings": wording.other_warnings(report.warning_details),
        "limits": wording.limits(report.mask, report.accuracy),
        "pictures": pictures,
        "row_height": ROW_HEIGHT,
        "row_width": pictures[-1]["left"] + pictures[-1]["width"],
        "charts": area_charts(measurements.areas_mm2),
        "sequences": [(TITLES[key], case.modalities.get(key)) for key in MODALITIES],
        "accuracy_rows": accuracy_rows(report.accuracy),
        "accuracy_note": wording.accuracy(report.accuracy, report.missing_modalities),
    }


def _pictures(case: StoredCase, results: Results, images: list[KeyImage]) -> list[dict[str, Any]]:
    """Return the pictures of a row: the place of each in it, and the part of its slice in mm."""
    left, row = 0.0, []
    shown = frames(results, rendering.first_modality(case.modalities))
    for image in images:
        how = look(image.modality)
        query = {"modality": how.modality, "opacity": f"{how.opacity:g}"}
        query |= {"outline": int(how.outline), "mask": case.mask.number}
        width_mm, height_mm = rendering.size_mm(results, image.plane)
        x1, y1, x2, y2 = shown[image.plane]
        part = x1 * width_mm, y1 * height_mm, (x2 - x1) * width_mm, (y2 - y1) * height_mm
        width = ROW_HEIGHT * part[2] / part[3]
        place = {"case_id": case.id, "plane": image.plane, "index": image.index}
        row.append(
            {
                "plane": image.plane,
                "sequence": TITLES[image.modality],
                "index": image.index,
                "count": image.count,
                "left": left,
                "width": width,
                "part_mm": part,
                "size_mm": (width_mm, height_mm),
                "letters": rendering.EDGE_LETTERS[image.plane],
                "lines": [[(x * width_mm, y * height_mm) for x, y in line] for line in image.lines],
                "url": url_for("slices.get_overlay", **place, **query),
            }
        )
        left += width + ROW_GAP
    return row
