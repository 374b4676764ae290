"""The rows of the queue: what is taken next, and how each attempt at a case ends."""

import logging
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.cases import StoredCase, db

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3

GAVE_UP = {
    "code": "gave_up",
    "message": f"The server stopped {MAX_ATTEMPTS} times while it worked on this case.",
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
INTERNAL = {
    "code": "internal_error",
    "message": "Something went wrong while this case was being segmented.",
    "hint": "Ask whoever runs the server to look at its log for this case.",
}


def recover() -> None:
    """Queue again what the last process left running; give up what failed too often."""
    left = sa.update(StoredCase).where(StoredCase.state == "running")
    gave_up = left.where(StoredCase.attempts >= MAX_ATTEMPTS)
    now = datetime.now(UTC)
    db.session.execute(gave_up.values(state="failed", stage="", error=GAVE_UP, finished_at=now))
    db.session.execute(left.values(state="queued", stage="queued", progress=0.0))
    db.session.commit()


def take_oldest() -> StoredCase | None:
    """Mark the next case as running and return it, detached from the session.

    Cases that have failed before come last, so that one that kills the server blocks no other.
    """
    queued = sa.select(StoredCase).where(StoredCase.state == "queued")
    case = db.session.scalars(
        queued.order_by(StoredCase.attempts, StoredCase.created_at).limit(1)
    ).first()
    if case is None:
        return None
    case.state, case.stage, case.progress = "running", "load", 0.0
    case.attempts += 1
    case.started_at = datetime.now(UTC)
    db.session.commit()
    db.session.refresh(case)
    db.session.expunge(case)
    # Ends the transaction of the refresh: none stays open while the case is being worked on.
    db.session.commit()
    return case


def write(case_id: str, **values: Any) -> bool:
    """Update a case; return whether it still exists."""
    if values.get("state") in ("done", "failed"):
        values |= {"stage": "", "progress": 1.0, "finished_at": datetime.now(UTC)}
    changed = db.session.execute(
        sa.update(StoredCase).where(StoredCase.id == case_id).values(**values)
    )
    db.session.commit()
    return changed.rowcount > 0


def fail(case_id: str, error: dict[str, str]) -> str:
    """Give a case up; return that in a word."""
    return "failed" if write(case_id, state="failed", error=error) else "deleted"


def postpone(case: StoredCase, error: dict[str, str]) -> str:
    """Queue a case again that the server had no room for, up to the last attempt."""
    log.error("case %s: %s", case.id, error["code"])
    if case.attempts >= MAX_ATTEMPTS:
        return fail(case.id, error)
    write(case.id, state="queued", stage="queued", progress=0.0)
    return "postponed"
