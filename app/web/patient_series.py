"""The series of a patient, as REST and pages have it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from flask import url_for

from app.analysis.response import CRITERIA
from app.analysis.series import Examination, follow, in_order
from app.reporting import patient_schemas as schemas
from app.reporting.series_wording import notes
from app.store import cases, pairs, patients
from app.store.models import StoredCase
from app.store.patients import Member
from app.web.case_answers import patient_fields, study_day


def series_of(key: str) -> schemas.PatientSeries:
    """Return all that is known of a patient's examinations. Raises NotFound."""
    members = {member.case.id: member for member in patients.members(key)}
    done = [member for member in members.values() if member.case.state == "done"]
    ordered = _with_new_lesions(in_order([_examination(member) for member in done]), members)
    followed = follow(ordered, _baseline(ordered, members)) if ordered else []
    waiting = [member for member in members.values() if member.case.state != "done"]
    rows = [_row(members[one.id], one) for one in followed]
    known = [(member.case.current_record, member.case.mask.info) for member in done]
    return schemas.PatientSeries(
        key=key,
        patient=_patient(members.values()),
        subject=_subject(members.values()),
        baseline=ordered[_baseline(ordered, members)].id if ordered else None,
        examinations=rows + [_row(member, None) for member in waiting],
        criteria=list(CRITERIA),
        notes=notes(known, undated=not all(one.study_date for one in ordered)),
    )


def earlier(case: StoredCase) -> list[Member]:
    """Return the finished examinations of a patient before that of a case, the latest first."""
    members = patients.members(patients.point_of(case).patient_key)
    done = {member.case.id: member for member in members if member.case.state == "done"}
    ordered = [one.id for one in in_order([_examination(member) for member in done.values()])]
    return [done[case_id] for case_id in reversed(ordered[: ordered.index(case.id)])]


def summaries() -> list[schemas.PatientSummary]:
    """Return the patients of whom the caller may read a case."""
    return [_summary(members) for members in patients.listed()]


def time_point(case: StoredCase) -> schemas.TimePointAnswer:
    """Return the place of a case in its series."""
    point = patients.point_of(case)
    return schemas.TimePointAnswer(
        patient=point.patient_key,
        url=url_for("patients.get_patient", key=point.patient_key),
        study_date=study_day(point),
        session=point.session,
        baseline=point.is_baseline,
    )


def _examination(member: Member) -> Examination:
    case, point = member.case, member.point
    return Examination(
        id=case.id,
        uploaded=case.created_at,
        measurements=case.current_record.measurements,
        study_date=point.study_date,
        session=point.session,
    )


def _with_new_lesions(
    ordered: Sequence[Examination], members: dict[str, Member]
) -> list[Examination]:
    """Return examinations with the new lesions of those to which the one before was registered."""
    found = list(ordered[:1])
    for before, one in pairwise(ordered):
        pair = pairs.find(members[one.id].case, members[before.id].case)
        found.append(replace(one, new_lesions=pair and pair.found.subtraction.new_lesions))
    return found


def _baseline(ordered: Sequence[Examination], members: dict[str, Member]) -> int:
    """Return the index of the examination that others are compared with: the last one chosen, else the first."""
    chosen = [at for at, one in enumerate(ordered) if members[one.id].point.is_baseline]
    return chosen[-1] if chosen else 0


def _row(member: Member, followed) -> schemas.PatientExamination:
    case, point = member.case, member.point
    return schemas.PatientExamination(
        id=case.id,
        name=case.name,
        url=url_for("cases.get_case", case_id=case.id),
        state=case.state,
        study_date=study_day(point),
        session=point.session,
        uploaded=case.created_at,
        may_change=cases.is_own(case),
        mask=case.mask.info if followed else None,
        followed=followed,
    )


def _summary(members: Sequence[Member]) -> schemas.PatientSummary:
    key = members[0].point.patient_key
    days = sorted(day for member in members if (day := study_day(member.point)))
    return schemas.PatientSummary(
        key=key,
        url=url_for("patients.get_patient", key=key),
        name=members[-1].case.name,
        patient=_patient(members),
        subject=_subject(members),
        examinations=len(members),
        first=days[0] if days else None,
        last=days[-1] if days else None,
    )


def _patient(members) -> schemas.PatientAnswer | None:
    """Return who the patient is, as the headers of the last upload that has some say."""
    known = [fields for member in members if (fields := patient_fields(member.case))]
    return known[-1] if known else None


def _subject(members) -> str:
    return next((member.point.subject for member in members if member.point.subject), "")
