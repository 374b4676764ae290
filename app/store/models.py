"""The tables of the database: cases, their masks, deliveries to archives, and workers."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.analysis.record import (
    CaseRecord,
    MaskFindings,
    MaskInfo,
    findings_from_json,
    record_from_json,
    to_json,
)
from app.errors import NotReady
from app.intake.dicom_study import Patient
from app.store.case_summary import CaseSummary
from app.store.data_folder import case_folder
from app.store.results import MODEL_RESULTS, CaseFolder, Results
from model.preparation.plan import Options
from model.preparation.record import Origin
from model.warnings import CaseWarning

# `unconfirmed`: a DICOM study whose series wait to be confirmed by a person.
STATES = ("unconfirmed", "queued", "running", "done", "failed")
# By which the worklist is sorted without a look at every case.
SORTED = (
    *("created_at", "study_date", "sequence_count", "status", "warning_count"),
    *("whole_tumor_ml", "enhancing_ml", "core_ml", "edema_ml"),
)


class UtcDateTime(sa.TypeDecorator):
    """A time with a time zone, stored as UTC, since SQLite does not store time zones."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class RecordJson(sa.TypeDecorator):
    """A CaseRecord, stored as JSON."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: CaseRecord | None, dialect: sa.Dialect) -> Any:
        return value and to_json(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> CaseRecord | None:
        return record_from_json(value) if value else None


class OptionsJson(sa.TypeDecorator):
    """Options of the preparation, stored as JSON; none, as cases of earlier versions have, are the defaults."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Options | None, dialect: sa.Dialect) -> Any:
        return asdict(value or Options())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Options:
        return Options(**value) if value else Options()


