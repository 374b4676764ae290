"""What the printable report page shows of a finished case: the sheet of the PDF, with addresses of its pictures."""

from typing import Any

from flask import url_for

from app.config import settings
from app.reporting.drawn import drawn_of
from app.reporting.drawn_images import IN_A_ROW, drawn_rows
from app.reporting.key_images import KeyImage, look, picture_rows
from app.reporting.picture_row import picture_row
from app.reporting.report import report_of
from app.reporting.sheet import number, sheet_of
from app.reporting.windows import Window
from app.store.models import StoredCase
from app.web.slice_query import windows_asked_for

# Width of a row of pictures, and the highest that it gets, in mm on paper.
ROW_WIDTH, ROW_HIGHEST = 186.0, 62.0


def context(case: StoredCase) -> dict[str, Any]:
    """Return the values of `report.html`. Raises NotReady while there is no report.

    Windows of the request, which the viewer hands on, are those of its pictures and of its PDF.
    """
    results, windows = case.results(), windows_asked_for()
    drawn = drawn_of(case, settings().limits)
    report = report_of(case, drawn)
    found = report.measurements
    chosen = {f"window_{name}": _text(window) for name, window in windows.items()}
    return {
        "case": case,
        "sheet": sheet_of(report),
        "number": number,
        "rows": [
            picture_row(results, images, ROW_WIDTH, ROW_HIGHEST)
            for images in picture_rows(found, case.modalities, drawn)
        ],
        "drawn_rows": [
            picture_row(results, images, ROW_WIDTH * len(images) / IN_A_ROW, ROW_HIGHEST)
            for images in drawn_rows(drawn, found, results.spacing_mm())
        ],
        "row_width": ROW_WIDTH,
        "address": lambda image: _address(case, image, windows.get(image.modality)),
        "pdf": url_for("reports.get_report_pdf", case_id=case.id, **chosen),
    }


def _address(case: StoredCase, image: KeyImage, window: Window | None) -> str:
    """Return where the slice of a key image is rendered."""
    how = look(image.modality, window)
    query = {"modality": how.modality, "opacity": f"{how.opacity:g}"}
    query |= {"outline": int(how.outline), "mask": case.mask.number}
    query |= {"window": _text(how.window)} if how.window else {}
    place = {"case_id": case.id, "plane": image.plane, "index": image.index}
    return url_for("slices.get_overlay", **place, **query)


def _text(window: Window) -> str:
    return ",".join(f"{value:.10g}" for value in window)
