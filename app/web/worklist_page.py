"""What the worklist shows."""

from typing import Any

from flask_sqlalchemy.pagination import Pagination

from app.config import settings
from app.store import worklist
from app.store.models import StoredCase
from app.store.worklist import Wanted
from app.web import worklist_view
from app.web.case_answers import case_summary, patient_links
from model.io.modalities import TITLES, missing_modalities

# Columns that are numbers of the mask, in the order in which they are shown.
VOLUMES = {
    "whole_tumor": "Whole",
    "enhancing": "Enhancing",
    "core": "Core",
    "edema": "Edema",
}
STATUSES = {"unread": "Unread", "read": "Read", "to_correct": "To correct"}
# What a phone, which shows no heads of columns, offers to sort by.
SORT_TITLES = {
    "created": "Added",
    "name": "Case",
    "study_date": "Study date",
    "state": "State",
    "status": "Reading",
    "warnings": "Warnings",
    "whole_tumor": "Whole tumour",
    "enhancing": "Enhancing",
    "core": "Core",
    "edema": "Edema",
    "sequences": "Sequences",
}


def context(wanted: Wanted, found: Pagination) -> dict[str, Any]:
    """Return what the template of the worklist needs."""
    first = (wanted.page - 1) * wanted.per_page
    links = patient_links(found.items)
    return {
        "cases": [_row(case) | {"patient_link": links.get(case.id)} for case in found.items],
        "wanted": wanted,
        "pages": found.pages,
        "total": found.total,
        "shown": (first + 1, first + len(found.items)),
        "in_address": lambda **changes: worklist_view.in_address(wanted, **changes),
        "sorted_by": lambda sort: worklist_view.sorted_by(wanted, sort),
        "show_patients": settings().show_patients,
        "VOLUMES": VOLUMES,
        "STATUSES": STATUSES,
        "SORT_TITLES": SORT_TITLES,
        "undo": [(case, worklist.seconds_left(case)) for case in worklist.hidden()],
    }


def _row(case: StoredCase) -> dict[str, Any]:
    missing = [TITLES[key] for key in missing_modalities(case.modalities)]
    return case_summary(case) | {
        "warning_texts": case.warning_texts or [],
        # None are known of a study whose series have not been confirmed.
        "missing": missing if case.modalities else [],
    }