class WarningsJson(sa.TypeDecorator):
    """Warnings, stored as JSON; none as null."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[CaseWarning, ...], dialect: sa.Dialect) -> Any:
        return [asdict(warning) for warning in value] if value else None

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> tuple[CaseWarning, ...]:
        return tuple(CaseWarning(**fields) for fields in value or ())


class PatientJson(sa.TypeDecorator):
    """A Patient, stored as JSON."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Patient | None, dialect: sa.Dialect) -> Any:
        return value and asdict(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Patient | None:
        return Patient(**value) if value else None


class FindingsJson(sa.TypeDecorator):
    """MaskFindings, stored as JSON; None, the model's own mask, as an empty object."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: MaskFindings | None, dialect: sa.Dialect) -> Any:
        return to_json(value) if value else {}

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> MaskFindings | None:
        return findings_from_json(value) if value else None


class Base(DeclarativeBase):
    """Base of the tables."""


db = SQLAlchemy(model_class=Base)


class StoredCase(CaseSummary, db.Model):
    """One uploaded case and, once it is done, its record."""

    __tablename__ = "cases"
    __table_args__ = tuple(
        sa.Index(f"ix_cases_shown_{name}", "deleted_at", name) for name in SORTED
    )

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    # Name of the user who uploaded it; empty where there are no named users.
    owner: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    stage: Mapped[str] = mapped_column(sa.String(32), default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When its message was sent, with BTS_BROKER_URL.
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The files' names as their owner knows them, by modality.
    modalities: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    options: Mapped[Options] = mapped_column(OptionsJson, nullable=True)
    # About files that came with the scans.
    intake_warnings: Mapped[tuple[CaseWarning, ...]] = mapped_column(WarningsJson, nullable=True)
    # Of a DICOM study: whose it is.
    patient: Mapped[Patient | None] = mapped_column(PatientJson)
    # Of a study that another program sent: the name of the folder in which it was received.
    received: Mapped[str | None] = mapped_column(sa.String(64), index=True, unique=True)
    # Of the model's mask.
    record: Mapped[CaseRecord | None] = mapped_column("report", RecordJson)
    # Since when nobody sees it; see `removal.hide`.
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # Corrected masks, oldest first; the last one counts.
    masks: Mapped[list["StoredMask"]] = relationship(
        order_by="StoredMask.number", cascade="all, delete-orphan", lazy="selectin"
    )

    @property
    def mask(self) -> "StoredMask":
        """The mask that counts: the last one, else the model's."""
        return self.all_masks[-1]

    @property
    def all_masks(self) -> list["StoredMask"]:
        """The model's mask and the corrected ones, in the order of their numbers."""
        return [StoredMask.of_model(self), *self.masks]

    @property
    def current_record(self) -> CaseRecord | None:
        """The record of the mask that counts; None while the case is not done."""
        return self.record and self.mask.record(self.record)

    @property
    def folder(self) -> CaseFolder:
        return case_folder(self.id)

    @property
    def scans(self) -> dict[str, Path]:
        """The files of the sequences, by modality."""
        return {modality: self.folder.scan(modality) for modality in self.modalities}

    @property
    def origin(self) -> Origin:
        """What the scans came as."""
        return "dicom" if self.patient else "nifti"

    def results(self, mask: "StoredMask | None" = None) -> Results:
        """Return the results of a mask, by default of the one that counts.

        Raises NotReady while there are none.
        """
        if self.state == "failed":
            raise NotReady(self.error["message"], self.error["hint"], "case_failed")
        if self.state == "unconfirmed":
            raise NotReady(
                "The series of the study have not been confirmed.", "Confirm them.", "unconfirmed"
            )
        if self.state != "done":
            raise NotReady(
                "The case has no results yet.", "Ask again when its state is done.", "not_ready"
            )
        return self.folder.results((mask or self.mask).folder)


class StoredMask(db.Model):
    """One version of a case's mask. Rows are only ever added; number 0, the model's, has none."""

    __tablename__ = "masks"

    case_id: Mapped[str] = mapped_column(sa.ForeignKey("cases.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # "corrected", or "restored": the same as an earlier one. "model" is never stored.
    kind: Mapped[str] = mapped_column(sa.String(16))
    # The version that was drawn on, or gone back to.
    made_from: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Name of the folder of results; restored versions share that of their origin.
    folder: Mapped[str] = mapped_column(sa.String(64))
    # None where the mask is the model's own.
    findings: Mapped[MaskFindings | None] = mapped_column(FindingsJson, nullable=False)

    @classmethod
    def of_model(cls, case: StoredCase) -> "StoredMask":
        return cls(number=0, kind="model", created_at=case.finished_at, folder=MODEL_RESULTS)

    @property
    def by_hand(self) -> bool:
        """Whether it differs from what the model made."""
        return self.folder != MODEL_RESULTS

    @property
    def info(self) -> MaskInfo:
        return MaskInfo(self.number, self.kind, self.made_from, self.by_hand)

    def record(self, of_model: CaseRecord) -> CaseRecord:
        """Return the case's record with what this mask changes in it."""
        return of_model.corrected(self.findings)


class Delivery(db.Model):
    """Results of one version of a mask that go, or went, to an archive."""

    __tablename__ = "deliveries"

    case_id: Mapped[str] = mapped_column(sa.ForeignKey("cases.id"), primary_key=True)
    mask: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # As `BTS_DICOM_SEND_TO` or `BTS_DICOMWEB_URL` named it.
    target: Mapped[str] = mapped_column(sa.String(300), primary_key=True)
    # "waiting", "sent" or "failed".
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # What went wrong at the last attempt; empty if nothing did.
    problem: Mapped[str] = mapped_column(sa.String(300), default="")


class WorkerRow(db.Model):
    """A Celery worker that was alive at `seen_at`; see `jobs.heartbeat`."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    engine: Mapped[str] = mapped_column(sa.String(32))
    device: Mapped[str] = mapped_column(sa.String(200))
    model: Mapped[str] = mapped_column(sa.String(64))


def init_app(app: Flask) -> None:
    db.init_app(app)
