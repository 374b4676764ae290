"""The tables of cases, of their masks and of who may read them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.config import settings
from app.errors import NotReady

STATES = ("queued", "running", "done", "failed")
RESULTS = "results"


class UtcDateTime(sa.TypeDecorator):
    """A time zone aware time, stored as UTC; SQLite itself would forget the zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of the tables."""


db = SQLAlchemy(model_class=Base)


class StoredCase(db.Model):
    """One uploaded case and, once it is done, its report."""

    __tablename__ = "cases"

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
    # When workers were told of it, with BTS_BROKER_URL.
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The files' names as their owner knows them, by modality.
    modalities: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    report: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)

    # What people made of the model's mask, oldest first; the last one counts.
    masks: Mapped[list["StoredMask"]] = relationship(
        order_by="StoredMask.number", cascade="all, delete-orphan", lazy="selectin"
    )

    @property
    def mask(self) -> "StoredMask":
        """The mask that counts: the last one, else the model's."""
        return self.all_masks[-1]

    @property
    def all_masks(self) -> list["StoredMask"]:
        """The model's mask and what people made of it, in the order of their numbers."""
        return [StoredMask.of_model(self), *self.masks]

    @property
    def current_report(self) -> dict[str, Any] | None:
        """The report with the measurements of the mask that counts; None while there is none."""
        return self.report and self.mask.report(self.report) | {"dates": self.dates}

    @property
    def dates(self) -> dict[str, str | None]:
        """When the case came, was segmented, and its mask last changed by hand, ISO 8601 in UTC."""
        found = {
            "uploaded": self.created_at,
            "segmented": self.finished_at,
            "corrected": self.mask.created_at if self.mask.by_hand else None,
        }
        return {name: date and date.isoformat(timespec="seconds") for name, date in found.items()}

    @property
    def whole_tumor_ml(self) -> float | None:
        """The volume that the worklist shows, once it is known."""
        report = self.current_report
        return report["measurements"]["volumes_ml"]["whole_tumor"] if report else None

    @property
    def folder(self) -> Path:
        return settings().data_dir.resolve() / "cases" / self.id

    @property
    def scans(self) -> dict[str, Path]:
        return {modality: self.folder / "scans" / modality for modality in self.modalities}

    def results(self) -> Path:
        """Return the folder of the mask that counts. Raises NotReady while there are no results."""
        if self.state == "failed":
            raise NotReady(self.error["message"], self.error["hint"], "case_failed")
        if self.state != "done":
            raise NotReady(
                "The case has no results yet.", "Ask again when its state is done.", "not_ready"
            )
        return self.folder / self.mask.folder


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
    # Below the case's own folder; restored versions share that of their origin.
    folder: Mapped[str] = mapped_column(sa.String(64))
    # Replaces these parts of the model's report; empty where the mask is the model's own.
    findings: Mapped[dict[str, Any]] = mapped_column(sa.JSON)

    @classmethod
    def of_model(cls, case: StoredCase) -> "StoredMask":
        return cls(number=0, kind="model", created_at=case.finished_at, folder=RESULTS, findings={})

    @property
    def by_hand(self) -> bool:
        """Whether it differs from what the model made."""
        return self.folder != RESULTS

    def report(self, of_model: dict[str, Any]) -> dict[str, Any]:
        """Return the case's report on this mask."""
        made = {"number": self.number, "kind": self.kind, "made_from": self.made_from}
        return of_model | self.findings | {"mask": made | {"by_hand": self.by_hand}}


class Share(db.Model):
    """A user who may read another's case."""

    __tablename__ = "shares"

    case_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    user_name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)


def init_app(app: Flask) -> None:
    db.init_app(app)
