"""The worklist: the caller's cases, filtered, sorted and paged by the database."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from flask_sqlalchemy.pagination import Pagination
from sqlalchemy.orm import defer, lazyload

from app.config import settings
from app.errors import NotFound
from app.identity import current
from app.store import cases, removal
from app.store.models import StoredCase, db

# Most cases on one page, and most that are done something to at once.
MOST = 100
# What can be sorted by.
SORTS: dict[str, sa.ColumnElement] = {
    "created": StoredCase.created_at,
    "name": sa.func.lower(StoredCase.name),
    "patient": sa.func.lower(sa.func.nullif(StoredCase.patient_text, "")),
    "study_date": StoredCase.study_date,
    "sequences": StoredCase.sequence_count,
    "state": StoredCase.state,
    "status": StoredCase.status,
    "warnings": StoredCase.warning_count,
    "whole_tumor": StoredCase.whole_tumor_ml,
    "enhancing": StoredCase.enhancing_ml,
    "core": StoredCase.core_ml,
    "edema": StoredCase.edema_ml,
}
OF_PATIENTS = ("patient", "study_date")
ORDERS = ("desc", "asc")
# Cases that need a second look.
ONLY = {
    "warnings": StoredCase.warning_count > 0,
    "incomplete": sa.and_(StoredCase.sequence_count > 0, StoredCase.sequence_count < 4),
}


@dataclass(frozen=True)
class Wanted:
    """What of the worklist is wanted, and in which order; empty stands for any.

    query : part of the name, the note or, where patients are shown, of the patient's name or identifier
    state, status : of the cases ; only : a key of `ONLY` ; sort : a key of `SORTS`
    """

    page: int = 1
    per_page: int = 20
    query: str = ""
    state: str = ""
    status: str = ""
    only: str = ""
    sort: str = "created"
    order: str = "desc"

    @property
    def is_filtered(self) -> bool:
        return bool(self.query or self.state or self.status or self.only)


def listing(wanted: Wanted) -> Pagination:
    """Return one page of the caller's cases."""
    return db.paginate(
        _ordered(wanted),
        page=wanted.page,
        per_page=min(wanted.per_page, MOST),
        max_per_page=MOST,
        error_out=False,
    )


def everything(wanted: Wanted) -> list[StoredCase]:
    """Return all of the caller's cases that are wanted, whatever the page."""
    return list(db.session.scalars(_ordered(wanted)))


def chosen(ids: list[str]) -> list[StoredCase]:
    """Return those of some cases that are there and the caller may read, in the order given."""
    select = _light(sa.select(StoredCase).where(StoredCase.id.in_(ids[:MOST]), cases.readable()))
    found = {case.id: case for case in db.session.scalars(select)}
    return [found[case_id] for case_id in dict.fromkeys(ids) if case_id in found]


def hidden() -> list[StoredCase]:
    """Return the caller's own cases whose deletion can be undone, the last one first."""
    select = _light(sa.select(StoredCase).where(removal.undoable(), _own()))
    return list(db.session.scalars(select.order_by(StoredCase.deleted_at.desc()).limit(MOST)))


def find_hidden(case_id: str) -> StoredCase:
    """Return a case of the caller's own whose deletion can be undone. Raises NotFound."""
    select = sa.select(StoredCase).where(StoredCase.id == case_id, removal.undoable(), _own())
    case = db.session.scalars(select).first()
    if case is None:
        raise gone()
    return case


def gone() -> NotFound:
    """Return the error for a case that cannot be had back."""
    return NotFound("There is no such deleted case.", "A deletion can be undone for a minute.")


def seconds_left(case: StoredCase) -> int:
    """Return how long the deletion of a case can still be undone."""
    left = case.deleted_at + removal.UNDO - datetime.now(UTC)
    return max(0, int(left.total_seconds()))


def _ordered(wanted: Wanted) -> sa.Select:
    select = _light(sa.select(StoredCase).where(cases.readable()))
    if wanted.query:
        select = select.where(_holds(wanted.query))
    if wanted.state:
        select = select.where(StoredCase.state == wanted.state)
    if wanted.status:
        select = select.where(StoredCase.status == wanted.status)
    if wanted.only:
        select = select.where(ONLY[wanted.only])
    # Nor does the order tell of patients who are not shown.
    hidden = wanted.sort in OF_PATIENTS and not settings().show_patients
    key = SORTS["name" if hidden else wanted.sort]
    key = key.desc() if wanted.order == "desc" else key.asc()
    # What is not known comes last, whatever the order; cases of one value are in the order of their uploads.
    return select.order_by(key.nulls_last(), StoredCase.created_at.desc(), StoredCase.id)


def _light(select: sa.Select) -> sa.Select:
    """Leave out what the worklist does not show, which is most of a case."""
    return select.options(defer(StoredCase.record), lazyload(StoredCase.masks))


def _holds(query: str) -> sa.ColumnElement[bool]:
    searched = [StoredCase.name, StoredCase.note]
    # What is not shown is not found either.
    if settings().show_patients:
        searched.append(StoredCase.patient_text)
    return sa.or_(*(column.icontains(query, autoescape=True) for column in searched))


def _own() -> sa.ColumnElement[bool]:
    who = current()
    return sa.true() if who.is_admin else StoredCase.owner == who.name
