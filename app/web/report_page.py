"""What the printable report page shows of a finished case: the sheet of the PDF, with addresses of its pictures."""

from typing import Any

from flask import url_for

from app.reporting.key_images import KeyImage, look, picture_rows
from app.reporting.picture_row import picture_row
from app.reporting.report import report_of
from app.reporting.sheet import number, sheet_of
from app.store.models import StoredCase

# Width of a row of pictures, and the highest that it gets, in mm on paper.
ROW_WIDTH, ROW_HIGHEST = 186.0, 62.0


def context(case: StoredCase) -> dict[str, Any]:
    """Return the values of `report.html`. Raises NotReady while there is no report."""
    results, report = case.results(), report_of(case)
    return {
        "case": case,
        "sheet": sheet_of(report),
        "number": number,
        "rows": [
            picture_row(results, images, ROW_WIDTH, ROW_HIGHEST)
            for images in picture_rows(report.measurements, case.modalities)
        ],
        "row_width": ROW_WIDTH,
        "address": lambda image: _address(case, image),
    }


def _address(case: StoredCase, image: KeyImage) -> str:
    """Return where the slice of a key image is rendered."""
    how = look(image.modality)
    query = {"modality": how.modality, "opacity": f"{how.opacity:g}"}
    query |= {"outline": int(how.outline), "mask": case.mask.number}
    place = {"case_id": case.id, "plane": image.plane, "index": image.index}
    return url_for("slices.get_overlay", **place, **query)
