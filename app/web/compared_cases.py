"""The two cases that the address of a comparison names, and how they differ."""

from flask import g, request

from app.analysis.comparison import differences, notes
from app.errors import BadRequest
from app.reporting import patient_schemas as schemas
from app.store import cases, patients
from app.store.models import StoredCase


def wanted_cases() -> tuple[StoredCase, StoredCase]:
    """Return the two finished cases that the address names.

    Either as `first` and `second`, or as two of `case`, of which the older one comes first: by the dates of the
    studies, where both are known, else by the uploads.
    Raises BadRequest, NotFound or NotReady.
    """
    ids = [request.args.get("first"), request.args.get("second")]
    if in_any_order := request.args.getlist("case"):
        ids = in_any_order
    if len(ids) != 2 or None in ids or ids[0] == ids[1]:
        raise BadRequest("Two cases are compared.", "Choose two in the worklist.", "two_cases")
    # For the audit log.
    g.case_id, g.with_case_id = (case_id[:64] for case_id in ids)
    found = [cases.find(case_id) for case_id in ids]
    for case in found:
        case.results()
    if in_any_order:
        days = {case.id: patients.point_of(case).study_date for case in found}
        dated = None not in days.values()
        found.sort(key=lambda case: (days[case.id] if dated else 0, case.created_at))
    return found[0], found[1]


def comparison_of(first: StoredCase, second: StoredCase) -> schemas.Comparison:
    """Return the differences of two finished cases, with what limits the comparison."""
    pairs = [(case.current_record, case.mask.info) for case in (first, second)]
    found = differences(pairs[0][0], pairs[1][0])
    return schemas.Comparison(
        first=_side(first),
        second=_side(second),
        volumes_ml=found.volumes_ml,
        brain_ml=found.brain_ml,
        rano=found.rano,
        lesions=found.lesions,
        notes=notes(*pairs),
    )


def _side(case: StoredCase) -> schemas.ComparedCase:
    return schemas.ComparedCase(
        id=case.id, name=case.name, created_at=case.created_at, mask=case.mask.info
    )
