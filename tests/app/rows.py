"""Rows of cases as they are in the database now, and changed behind the application's back."""

import sqlalchemy as sa

from app.store.models import StoredCase, db


def row(case_id) -> StoredCase:
    db.session.rollback()
    return db.session.get(StoredCase, case_id)


def change(case_id, **values):
    db.session.execute(sa.update(StoredCase).where(StoredCase.id == case_id).values(**values))
    db.session.commit()
