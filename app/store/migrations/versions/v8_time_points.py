"""Whose case it is, and when the study was; cases that are there are put together as new ones are."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.intake.dicom_study import Patient
from app.intake.patient_match import Labels, is_same, labels_in, study_day

# v7 is that of the worklist; where it is there, it comes before.
revision, down_revision = "v8", "v7"

CASES = sa.table(
    "cases",
    sa.column("id", sa.String),
    sa.column("owner", sa.String),
    sa.column("name", sa.String),
    sa.column("modalities", sa.JSON),
    sa.column("patient", sa.JSON),
)


def upgrade() -> None:
    time_points = op.create_table(
        "time_points",
        sa.Column("case_id", sa.String(32), primary_key=True),
        sa.Column("patient_key", sa.String(32), nullable=False),
        sa.Column("study_date", sa.Date),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("session", sa.String(64), nullable=False),
        sa.Column("is_baseline", sa.Boolean, nullable=False),
    )
    op.create_index("ix_time_points_patient_key", "time_points", ["patient_key"])
    cases = op.get_bind().execute(sa.select(CASES)).mappings().all()
    if rows := _rows(cases):
        op.bulk_insert(time_points, rows)


def _rows(cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each case, with one key for those of one patient."""
    known: list[_Known] = []
    rows = []
    for case in cases:
        patient = Patient(**case["patient"]) if case["patient"] else None
        labels = labels_in([case["name"], *(case["modalities"] or {}).values()])
        one = _Known(case["owner"], patient, labels, secrets.token_hex(16))
        key = next((other.key for other in known if one.is_same(other)), one.key)
        known.append(replace(one, key=key))
        rows.append(
            {
                "case_id": case["id"],
                "patient_key": key,
                "study_date": study_day(patient, labels),
                "subject": labels.subject[:64],
                "session": labels.session[:64],
                "is_baseline": False,
            }
        )
    return rows


@dataclass(frozen=True)
class _Known:
    """Whose case one is, as far as is known."""

    owner: str
    patient: Patient | None
    labels: Labels
    key: str

    def is_same(self, other: "_Known") -> bool:
        if self.owner != other.owner:
            return False
        if self.patient and other.patient:
            return is_same(self.patient, other.patient)
        return bool(self.labels.subject) and self.labels.subject == other.labels.subject
