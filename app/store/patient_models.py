"""The table of time points: whose case it is, and when the study was."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models import db


class TimePoint(db.Model):
    """One case in the series of a patient."""

    __tablename__ = "time_points"

    case_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    # The same for all cases of a patient: random, so that addresses and logs tell nothing.
    patient_key: Mapped[str] = mapped_column(sa.String(32), index=True)
    study_date: Mapped[date | None]
    # BIDS labels, or empty.
    subject: Mapped[str] = mapped_column(sa.String(64))
    session: Mapped[str] = mapped_column(sa.String(64))
    # Chosen by a person; without any, the first examination is the baseline.
    is_baseline: Mapped[bool]
