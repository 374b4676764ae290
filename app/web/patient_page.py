"""What the pages of a patient show."""

from typing import Any

from app.config import settings
from app.reporting.patient_schemas import PatientSeries
from app.reporting.schemas import PatientAnswer
from app.reporting.series_wording import category
from app.reporting.timeline import timelines, when
from app.store import cases, worklist
from app.store.worklist import Wanted
from app.web.patient_series import series_of, summaries

# Cases that are offered to be put to a patient: the last ones.
MOST_OFFERED = 100
COLUMNS = (
    ("enhancing", "Enhancing", "mL", 1),
    ("whole_tumor", "Whole tumour", "mL", 1),
    ("product_mm2", "Product", "mm²", 0),
)


def list_context() -> dict[str, Any]:
    """Return the values of `patients.html`."""
    rows = [(row, title(row.patient, row.subject, row.name)) for row in summaries()]
    return {"patients": rows}


def context(key: str) -> dict[str, Any]:
    """Return the values of `patient.html` and `patient_report.html`. Raises NotFound."""
    series = series_of(key)
    done = [row for row in series.examinations if row.followed]
    return {
        "series": series,
        "title": title(series.patient, series.subject, series.examinations[-1].name),
        "done": done,
        "waiting": [row for row in series.examinations if not row.followed],
        "columns": COLUMNS,
        "charts": timelines(done, series.baseline),
        "when": when,
        "category_text": category,
        "priors": dict(zip([row.id for row in done[1:]], done, strict=False)),
        "offered": _offered(series),
        "show_dates": settings().show_patients,
    }


def title(who: PatientAnswer | None, subject: str, name: str) -> str:
    """Return what a patient is called, at last as the last case is."""
    found = who and (who.name or who.identifier)
    return found or (f"sub-{subject}" if subject else name)


def _offered(series: PatientSeries) -> list[tuple[str, str]]:
    """Return id and name of the caller's own cases that may be put to the patient."""
    known = {row.id for row in series.examinations}
    found = worklist.listing(Wanted(per_page=MOST_OFFERED)).items
    return [(case.id, case.name) for case in found if case.id not in known and cases.is_own(case)]
