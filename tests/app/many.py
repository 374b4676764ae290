"""Thousands of finished cases as rows alone, with records as long as real ones."""

import secrets
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.intake.dicom_study import Patient
from app.store import case_summary
from app.store.models import StoredCase, db
from model.io.modalities import MODALITIES

BATCH = 500


def fill(count: int, model: StoredCase) -> None:
    """Add cases that look like one that is done, each with values of its own. Needs an app context."""
    now, record = datetime.now(UTC), model.record
    fields = case_summary.of_record(record, 0)
    for start in range(0, count, BATCH):
        rows = []
        for number in range(start, min(start + BATCH, count)):
            patient = Patient(f"Family{number % 997}^Given", f"ID{number}", study_date="20260101")
            row = fields | {key: ml * (1 + number % 89) for key, ml in _volumes(fields).items()}
            row |= case_summary.of_patient(patient)
            row |= {
                "id": secrets.token_hex(16),
                "name": f"Case {number * 7919 % count:05d}",
                "owner": "",
                "state": "done" if number % 50 else "failed",
                "stage": "",
                "progress": 1.0,
                "attempts": 1,
                "created_at": now - timedelta(minutes=number),
                "finished_at": now,
                "modalities": dict.fromkeys(MODALITIES[: 4 - (number % 9 == 0)], "scan.nii.gz"),
                "sequence_count": 4 - (number % 9 == 0),
                "status": ("unread", "read", "to_correct")[number % 3],
                "note": "Look again" if number % 40 == 0 else "",
                "warning_count": number % 4,
                "patient": patient,
                "record": record,
            }
            rows.append(row)
        db.session.execute(sa.insert(StoredCase), rows)
    db.session.commit()


def _volumes(fields: dict) -> dict[str, float]:
    return {key: ml for key, ml in fields.items() if key.endswith("_ml")}
