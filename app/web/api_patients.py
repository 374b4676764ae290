"""REST: patients over time."""

from flask import Blueprint, Flask, jsonify

from app.reporting import patient_schemas as schemas
from app.store import cases
from app.web.openapi import describe
from app.web.patient_series import series_of, summaries, time_point
from app.web.time_points import NEW, change

BODY = {
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    "study_date": {
                        "type": "string",
                        "description": "YYYY-MM-DD; empty: not known.",
                    },
                    "patient": {
                        "type": "string",
                        "description": f"Key of the patient to whose cases it belongs, or `{NEW}`.",
                    },
                    "baseline": {
                        "type": "string",
                        "enum": ["0", "1"],
                        "description": "1: later cases are compared with this one.",
                    },
                },
            }
        }
    },
}

blueprint = Blueprint("patients", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/patients")
@describe({200: schemas.Patients}, errors=(401,))
def list_patients():
    """List the patients of whom the caller may read a case, the last uploaded first."""
    return jsonify(schemas.Patients(patients=summaries()).model_dump(mode="json"))


@blueprint.get("/api/patients/<key>")
@describe({200: schemas.PatientSeries}, errors=(401, 404))
def get_patient(key: str):
    """Return the examinations of a patient in their order: volumes, diameters, and how they changed.

    Also since the baseline and since the nadir, with categories after RANO 2010 and RANO 2.0 that are calculated
    from the size of enhancing tumour alone, and are no diagnosis.
    """
    return jsonify(series_of(key).model_dump(mode="json"))


@blueprint.get("/api/cases/<case_id>/time-point")
@describe({200: schemas.TimePointAnswer}, errors=(401, 404))
def get_time_point(case_id: str):
    """Return to which patient a case belongs, and when the study was."""
    return jsonify(time_point(cases.find(case_id)).model_dump(mode="json"))


@blueprint.patch("/api/cases/<case_id>/time-point")
@describe({200: schemas.TimePointAnswer}, errors=(400, 401, 403, 404), body=BODY)
def change_time_point(case_id: str):
    """Change the date of the study, the patient to whom the case belongs, or which case is the baseline."""
    case = cases.find_own(case_id)
    change(case)
    return jsonify(time_point(case).model_dump(mode="json"))
