"""Sending results of a case to archives because somebody asks for it, and what became of it."""

from typing import Any

from flask import current_app

from app.config import settings
from app.reporting import schemas
from app.store import deliveries
from app.store.models import StoredCase


def order(case: StoredCase) -> None:
    """Have the mask that counts sent to each archive.

    Raises NotReady: `not_dicom`, `no_archive`, or a code of `StoredCase.results`.
    """
    # Imported here: highdicom takes a second of the start.
    from app.reporting.dicom_results import results_of

    results_of(case)
    deliveries.order(case)
    current_app.extensions["dicom_node"].notify()


def delivery_answers(case: StoredCase) -> list[dict[str, Any]]:
    """Return the deliveries of a case, oldest first, as `schemas.Delivery`."""
    found = []
    for row in deliveries.of_case(case):
        fields = {name: getattr(row, name) for name in schemas.Delivery.model_fields}
        if row.state != "waiting":
            fields["due_at"] = None
        found.append(schemas.Delivery(**fields).model_dump(mode="json"))
    return found


def archive_context(case: StoredCase) -> dict[str, Any] | None:
    """Return what the page shows of archives; None where there is nothing to send, or nobody to send it to."""
    rows = delivery_answers(case)
    able = bool(settings().archives) and case.patient is not None and case.folder.study.has_source
    return {"able": able, "deliveries": rows} if able or rows else None
