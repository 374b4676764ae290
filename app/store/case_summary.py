"""What the worklist shows and sorts by, in columns of their own: a record is long, and no database sorts by it.

Values of a record belong to the mask that counts. They are written in the same transaction as that mask, by
whoever writes it, and are a copy: reports and the page of a case go by the record itself.
"""

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.analysis.measurements import VOLUME_KEYS
from app.analysis.record import CaseRecord
from app.analysis.values import VolumesMl
from app.intake.dicom_study import Patient


class CaseSummary:
    """Columns of a case for the worklist."""

    # Name and identifier as they are shown; empty where the scans do not say.
    patient_text: Mapped[str] = mapped_column(sa.Text, default="", server_default="")
    # YYYYMMDD, as the time point of the case has it.
    study_date: Mapped[str | None] = mapped_column(sa.String(8))
    sequence_count: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str] = mapped_column(sa.String(16), default="unread", server_default="unread")
    note: Mapped[str] = mapped_column(sa.Text, default="", server_default="")

    # Of the mask that counts; none before the case was done.
    mask_number: Mapped[int] = mapped_column(default=0, server_default="0")
    edema_ml: Mapped[float | None]
    enhancing_ml: Mapped[float | None]
    core_ml: Mapped[float | None]
    tumor_core_ml: Mapped[float | None]
    whole_tumor_ml: Mapped[float | None]
    warning_count: Mapped[int] = mapped_column(default=0, server_default="0")
    warning_texts: Mapped[list[str] | None] = mapped_column(sa.JSON)

    @property
    def volumes_ml(self) -> VolumesMl | None:
        """The volumes of the mask that counts, once they are known."""
        if self.whole_tumor_ml is None:
            return None
        return VolumesMl(**{key: getattr(self, f"{key}_ml") for key in VOLUME_KEYS})


def of_record(record: CaseRecord, mask_number: int) -> dict[str, Any]:
    """Return the columns that follow from the record of the mask that counts."""
    texts = [warning.text for warning in record.warnings]
    return {
        "mask_number": mask_number,
        "warning_count": len(texts),
        "warning_texts": texts,
        **{f"{key}_ml": ml for key, ml in record.measurements.volumes_ml.items()},
    }


def of_patient(patient: Patient | None) -> dict[str, Any]:
    """Return the columns that follow from whose study it is."""
    if patient is None:
        return {}
    shown = " · ".join(filter(None, (patient.shown_name, patient.identifier)))
    return {"patient_text": shown}


def day_text(day: date | None) -> str | None:
    """Return a date as the column has it."""
    return day and f"{day:%Y%m%d}"
