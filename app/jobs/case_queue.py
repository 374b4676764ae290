"""The queue in the database: which case is taken next, and how each attempt at a case ends.

Attempts are numbered. An attempt can change a row only while the row is running under its number, so
one that was given up but is still running changes nothing.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import g

from app.analysis.record import CaseRecord
from app.errors import NotReady
from app.store import case_summary
from app.store.models import StoredCase, db
from model.errors import CaseError
from model.preparation.plan import Options

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3

GAVE_UP = {
    "code": "gave_up",
    "message": f"The server, or its database, stopped {MAX_ATTEMPTS} times while it worked on this "
    "case.",
    "hint": "The scans may be too large for its memory. Resample them to 1 mm, or ask whoever "
    "runs the server to look at its log.",
}
DISK_FULL = {
    "code": "disk_full",
    "message": f"The server's disk was full at {MAX_ATTEMPTS} attempts to save the results.",
    "hint": "Delete cases that are no longer needed, or ask whoever runs the server for space; then "
    "upload the scans again.",
}
NO_MEMORY = {
    "code": "out_of_memory",
    "message": f"The server's memory was too small at {MAX_ATTEMPTS} attempts.",
    "hint": "Resample the scans to 1 mm, or ask whoever runs the server for memory.",
}
TOO_LONG = {
    "code": "took_too_long",
    "message": f"The case took longer than it may at {MAX_ATTEMPTS} attempts.",
    "hint": "Resample the scans to 1 mm, or ask whoever runs the server to raise BTS_CASE_LIMIT_S.",
}
NO_DATABASE = {
    "code": "database_busy",
    "message": f"The database was busy or could not be reached at {MAX_ATTEMPTS} attempts to save "
    "the results.",
    "hint": "Ask whoever runs the server to look at its database; then upload the scans again.",
}
INTERNAL = {
    "code": "internal_error",
    "message": "Something went wrong while this case was being segmented.",
    "hint": "Ask whoever runs the server to look at its log for this case.",
}
# Values of a row that waits, and for which no message has been sent.
WAITING = {"state": "queued", "stage": "queued", "progress": 0.0, "sent_at": None}


def recover(started_before: datetime | None = None) -> None:
    """Queue interrupted cases again; give up those that failed too often.

    started_before : only cases that were started before this time
    """
    left = sa.update(StoredCase).where(StoredCase.state == "running")
    if started_before is not None:
        left = left.where(StoredCase.started_at < started_before)
    _log_left(started_before)
    gave_up = left.where(StoredCase.attempts >= MAX_ATTEMPTS)
    now = datetime.now(UTC)
    db.session.execute(gave_up.values(state="failed", stage="", error=GAVE_UP, finished_at=now))
    db.session.execute(left.values(WAITING))
    db.session.commit()


def _log_left(started_before: datetime | None) -> None:
    """Log which cases were interrupted."""
    left = sa.select(StoredCase.id, StoredCase.attempts).where(StoredCase.state == "running")
    if started_before is not None:
        left = left.where(StoredCase.started_at < started_before)
    for case_id, attempts in db.session.execute(left):
        g.case_id = case_id
        log.warning("case %s: was interrupted at attempt %d", case_id, attempts)
    g.pop("case_id", None)


def take_oldest() -> StoredCase | None:
    """Mark the next case as running and return it, detached from the session.

    Cases that failed before come last, so that one that crashes the server does not block others.
    """
    queued = sa.select(StoredCase).where(
        StoredCase.state == "queued", StoredCase.deleted_at.is_(None)
    )
    case = db.session.scalars(
        queued.order_by(StoredCase.attempts, StoredCase.created_at).limit(1)
    ).first()
    return case and _taken(case)


def take(case_id: str, sent_at: datetime, redelivered: bool) -> StoredCase | None:
    """Mark the case of a message as running; None if the message is out of date.

    sent_at : when the message was sent; only the last one counts
    redelivered : the message was given to another worker before, which is gone
    """
    g.case_id = case_id
    # By id alone: this waits for a row that is just being sent, and then reads its new values.
    select = sa.select(StoredCase).where(StoredCase.id == case_id).with_for_update()
    case = db.session.scalars(select).first()
    current = case is not None and case.sent_at == sent_at and case.deleted_at is None
    if not current or case.state not in ("queued", "running"):
        db.session.rollback()
        return None
    if case.state == "running":
        if not redelivered or case.attempts >= MAX_ATTEMPTS:
            db.session.rollback()
            if redelivered:
                fail(case, GAVE_UP)
            return None
        log.warning("case %s: was interrupted at attempt %d", case.id, case.attempts)
    return _taken(case)


def write(case: StoredCase, **values: Any) -> bool:
    """Update the row of a running attempt; return whether it still counts."""
    if values.get("state") == "failed":
        values |= {"stage": "", "progress": 1.0, "finished_at": datetime.now(UTC)}
    changed = _update(case, **values)
    db.session.commit()
    return changed


def finish(case: StoredCase, record: CaseRecord, publish: Callable[[], None]) -> bool:
    """Mark a case as done; return whether the attempt still counted.

    publish : moves the results to their place, while the row is locked
    """
    values = {"state": "done", "stage": "", "progress": 1.0, "record": record, "error": None}
    values |= case_summary.of_record(record, 0)
    counts = _update(case, **values, finished_at=datetime.now(UTC))
    if counts:
        publish()
    db.session.commit()
    return counts


def fail(case: StoredCase, error: dict[str, str]) -> str:
    """Mark a case as failed; return that in a word."""
    return "failed" if write(case, state="failed", error=error) else "deleted"


def postpone(case: StoredCase, error: dict[str, str]) -> str:
    """Queue a case again that failed for want of disk, memory or time, up to the last attempt."""
    log.error("case %s: %s", case.id, error["code"])
    if case.attempts >= MAX_ATTEMPTS:
        return fail(case, error)
    write(case, **WAITING)
    return "postponed"


def queue_again(case: StoredCase, options: Options, change: Callable[[], object]) -> None:
    """Queue a case that has ended, to be prepared and segmented anew.

    change : called while the row is locked, before anybody can take the case

    Raises NotReady while it has not, and CaseError `mask_corrected` where a correction would be lost.
    """
    if case.state not in ("done", "failed"):
        raise NotReady("The case is being segmented.", "Try again when it is done.")
    if case.masks:
        raise CaseError(
            "mask_corrected",
            "The mask was corrected by hand, which a new preparation would undo.",
            "Upload the scans as a new case.",
        )
    ended = sa.update(StoredCase).where(StoredCase.id == case.id, StoredCase.state == case.state)
    db.session.execute(ended.values(**WAITING, attempts=0, error=None, options=options))
    change()
    db.session.commit()


def hand_back(case: StoredCase) -> None:
    """Queue a case again as if it had not been taken."""
    write(case, **WAITING, attempts=StoredCase.attempts - 1)


def _update(case: StoredCase, **values: Any) -> bool:
    attempt = sa.update(StoredCase).where(
        StoredCase.id == case.id,
        StoredCase.state == "running",
        StoredCase.attempts == case.attempts,
    )
    return db.session.execute(attempt.values(**values)).rowcount > 0


def _taken(case: StoredCase) -> StoredCase:
    """Mark a case as running and return it, detached from the session."""
    case.state, case.stage, case.progress = "running", "load", 0.0
    case.attempts += 1
    case.started_at = datetime.now(UTC)
    db.session.commit()
    db.session.refresh(case)
    db.session.expunge(case)
    # Ends the transaction of the refresh, so that none stays open during the attempt.
    db.session.commit()
    return case
