"""What the page with two cases side by side shows."""

from dataclasses import asdict
from typing import Any

from flask import url_for

from app.analysis.comparison import Change, ComparedVolumes
from app.reporting import rendering
from app.reporting.key_images import frames, key_slice, look
from app.reporting.report import VOLUME_TITLES
from app.store.models import StoredCase
from app.web.compared_cases import comparison_of
from model.io.modalities import TITLES
from model.labels import REGIONS


def context(first: StoredCase, second: StoredCase) -> dict[str, Any]:
    """Return the values of `compare.html`."""
    found = comparison_of(first, second)
    return {
        "found": found,
        "pictures": [_picture(case) for case in (first, second)],
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


def _picture(case: StoredCase) -> dict[str, Any]:
    """Return the axial slice with the most tumour, outlined."""
    slices = case.current_record.measurements.slices.axial
    index = key_slice(slices)
    how = look(rendering.first_modality(case.modalities))
    width_mm, height_mm = rendering.size_mm(case.results(), "axial")
    x1, y1, x2, y2 = frames(case.results(), how.modality)["axial"]
    query = {"modality": how.modality, "opacity": f"{how.opacity:g}", "outline": 1}
    place = {"case_id": case.id, "plane": "axial", "index": index, "mask": case.mask.number}
    return {
        "url": url_for("slices.get_overlay", **place, **query),
        "index": index,
        "count": slices.count,
        "sequence": TITLES[how.modality],
        "part_mm": (x1 * width_mm, y1 * height_mm, (x2 - x1) * width_mm, (y2 - y1) * height_mm),
        "width_mm": width_mm,
        "height_mm": height_mm,
    }
