"""Whose case a new one is: the place that it gets in a series."""

import secrets

import sqlalchemy as sa

from app.intake.patient_match import is_same, labels_in, study_day
from app.store.case_summary import day_text
from app.store.models import StoredCase, db
from app.store.patient_models import TimePoint


def add(case: StoredCase) -> None:
    """Put a new case to the cases of its patient, if the owner has any; the caller commits.

    Only among the owner's own: identifiers of two hospitals may be alike.
    """
    names = (case.name, *case.modalities.values())
    labels = labels_in(names)
    key = _key_by_headers(case) if case.patient else _key_by_subject(case, labels.subject)
    day = study_day(case.patient, labels)
    case.study_date = day_text(day)
    db.session.add(
        TimePoint(
            case_id=case.id,
            patient_key=key or new_key(),
            study_date=day,
            subject=labels.subject[:64],
            session=labels.session[:64],
            is_baseline=False,
        )
    )


def new_key() -> str:
    """Return a key for a patient: 128 random bits, from which nothing follows."""
    return secrets.token_hex(16)


def _key_by_headers(case: StoredCase) -> str | None:
    """Return the key of the owner's last case whose headers are of the same patient."""
    found = (
        sa.select(StoredCase.patient, TimePoint.patient_key)
        .join(TimePoint, StoredCase.id == TimePoint.case_id)
        .where(StoredCase.owner == case.owner, StoredCase.patient.is_not(None))
        .order_by(StoredCase.created_at.desc())
    )
    for patient, key in db.session.execute(found):
        if patient is not None and is_same(case.patient, patient):
            return key
    return None


def _key_by_subject(case: StoredCase, subject: str) -> str | None:
    """Return the key of the owner's last case with the same BIDS label."""
    if not subject:
        return None
    found = (
        sa.select(TimePoint.patient_key)
        .join(StoredCase, StoredCase.id == TimePoint.case_id)
        .where(StoredCase.owner == case.owner, TimePoint.subject == subject)
        .order_by(StoredCase.created_at.desc())
    )
    return db.session.scalars(found.limit(1)).first()
