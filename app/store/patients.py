"""Patients: cases that belong together, and when their studies were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from flask import g

from app.errors import BadRequest, NotFound
from app.store import cases
from app.store.case_summary import day_text
from app.store.models import StoredCase, db
from app.store.patient_keys import new_key
from app.store.patient_models import TimePoint

# Most patients of a list, the last uploaded first.
MOST_LISTED = 200


@dataclass(frozen=True)
class Member:
    """A case and its place in the series of its patient."""

    case: StoredCase
    point: TimePoint


def members(key: str) -> list[Member]:
    """Return the cases of a patient that the caller may read, oldest upload first. Raises NotFound without any."""
    g.patient_key = key[:32]
    found = _joined().where(TimePoint.patient_key == key).order_by(StoredCase.created_at)
    rows = [Member(*row) for row in db.session.execute(found)]
    if not rows:
        raise NotFound("There is no such patient.", "The cases may have been deleted or moved.")
    return rows


def point_of(case: StoredCase) -> TimePoint:
    """Return the place of a case in a series."""
    return db.session.get_one(TimePoint, case.id)


def listed(least: int = 1) -> list[list[Member]]:
    """Return the patients of whom the caller may read at least so many cases, the last uploaded first."""
    newest = sa.func.max(StoredCase.created_at)
    keys = (
        sa.select(TimePoint.patient_key)
        .join(StoredCase, StoredCase.id == TimePoint.case_id)
        .where(cases.readable())
        .group_by(TimePoint.patient_key)
        .having(sa.func.count() >= least)
        .order_by(newest.desc(), TimePoint.patient_key)
        .limit(MOST_LISTED)
    )
    wanted = list(db.session.scalars(keys))
    rows = db.session.execute(
        _joined().where(TimePoint.patient_key.in_(wanted)).order_by(StoredCase.created_at)
    )
    found: dict[str, list[Member]] = {key: [] for key in wanted}
    for row in rows:
        found[row[1].patient_key].append(Member(*row))
    return list(found.values())


def known_keys(wanted: Sequence[StoredCase]) -> dict[str, str]:
    """Return the key of the patient of each case of which more is known than the case itself, by the case's id.

    Headers or a BIDS label say whose it is, or the caller may read another case of the patient.
    """
    ids = [case.id for case in wanted]
    points = list(db.session.scalars(sa.select(TimePoint).where(TimePoint.case_id.in_(ids))))
    keys = {point.patient_key for point in points}
    counts = (
        sa.select(TimePoint.patient_key, sa.func.count())
        .join(StoredCase, StoredCase.id == TimePoint.case_id)
        .where(cases.readable(), TimePoint.patient_key.in_(keys))
        .group_by(TimePoint.patient_key)
    )
    count_of = dict(db.session.execute(counts).tuples().all())
    named = {case.id for case in wanted if case.patient}
    return {
        point.case_id: point.patient_key
        for point in points
        if point.case_id in named or point.subject or count_of.get(point.patient_key, 0) > 1
    }


def date_study(case: StoredCase, day: date | None) -> None:
    """Change the date of a case's study; None: not known. The caller has checked that it is theirs."""
    point_of(case).study_date = day
    case.study_date = day_text(day)
    db.session.commit()


def make_baseline(case: StoredCase, wanted: bool = True) -> None:
    """Let a case be the one that others of the patient are compared with, or the first again."""
    point = point_of(case)
    for member in members(point.patient_key):
        # Those of others stay as their owners want them.
        if cases.is_own(member.case):
            member.point.is_baseline = wanted and member.case.id == case.id
    db.session.commit()


def move(case: StoredCase, key: str | None) -> str:
    """Put a case to the cases of another patient, None: of a new one; return the patient's key.

    Raises BadRequest for a patient of whom the caller has no case.
    """
    if key is not None:
        try:
            members(key)
        except NotFound as error:
            raise BadRequest("There is no such patient.", error.hint, "bad_parameter") from error
    point = point_of(case)
    if key != point.patient_key:
        point.patient_key, point.is_baseline = key or new_key(), False
        db.session.commit()
    return point.patient_key


def put_together(wanted: Sequence[StoredCase]) -> str:
    """Make cases those of one patient, that of the first; return the key. The caller has checked that they are theirs."""
    key = point_of(wanted[0]).patient_key
    for case in wanted[1:]:
        move(case, key)
    return key


def _joined() -> sa.Select:
    return (
        sa.select(StoredCase, TimePoint)
        .join(TimePoint, StoredCase.id == TimePoint.case_id)
        .where(cases.readable())
    )
