"""Cases: a row in the database and a folder each.

<data_dir>/cases/<id>/scans/<modality>     the files as they came
<data_dir>/cases/<id>/results/...          appears whole, by one rename
<data_dir>/cases/<id>/masks/<random>/...   a corrected mask, made like `results`; see masks.py
<data_dir>/staging/<random>/...            uploads and results in the making
"""

import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.pagination import Pagination
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.config import settings
from app.errors import NotFound, NotReady

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
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    stage: Mapped[str] = mapped_column(sa.String(32), default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
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
        return self.report and self.mask.report(self.report)

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


def init_app(app: Flask) -> None:
    db.init_app(app)


def make_storage(app: Flask) -> None:
    """Make the data folder and the tables, where they are missing."""
    data_dir = app.config["SETTINGS"].data_dir.resolve()
    for folder in (data_dir, data_dir / "cases", data_dir / "staging"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            sa.event.listen(db.engine, "connect", _configure_sqlite)
        db.create_all()


def new_staging_folder() -> Path:
    """Make an empty folder for files in the making, on the same file system as the cases."""
    folder = settings().data_dir.resolve() / "staging" / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    return folder


def keep(paths: Mapping[str, Path], names: Mapping[str, str], name: str) -> StoredCase:
    """Move checked scans into a new case folder and queue the case; the row comes last."""
    case_id = secrets.token_hex(16)
    case = StoredCase(
        id=case_id,
        name=name or f"Case {case_id[:8]}",
        state="queued",
        stage="queued",
        created_at=datetime.now(UTC),
        modalities=dict(names),
    )
    scans = case.folder / "scans"
    scans.mkdir(mode=0o700, parents=True)
    try:
        for modality, path in paths.items():
            path.replace(scans / modality)
        db.session.add(case)
        db.session.commit()
    except BaseException:
        shutil.rmtree(case.folder, ignore_errors=True)
        raise
    return case


def find(case_id: str) -> StoredCase:
    """Return a case. Raises NotFound."""
    case = db.session.get(StoredCase, case_id)
    if case is None:
        raise NotFound("There is no such case.", "It may have been deleted.")
    return case


def listing(page: int, per_page: int, query: str = "") -> Pagination:
    """Return one page of the cases whose names contain `query`, newest first."""
    select = sa.select(StoredCase).order_by(StoredCase.created_at.desc(), StoredCase.id)
    if query:
        select = select.where(StoredCase.name.icontains(query, autoescape=True))
    return db.paginate(select, page=page, per_page=per_page, max_per_page=100, error_out=False)


def remove(case: StoredCase) -> None:
    """Delete a case: row, scans and results. A run of it that is going on ends by itself."""
    folder = case.folder
    db.session.delete(case)
    db.session.commit()
    if db.engine.dialect.name == "sqlite":
        # The write-ahead log would keep the row's content for a while.
        db.session.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.commit()
    # Renamed first, so that nothing can be added to it while it is being deleted.
    doomed = new_staging_folder() / "case"
    if folder.exists():
        folder.replace(doomed)
    shutil.rmtree(doomed.parent)


def remove_expired() -> int:
    """Delete the cases that are older than the retention time; return how many there were."""
    hours = settings().retention_hours
    if not hours:
        return 0
    oldest = datetime.now(UTC) - timedelta(hours=hours)
    expired = db.session.scalars(sa.select(StoredCase).where(StoredCase.created_at < oldest)).all()
    for case in expired:
        remove(case)
    return len(expired)


def remove_leftovers(before: datetime) -> None:
    """Delete what a crash left behind: staged files and case folders without a row.

    Only those last changed before the time given, so that uploads going on are left alone.
    """
    data_dir = settings().data_dir.resolve()
    known = set(db.session.scalars(sa.select(StoredCase.id)))
    orphans = [folder for folder in (data_dir / "cases").iterdir() if folder.name not in known]
    for folder in (*orphans, *(data_dir / "staging").iterdir()):
        if folder.stat().st_mtime < before.timestamp():
            shutil.rmtree(folder, ignore_errors=True)


def _configure_sqlite(connection: Any, _: Any) -> None:
    """Let readers and the writer work side by side, and overwrite what is deleted."""
    for pragma in ("journal_mode=WAL", "busy_timeout=10000", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
