"""Rows of cases as they are in the database now, and changed behind the application's back."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from app.store.models import StoredCase, db


def row(case_id) -> StoredCase:
    db.session.rollback()
    return db.session.get(StoredCase, case_id)


def change(case_id, **values):
    db.session.execute(sa.update(StoredCase).where(StoredCase.id == case_id).values(**values))
    db.session.commit()


def change_record(case_id: str, measurements: dict[str, Any] | None = None, **fields: Any) -> None:
    """Replace fields of a case's record, and of the measurements in it. Needs an app context."""
    case = row(case_id)
    changed = replace(case.record.measurements, **(measurements or {}))
    case.record = replace(case.record, measurements=changed, **fields)
    db.session.commit()
