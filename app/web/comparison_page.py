"""What the page with two cases side by side shows."""

from dataclasses import asdict
from typing import Any

from app.analysis.comparison import Change, ComparedVolumes
from app.reporting.report import VOLUME_TITLES
from app.store import cases, patients
from app.store.models import StoredCase
from app.web import compared_slices
from app.web.case_answers import study_day
from app.web.compared_cases import comparison_of
from model.labels import REGIONS


def context(first: StoredCase, second: StoredCase) -> dict[str, Any]:
    """Return the values of `compare.html`."""
    found = comparison_of(first, second)
    points = [patients.point_of(case) for case in (first, second)]
    return compared_slices.context(first, second) | {
        "found": found,
        "days": [study_day(point) for point in points],
        "patient_key": points[0].patient_key,
        "same_patient": points[0].patient_key == points[1].patient_key,
        "may_change": cases.is_own(second),
        "volumes": volume_rows(found.volumes_ml),
        "others": [
            ("RANO, longest diameter, mm", found.rano.longest_mm, 1),
            ("RANO, perpendicular, mm", found.rano.perpendicular_mm, 1),
            ("RANO, product, mm²", found.rano.product_mm2, 0),
            ("Lesions", found.lesions.whole_tumor, 0),
            ("Enhancing lesions", found.lesions.enhancing, 0),
            ("Brain, mL", found.brain_ml, 0),
        ],
    }


def volume_rows(volumes: ComparedVolumes) -> list[dict[str, Any]]:
    """Return one row for each region, in the order of all pages.

    The bars are in per cent of the largest volume of all.
    """
    shorts = {region.key: region.short for region in REGIONS}
    highest = max(max(row.first, row.second) for _, row in volumes.items()) or 1
    rows: list[tuple[str, str, Change]] = [
        (key, title, volumes[key]) for key, title in VOLUME_TITLES.items()
    ]
    return [
        asdict(row)
        | {
            "key": key,
            "title": title,
            "short": shorts.get(key),
            "shares": [round(100 * value / highest, 2) for value in (row.first, row.second)],
        }
        for key, title, row in rows
    ]
