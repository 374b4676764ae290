"""Deliveries: which results go to which archive, and how that ended. Their rows are the queue.

A study that was received gets its rows together with its own, so that none is forgotten; they wait until the
case is done. A person may ask for more, also of a corrected mask.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.config import settings
from app.errors import NotReady
from app.store.models import Delivery, StoredCase, db

# Pauses between attempts, in seconds: the first, which doubles each time, and the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30, 3600
# With these pauses, a day of attempts.
MAX_ATTEMPTS = 31


def add_for_received(case: StoredCase) -> None:
    """Add the deliveries of a study that was received; the caller commits. Failed cases have no results."""
    if case.state == "failed":
        return
    now = datetime.now(UTC)
    for archive in settings().archives:
        db.session.add(_waiting(case.id, 0, archive.name, now))


def order(case: StoredCase) -> None:
    """Send the mask that counts to each archive, also where it was sent before.

    Raises NotReady `no_archive` where the settings name none.
    """
    archives, now = settings().archives, datetime.now(UTC)
    if not archives:
        raise NotReady(
            "No archive is set up.",
            "Ask whoever runs the server to set BTS_DICOM_SEND_TO or BTS_DICOMWEB_URL.",
            "no_archive",
        )
    # Two who ask at the same time wait for each other.
    locked = sa.select(StoredCase.id).where(StoredCase.id == case.id).with_for_update()
    db.session.execute(locked)
    for archive in archives:
        row = _waiting(case.id, case.mask.number, archive.name, now)
        values = {
            name: getattr(row, name) for name in ("state", "attempts", "created_at", "due_at")
        }
        known = sa.update(Delivery).where(*_is(row)).values(**values, sent_at=None, problem="")
        if not db.session.execute(known).rowcount:
            db.session.add(row)
    db.session.commit()


def of_case(case: StoredCase) -> list[Delivery]:
    """Return the deliveries of a finished case, oldest first; of others none, as there is nothing to send."""
    if case.state != "done":
        return []
    found = sa.select(Delivery).where(Delivery.case_id == case.id)
    return list(db.session.scalars(found.order_by(Delivery.created_at, Delivery.target)))


def take_due() -> Delivery | None:
    """Count a new attempt at the delivery that has waited longest; return it, detached from the session.

    Its next attempt is due after a pause, also if the process ends during this one.
    """
    now = datetime.now(UTC)
    due = (
        sa.select(Delivery)
        .join(StoredCase, StoredCase.id == Delivery.case_id)
        .where(Delivery.state == "waiting", Delivery.due_at <= now)
        .where(StoredCase.state == "done", StoredCase.deleted_at.is_(None))
    )
    row = db.session.scalars(due.order_by(Delivery.due_at).limit(1)).first()
    if row is None:
        return None
    row.attempts += 1
    row.due_at = now + _pause(row.attempts)
    db.session.commit()
    db.session.refresh(row)
    db.session.expunge(row)
    return row


def sent(row: Delivery) -> None:
    """Note that an attempt delivered everything."""
    _end(row, state="sent", sent_at=datetime.now(UTC), problem="")


def not_sent(row: Delivery, problem: str, *, final: bool = False) -> str:
    """Note why an attempt failed; return the state of the delivery.

    final : whether it makes no sense to try again
    """
    state = "failed" if final or row.attempts >= MAX_ATTEMPTS else "waiting"
    _end(row, state=state, problem=problem, due_at=datetime.now(UTC) + _pause(row.attempts))
    return state


def _end(row: Delivery, **values: object) -> None:
    # Somebody may have ordered the same anew meanwhile, which has its own attempts.
    same = sa.update(Delivery).where(*_is(row), Delivery.attempts == row.attempts)
    db.session.execute(same.values(**values))
    db.session.commit()


def _waiting(case_id: str, mask: int, target: str, now: datetime) -> Delivery:
    return Delivery(
        case_id=case_id,
        mask=mask,
        target=target,
        state="waiting",
        attempts=0,
        created_at=now,
        due_at=now,
        problem="",
    )


def _is(row: Delivery) -> tuple[sa.ColumnElement[bool], ...]:
    return Delivery.case_id == row.case_id, Delivery.mask == row.mask, Delivery.target == row.target


def _pause(attempts: int) -> timedelta:
    """Return how long to wait after an attempt, counted from 1."""
    return timedelta(seconds=min(FIRST_PAUSE_S * 2 ** (attempts - 1), LONGEST_PAUSE_S))
