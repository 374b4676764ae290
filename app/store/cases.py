"""Cases: a row in the database and a folder each."""

import secrets
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from flask import g

from app.errors import Forbidden, NotFound, NotReady
from app.identity import current
from app.intake.study_case import StudyRecord
from app.store import case_summary, deliveries, patient_keys
from app.store.account_models import Share
from app.store.data_folder import deleted_ids
from app.store.models import StoredCase, db
from app.store.results import CaseFolder
from model.preparation.plan import Options
from model.warnings import CaseWarning


def new_id() -> str:
    """Return an id for a case: 128 random bits, which cannot be guessed."""
    return secrets.token_hex(16)


def keep(
    paths: Mapping[str, Path],
    names: Mapping[str, str],
    name: str,
    options: Options,
    *,
    case_id: str | None = None,
    study: StudyRecord | None = None,
    received: str | None = None,
    warnings: tuple[CaseWarning, ...] = (),
) -> StoredCase:
    """Move checked scans into a new case folder and queue the case; the row comes last.

    warnings : about files that came with the scans
    study : what is kept of the DICOM study that the scans are from
    received : see StoredCase
    """
    case = _new(name, options, case_id, study, received)
    case.state = case.stage = "queued"
    case.modalities, case.intake_warnings = dict(names), warnings
    case.sequence_count = len(names)

    def fill(folder: CaseFolder) -> None:
        folder.keep_scans(paths)
        if study is not None:
            folder.study.keep_source(study.source)

    return _kept(case, study, fill)


def keep_unconfirmed(
    folder: Path, name: str, options: Options, study: StudyRecord, *, received: str | None = None
) -> StoredCase:
    """Move the files of a DICOM study into a new case folder; its series wait to be confirmed.

    received : see StoredCase
    """
    case = _new(name, options, study=study, received=received)
    case.state, case.stage, case.modalities = "unconfirmed", "", {}
    return _kept(case, study, lambda kept: kept.study.keep_files(folder))


def keep_failed(
    error: Mapping[str, str], options: Options, received: str, study: StudyRecord | None = None
) -> StoredCase:
    """Keep a study that was received, and is no case, as one that has failed, so that somebody sees it.

    study : what is kept of it, where its headers could be read
    """
    case = _new("", options, study=study, received=received)
    case.state, case.stage, case.modalities = "failed", "", {}
    case.error, case.finished_at = dict(error), case.created_at
    return _kept(case, study, lambda folder: folder.path.mkdir(mode=0o700, parents=True))


def was_received(received: str) -> bool:
    """Say whether a study that was received has become a case already."""
    found = sa.select(StoredCase.id).where(StoredCase.received == received)
    return db.session.scalars(found).first() is not None


def is_done(study_uid: str) -> bool:
    """Say whether a study that was received has a case that is done; `study_uid` is its identifier."""
    patient = sa.type_coerce(StoredCase.patient, sa.JSON)
    found = sa.select(StoredCase.id).where(
        StoredCase.received.is_not(None),
        StoredCase.state == "done",
        StoredCase.deleted_at.is_(None),
        patient["study_uid"].as_string() == study_uid,
    )
    return db.session.scalars(found.limit(1)).first() is not None


def require_unconfirmed(case: StoredCase) -> None:
    """Raise NotReady for a case whose series have been confirmed, or that has none."""
    if case.folder.study.series() is None:
        raise NotReady(
            "The case is not from DICOM.", "Only DICOM studies have series.", "not_dicom"
        )
    if case.state != "unconfirmed":
        raise NotReady(
            "The series of this case have been confirmed already.",
            "Upload the study again to choose others.",
            "confirmed_already",
        )


def confirm(
    case: StoredCase, paths: Mapping[str, Path], names: Mapping[str, str], study: StudyRecord
) -> None:
    """Move the scans of confirmed series into the case folder and queue the case. Raises NotReady."""
    waits = sa.update(StoredCase).where(StoredCase.id == case.id, StoredCase.state == "unconfirmed")
    values = {"state": "queued", "stage": "queued", "modalities": dict(names)}
    values["sequence_count"] = len(names)
    if not db.session.execute(waits.values(**values)).rowcount:
        db.session.rollback()
        db.session.refresh(case)
        require_unconfirmed(case)
    # The row is locked until the commit: nobody takes the case before its scans are there.
    case.folder.keep_scans(paths)
    case.folder.study.keep_source(study.source)
    case.folder.study.change_series(study.table)
    db.session.commit()
    case.folder.study.drop_files()


def _new(
    name: str,
    options: Options,
    case_id: str | None = None,
    study: StudyRecord | None = None,
    received: str | None = None,
) -> StoredCase:
    case_id = g.case_id = case_id or new_id()
    return StoredCase(
        id=case_id,
        owner=current().name,
        name=name or f"Case {case_id[:8]}",
        created_at=datetime.now(UTC),
        options=options,
        patient=study and study.patient,
        received=received,
        **case_summary.of_patient(study and study.patient),
    )


def _kept(
    case: StoredCase, study: StudyRecord | None, fill: Callable[[CaseFolder], None]
) -> StoredCase:
    """Fill a case's folder, then add its row."""
    folder = case.folder
    try:
        fill(folder)
        if study is not None:
            folder.study.keep_series(study.table, study.pictures)
        db.session.add(case)
        patient_keys.add(case)
        if case.received:
            db.session.flush()
            deliveries.add_for_received(case)
        db.session.commit()
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return case


def find(case_id: str) -> StoredCase:
    """Return a case that the caller may read. Raises NotFound."""
    select = sa.select(StoredCase).where(StoredCase.id == case_id, readable())
    case = db.session.scalars(select).first()
    if case is None:
        raise NotFound("There is no such case.", "It may have been deleted.")
    return case


def find_own(case_id: str) -> StoredCase:
    """Return a case that the caller may change. Raises NotFound or Forbidden."""
    case = find(case_id)
    if not is_own(case):
        raise Forbidden("The case is shared with you for reading only.", "Ask its owner.")
    return case


def is_own(case: StoredCase) -> bool:
    """Say whether the caller may change a case, and not only read it."""
    return current().is_admin or case.owner == current().name


def readable() -> sa.ColumnElement[bool]:
    """Return the condition for cases that the caller may read, for queries of theirs."""
    who = current()
    there = sa.and_(StoredCase.deleted_at.is_(None), StoredCase.id.not_in(deleted_ids()))
    if who.is_admin:
        return there
    shared = sa.select(Share.case_id).where(Share.user_name == who.name)
    return there & sa.or_(StoredCase.owner == who.name, StoredCase.id.in_(shared))
