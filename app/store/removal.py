"""Cases that go: their rows, their folders, and what a crash left behind."""

import contextlib
import shutil
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

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
    # As statements: the session would take a row that somebody else has just deleted for an error.
    rows = [
        sa.delete(Delivery).where(Delivery.case_id == case_id),
        sa.delete(StoredMask).where(StoredMask.case_id == case_id),
        sa.delete(StoredCase).where(StoredCase.id == case_id),
    ]
    for row in rows:
        db.session.execute(row, execution_options={"synchronize_session": False})
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
