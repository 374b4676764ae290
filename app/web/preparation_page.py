"""What the page on the preparation of a case shows."""

from typing import Any

from flask import url_for

from app.reporting import rendering, wording
from app.store import cases
from app.store.models import StoredCase
from app.web.slice_query import require_brain
from model.io.modalities import MODALITIES

# Codes of warnings that are about the preparation.
ABOUT_PREPARATION = (
    "registration_poor",
    "displaced_sequences",
    "brain_volume",
    "field_of_view",
    "tumour_at_brain_edge",
)


def context(case: StoredCase) -> dict[str, Any]:
    """Return the values of `preparation.html`. Raises NotReady, and NotFound for cases of earlier versions."""
    results, record = case.results(), case.record
    require_brain(results)
    preparation = record.preparation
    others = [m for m in MODALITIES if m in case.modalities and m != preparation.reference]
    query = {"regions": "", "brain": 1, "mask": 0, "made": int(case.finished_at.timestamp())}
    return {
        "case": case,
        "preparation": preparation,
        "others": others,
        "lines": {m: wording.registered(preparation.registered.get(m)) for m in others},
        "warnings": [w.text for w in record.warnings if w.code in ABOUT_PREPARATION],
        "planes": [_plane(case, plane) for plane in rendering.PLANES],
        "query": query,
        "summary": wording.preparation(preparation),
        "corrected": bool(case.masks),
        "may_change": cases.is_own(case),
        "brain": url_for("volumes.get_brain", case_id=case.id),
    }


def _plane(case: StoredCase, plane: str) -> dict[str, Any]:
    results = case.results()
    count = rendering.slice_count(results, plane)
    width_mm, height_mm = rendering.size_mm(results, plane)
    return {
        "plane": plane,
        "count": count,
        "index": _middle_of_brain(case, plane, count),
        "width_mm": width_mm,
        "height_mm": height_mm,
        "labels": rendering.EDGE_LETTERS[plane],
    }


def _middle_of_brain(case: StoredCase, plane: str, count: int) -> int:
    slices = rendering.brain_slices(case.results(), plane)
    return (slices[0] + slices[1]) // 2 if slices else count // 2
