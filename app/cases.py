"""Cases: a row in the database and a folder each.

<data_dir>/cases/<id>/scans/<modality>     the files as they came
<data_dir>/cases/<id>/results/...          appears whole, by one rename
<data_dir>/cases/<id>/masks/<random>/...   a corrected mask, made like `results`; see masks.py
<data_dir>/staging/<random>/...            uploads and results in the making
"""

import contextlib
import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.pagination import Pagination
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app import audit
from app.config import settings
from app.errors import Forbidden, NotFound, NotReady
from app.identity import current

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


def new_staging_folder() -> Path:
    """Make an empty folder for files in the making, on the same file system as the cases."""
    folder = _staging_path()
    folder.mkdir(mode=0o700)
    return folder


def _staging_path() -> Path:
    return settings().data_dir.resolve() / "staging" / secrets.token_hex(8)


def new_id() -> str:
    """Return an id for a case: 128 random bits, so that nobody finds one by trying."""
    return secrets.token_hex(16)


def keep(
    paths: Mapping[str, Path], names: Mapping[str, str], name: str, case_id: str | None = None
) -> StoredCase:
    """Move checked scans into a new case folder and queue the case; the row comes last."""
    case_id = g.case_id = case_id or new_id()
    case = StoredCase(
        id=case_id,
        owner=current().name,
        name=name or f"Case {case_id[:8]}",
        state="queued",
        stage="queued",
        created_at=datetime.now(UTC),
        modalities=dict(names),
    )
    scans = case.folder / "scans"
    try:
        scans.mkdir(mode=0o700, parents=True)
        for modality, path in paths.items():
            path.replace(scans / modality)
        db.session.add(case)
        db.session.commit()
    except BaseException:
        shutil.rmtree(case.folder, ignore_errors=True)
        raise
    return case


def find(case_id: str) -> StoredCase:
    """Return a case that the caller may read. Raises NotFound."""
    select = sa.select(StoredCase).where(StoredCase.id == case_id, _readable())
    case = db.session.scalars(select).first()
    if case is None:
        raise NotFound("There is no such case.", "It may have been deleted.")
    return case


def find_own(case_id: str) -> StoredCase:
    """Return a case that the caller may change. Raises NotFound or Forbidden."""
    case = find(case_id)
    if not current().is_admin and case.owner != current().name:
        raise Forbidden("The case is shared with you for reading only.", "Ask its owner.")
    return case


def _readable() -> sa.ColumnElement[bool]:
    """Return the condition for cases that the caller may read."""
    who = current()
    if who.is_admin:
        return sa.true()
    shared = sa.select(Share.case_id).where(Share.user_name == who.name)
    return sa.or_(StoredCase.owner == who.name, StoredCase.id.in_(shared))


def listing(page: int, per_page: int, query: str = "") -> Pagination:
    """Return one page of the caller's cases whose names contain `query`, newest first."""
    select = (
        sa.select(StoredCase)
        .where(_readable())
        .order_by(StoredCase.created_at.desc(), StoredCase.id)
    )
    if query:
        select = select.where(StoredCase.name.icontains(query, autoescape=True))
    return db.paginate(select, page=page, per_page=per_page, max_per_page=100, error_out=False)


def remove(case: StoredCase) -> None:
    """Delete a case: row, scans and results. A run of it that is going on ends by itself."""
    folder = case.folder
    # First, so that versions of the mask that are being added are deleted too.
    locked = sa.select(StoredCase.id).where(StoredCase.id == folder.name).with_for_update()
    db.session.execute(locked)
    db.session.execute(sa.delete(Share).where(Share.case_id == folder.name))
    # Past the session, which takes a row that somebody else has just deleted for a fault.
    rows = [
        sa.delete(StoredMask).where(StoredMask.case_id == folder.name),
        sa.delete(StoredCase).where(StoredCase.id == folder.name),
    ]
    for row in rows:
        db.session.execute(row, execution_options={"synchronize_session": False})
    db.session.commit()
    _remove_folder(folder)
    if db.engine.dialect.name == "sqlite":
        # The write-ahead log would keep the row's content for a while.
        with contextlib.suppress(sa.exc.OperationalError):
            db.session.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.commit()


def _remove_folder(folder: Path) -> None:
    """Delete a case's folder, on a full disk too."""
    doomed = _staging_path()
    try:
        # Renamed first, so that nothing can be added to it while it is being deleted.
        folder.replace(doomed)
    except FileNotFoundError:
        return
    except OSError:
        # There is no room even for that.
        doomed = folder
    shutil.rmtree(doomed)


def remove_expired() -> int:
    """Delete the cases that are older than the retention time; return how many there were."""
    hours = settings().retention_hours
    if not hours:
        return 0
    oldest = datetime.now(UTC) - timedelta(hours=hours)
    selected = sa.select(StoredCase.id).where(StoredCase.created_at < oldest)
    expired = db.session.scalars(selected).all()
    for case_id in expired:
        case = db.session.get(StoredCase, case_id)
        # Another process may be faster.
        if case is not None:
            remove(case)
            audit.write("purge", case_id)
    return len(expired)
