"""Cases that go: their rows, their folders, and what a crash left behind.

A case goes at once (`remove`), or in a minute (`hide`): until then nobody sees it, but who deleted it may have it
back. Its time of deletion stands in its row, so that a crash forgets none; `jobs.removals` looks for those that are due.
"""

import contextlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from app import audit
from app.store.account_models import Share
from app.store.data_folder import (
    case_folders,
    deleted_ids,
    staging_folders,
    staging_path,
    tombstone,
)
from app.store.db_errors import is_disk_full
from app.store.models import Delivery, StoredCase, StoredMask, db
from app.store.patient_models import TimePoint

# As statements: the session would take a row that somebody else has just deleted for an error.
UNSYNCHRONIZED = {"synchronize_session": False}
# How long a deletion can be undone.
UNDO = timedelta(minutes=1)
# Of cases that are deleted for good from now on, whatever the clock says.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def hide(case: StoredCase) -> datetime | None:
    """Delete a case in a minute; return until when that can be undone.

    Where the disk is too full to write that down, the case is deleted at once: None.
    """
    now = datetime.now(UTC)
    try:
        _change_hidden(case.id, StoredCase.deleted_at.is_(None), now)
    except (sa.exc.OperationalError, OSError) as error:
        db.session.rollback()
        if not is_disk_full(error):
            raise
        remove(case)
        return None
    return now + UNDO


def restore(case: StoredCase) -> bool:
    """Undo `hide`; return whether there was still time."""
    # A message that was dropped meanwhile is sent again.
    return _change_hidden(case.id, undoable(), None, sent_at=None)


def undoable() -> sa.ColumnElement[bool]:
    """Return the condition for cases whose deletion can be undone."""
    return StoredCase.deleted_at > datetime.now(UTC) - UNDO


def remove_hidden() -> int:
    """Delete the cases whose minute is over; return how many."""
    now = datetime.now(UTC)
    # A time in the future was written by a clock that has been put back since.
    over = sa.or_(StoredCase.deleted_at <= now - UNDO, StoredCase.deleted_at > now + UNDO)
    doomed = db.session.scalars(sa.select(StoredCase.id).where(over)).all()
    for case_id in doomed:
        with contextlib.suppress(sa.exc.OperationalError, OSError):
            # From now on another process, whose clock differs, cannot restore it. Where the disk is too full
            # for that, it cannot restore it either.
            _change_hidden(case_id, over, LONG_AGO)
        db.session.rollback()
        case = db.session.get(StoredCase, case_id)
        # Another process may have deleted it, or its owner have restored it.
        if case is not None and case.deleted_at is not None:
            remove(case)
            audit.write("purge", case_id)
    return len(doomed)


def _change_hidden(
    case_id: str, condition: sa.ColumnElement[bool], deleted_at: datetime | None, **values: object
) -> bool:
    changed = sa.update(StoredCase).where(StoredCase.id == case_id, condition)
    values |= {"deleted_at": deleted_at}
    done = db.session.execute(changed.values(values), execution_options=UNSYNCHRONIZED).rowcount
    db.session.commit()
    return done > 0


def remove(case: StoredCase) -> None:
    """Delete a case: row, scans and results. A running attempt notices and ends.

    Where the disk is too full for the database to delete a row, the files go first. If what they free is not enough,
    the row goes later: `finish_removals`.
    """
    case_id, folder = case.id, case.folder.path
    try:
        _remove_rows(case_id)
    except (sa.exc.OperationalError, OSError) as error:
        if not is_disk_full(error):
            raise
        db.session.rollback()
        # Needs no room. From now on nobody sees the case.
        folder.replace(tombstone(case_id))
        _empty(tombstone(case_id))
        _remove_from_others(case_id)
        finish_removals()
        return
    _remove_folder(folder)
    _remove_from_others(case_id)
    _checkpoint()


def finish_removals() -> None:
    """Delete the rows of deleted cases that found no room to go, if they do now."""
    for case_id in deleted_ids():
        try:
            _remove_rows(case_id)
        except (sa.exc.OperationalError, OSError) as error:
            db.session.rollback()
            if not is_disk_full(error):
                raise
            return
        shutil.rmtree(tombstone(case_id), ignore_errors=True)
        _checkpoint()


def _checkpoint() -> None:
    """Empty SQLite's log, which would keep the content of deleted rows for a while."""
    if db.engine.dialect.name == "sqlite":
        with contextlib.suppress(sa.exc.OperationalError):
            db.session.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.commit()


def _remove_from_others(case_id: str) -> None:
    """Delete what was made of a case in the folders of others, to which it was registered."""
    for folder in case_folders():
        folder.registered.drop(case_id)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove_rows(case_id: str) -> None:
    # First, so that masks that are being added at this moment are deleted too.
    locked = sa.select(StoredCase.id).where(StoredCase.id == case_id).with_for_update()
    db.session.execute(locked)
    db.session.execute(sa.delete(Share).where(Share.case_id == case_id))
    db.session.execute(sa.delete(TimePoint).where(TimePoint.case_id == case_id))
    rows = [
        sa.delete(Delivery).where(Delivery.case_id == case_id),
        sa.delete(StoredMask).where(StoredMask.case_id == case_id),
        sa.delete(StoredCase).where(StoredCase.id == case_id),
    ]
    for row in rows:
        db.session.execute(row, execution_options=UNSYNCHRONIZED)
    db.session.commit()


def _remove_folder(folder: Path) -> None:
    """Delete a case's folder, also on a full disk."""
    doomed = staging_path()
    try:
        # Renamed first, so that nothing is added to it while it is being deleted.
        folder.replace(doomed)
    except FileNotFoundError:
        return
    except OSError:
        # The disk is too full even for a rename.
        doomed = folder
    shutil.rmtree(doomed)


def remove_leftovers(before: datetime) -> None:
    """Delete what a crash left behind: staged files, and folders of cases and masks without a row.

    Only those last changed before the time given, so that uploads going on are left alone.
    """
    known = set(db.session.scalars(sa.select(StoredCase.id)))
    rows = db.session.execute(sa.select(StoredMask.case_id, StoredMask.folder))
    masks = {(case_id, folder) for case_id, folder in rows}
    doomed = staging_folders()
    for folder in case_folders():
        if folder.path.name not in known:
            doomed.append(folder.path)
        doomed += [
            folder.path / name
            for name in folder.corrected()
            if (folder.path.name, name) not in masks
        ]
        registered = folder.registered
        doomed += [registered.path(one) for one in registered.ids() if one not in known]
    for path in doomed:
        if path.exists() and path.stat().st_mtime < before.timestamp():
            shutil.rmtree(path, ignore_errors=True)
