"""What the worklist shows and sorts by, what readers write to a case, and cases that are deleted in a minute."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision, down_revision = "v7", "v6"

VOLUMES = ("edema", "enhancing", "core", "tumor_core", "whole_tumor")
SORTED = (
    *("created_at", "study_date", "sequence_count", "status", "warning_count"),
    *("whole_tumor_ml", "enhancing_ml", "core_ml", "edema_ml"),
)
CASES = sa.table(
    "cases",
    *(sa.column(name, sa.JSON) for name in ("report", "patient", "modalities", "warning_texts")),
    *(sa.column(name) for name in ("id", "patient_text", "study_date")),
    *(sa.column(name) for name in ("sequence_count", "mask_number", "warning_count")),
    *(sa.column(f"{key}_ml") for key in VOLUMES),
)
MASKS = sa.table("masks", *map(sa.column, ("case_id", "number")), sa.column("findings", sa.JSON))


def upgrade() -> None:
    for column in (
        sa.Column("patient_text", sa.Text, server_default="", nullable=False),
        sa.Column("study_date", sa.String(8)),
        sa.Column("sequence_count", sa.Integer, server_default="0", nullable=False),
        sa.Column("status", sa.String(16), server_default="unread", nullable=False),
        sa.Column("note", sa.Text, server_default="", nullable=False),
        sa.Column("mask_number", sa.Integer, server_default="0", nullable=False),
        *(sa.Column(f"{key}_ml", sa.Float) for key in VOLUMES),
        sa.Column("warning_count", sa.Integer, server_default="0", nullable=False),
        sa.Column("warning_texts", sa.JSON),
        sa.Column("deleted_at", sa.DateTime),
    ):
        op.add_column("cases", column)
    connection = op.get_bind()
    for case_id in connection.scalars(sa.select(CASES.c.id)).all():
        row = CASES.c.id == case_id
        columns = (CASES.c.report, CASES.c.patient, CASES.c.modalities)
        report, patient, modalities = connection.execute(sa.select(*columns).where(row)).one()
        newest = sa.select(MASKS.c.number, MASKS.c.findings).where(MASKS.c.case_id == case_id)
        mask = connection.execute(newest.order_by(MASKS.c.number.desc()).limit(1)).first()
        number, findings = mask or (0, None)
        values = {"sequence_count": len(modalities or {}), "mask_number": number}
        values |= of_patient(patient) | of_record(findings or report)
        connection.execute(sa.update(CASES).where(row).values(values))
    for name in SORTED:
        op.create_index(f"ix_cases_shown_{name}", "cases", ["deleted_at", name])


def of_patient(patient: dict[str, str] | None) -> dict[str, Any]:
    """Return the columns about the patient."""
    if not patient:
        return {}
    parts = [part.strip() for part in patient.get("name", "").split("=")[0].split("^")]
    name = ", ".join(part for part in parts[:2] if part)
    shown = " · ".join(filter(None, (name, patient.get("identifier"))))
    return {"patient_text": shown, "study_date": patient.get("study_date", "")[:8] or None}


def of_record(record: dict[str, Any] | None) -> dict[str, Any]:
    """Return the columns about the mask that counts, from its record or findings."""
    if not record:
        return {}
    texts = [warning["text"] for warning in record.get("warnings", [])]
    found = record["measurements"]["volumes_ml"]
    return {
        "warning_count": len(texts),
        "warning_texts": texts,
        **{f"{key}_ml": found[key] for key in VOLUMES},
    }
