"""What pages and REST say of a case, as values that JSON can hold."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from flask import url_for

from app.config import settings
from app.reporting import schemas
from app.reporting.report import report_of
from app.store import cases, patients
from app.store.models import StoredCase, StoredMask
from app.store.patient_models import TimePoint
from model.io.modalities import MODALITIES

SUMMARY_COLUMNS = (
    *("id", "name", "state", "stage", "progress", "error", "created_at", "whole_tumor_ml"),
    *("volumes_ml", "warning_count", "status", "note"),
)


def case_summary(case: StoredCase) -> dict[str, Any]:
    """Return what the worklist shows of a case."""
    return schemas.CaseSummary(**summary_fields(case)).model_dump(mode="json")


def case_details(case: StoredCase) -> dict[str, Any]:
    """Return all that is known of a case."""
    report = report_of(case) if case.state == "done" else None
    return schemas.CaseAnswer(
        **summary_fields(case),
        started_at=case.started_at,
        finished_at=case.finished_at,
        attempts=case.attempts,
        modalities=case.modalities,
        measurements=report and report.measurements,
        mask=report and report.mask,
        model=report and report.model,
        engine=report and report.engine,
        device=report and report.device,
        provenance=report and report.provenance,
        preparation=report and report.preparation,
        timings_s=report.timings_s if report else {},
        warnings=report.warnings if report else [],
        warning_details=report.warning_details if report else [],
        message=report.message if report else "",
    ).model_dump(mode="json")


def summary_fields(case: StoredCase) -> dict[str, Any]:
    """Return the fields of `schemas.CaseSummary`."""
    fields = {name: getattr(case, name) for name in SUMMARY_COLUMNS}
    thumbnail = None
    if case.state == "done":
        thumbnail = url_for("slices.get_thumbnail", case_id=case.id, mask=case.mask_number)
    return fields | {
        "thumbnail": thumbnail,
        "url": url_for("cases.get_case", case_id=case.id),
        "may_change": cases.is_own(case),
        "patient": patient_fields(case),
        "sequences": [modality for modality in MODALITIES if modality in case.modalities],
    }


def patient_fields(case: StoredCase) -> dict[str, Any] | None:
    """Return whose study a case is, None where that is not known or not to be shown."""
    if case.patient is None or not settings().show_patients:
        return None
    fields = {name: getattr(case.patient, name) for name in schemas.PatientAnswer.model_fields}
    return fields | {"name": case.patient.shown_name}


def patient_links(wanted: Sequence[StoredCase]) -> dict[str, str]:
    """Return the address of the page of its patient for each case that has a known one, by id; none if they are hidden."""
    if not settings().show_patients:
        return {}
    found = patients.known_keys(wanted)
    return {case_id: url_for("pages.show_patient", key=key) for case_id, key in found.items()}


def study_day(point: TimePoint) -> date | None:
    """Return when the study of a case was, None where that is not known or not to be shown."""
    return point.study_date if settings().show_patients else None


def study_answer(case: StoredCase) -> dict[str, Any] | None:
    """Return the series of a case, as `schemas.Study`; None for one that is not from DICOM."""
    rows = case.folder.study.series()
    if rows is None:
        return None
    series = [
        row | {"picture": series_picture_url(case, number)} for number, row in enumerate(rows)
    ]
    confirmed = case.state != "unconfirmed"
    return schemas.Study(confirmed=confirmed, series=series).model_dump(mode="json")


def series_picture_url(case: StoredCase, number: int) -> str | None:
    """Return where the picture of a series is, None if it has none."""
    if not case.folder.study.picture(number).is_file():
        return None
    return url_for("series.get_series_picture", case_id=case.id, number=number)


def mask_answers(case: StoredCase) -> list[dict[str, Any]]:
    """Return all versions of a finished case's mask, oldest first, as `schemas.MaskVersion`."""
    return [mask_version(case, mask) for mask in case.all_masks]


def mask_version(case: StoredCase, mask: StoredMask) -> dict[str, Any]:
    """Return one version, as `schemas.MaskVersion`."""
    measurements = mask.record(case.record).measurements
    return schemas.MaskVersion(
        **asdict(mask.info),
        created_at=mask.created_at,
        whole_tumor_ml=measurements.volumes_ml.whole_tumor,
        current=mask.number == case.mask.number,
        same_as_current=mask.folder == case.mask.folder,
        url=mask_url(case, mask),
    ).model_dump(mode="json")


def mask_url(case: StoredCase, mask: StoredMask) -> str:
    """Return where a version of the mask can be downloaded."""
    return url_for("masks.get_mask", case_id=case.id, number=mask.number)
