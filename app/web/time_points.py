"""Changing the place of a case in a series, by REST or by a form."""

from flask import request

from app.errors import BadRequest, NotFound
from app.intake.patient_match import as_day
from app.store import patients
from app.store.models import StoredCase

NEW = "new"


def change(case: StoredCase) -> None:
    """Change what the form of the request names: `study_date`, `patient`, `baseline`. Raises BadRequest."""
    form = request.form
    if not form.keys() & {"study_date", "patient", "baseline"}:
        raise BadRequest(
            "Nothing is to be changed.",
            "Send study_date, patient or baseline as fields of a form.",
            "bad_parameter",
        )
    day = as_day(form.get("study_date", ""))
    if form.get("study_date") and day is None:
        raise BadRequest("That is no date.", "Dates are YYYY-MM-DD.", "bad_parameter")
    if form.get("baseline", "0") not in ("0", "1"):
        raise BadRequest("baseline is 0 or 1.", code="bad_parameter")
    if "patient" in form:
        patients.move(case, None if form["patient"] == NEW else form["patient"])
    if "study_date" in form:
        patients.date_study(case, day)
    if "baseline" in form:
        patients.make_baseline(case, form["baseline"] == "1")


def page_key(case: StoredCase) -> str:
    """Return whose page is shown after a change by a form: that which it was sent from, if it is still there."""
    before = request.form.get("from", "")
    try:
        patients.members(before)
    except NotFound:
        return patients.point_of(case).patient_key
    return before
