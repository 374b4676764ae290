"""The worklist as a table for spreadsheets."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from app.analysis.measurements import VOLUME_KEYS
from app.reporting.csv_cells import rounded, write_rows
from app.store.models import StoredCase
from model.io.modalities import missing_modalities

HEAD = ("case", "name", "patient", "study_date", "uploaded", "state", "status", "missing_sequences")


def to_csv(cases: Iterable[StoredCase], *, show_patients: bool) -> str:
    """Return a row for each case; times are UTC, dates YYYYMMDD.

    show_patients : whether the columns of the patient are filled
    """
    buffer = io.StringIO()
    head = (*HEAD, *(f"{key}_ml" for key in VOLUME_KEYS), "warnings", "error", "note")
    write_rows(buffer, [head, *(tuple(_row(case, show_patients)) for case in cases)])
    return buffer.getvalue()


def _row(case: StoredCase, show_patients: bool) -> Iterator[Any]:
    yield case.id
    yield case.name
    yield case.patient_text if show_patients else ""
    yield (case.study_date or "") if show_patients else ""
    yield case.created_at.isoformat(timespec="seconds")
    yield case.state
    yield case.status
    yield " ".join(missing_modalities(case.modalities)) if case.modalities else ""
    volumes = case.volumes_ml
    for key in VOLUME_KEYS:
        yield rounded(volumes[key], 3) if volumes else ""
    yield " ".join(case.warning_texts or ())
    yield case.error["message"] if case.error else ""
    yield case.note
