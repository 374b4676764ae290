"""REST: the series of a DICOM study, and which of them is which sequence."""

from flask import Blueprint, Flask, jsonify, request, send_file, url_for

from app.errors import NotFound, NotReady
from app.reporting import schemas
from app.store import cases
from app.web.case_answers import study_answer
from app.web.headers import CACHE_FOR_A_DAY
from app.web.openapi import describe
from app.web.uploads import queue_confirmed
from model.io.modalities import MODALITIES

BODY = {
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    modality: {
                        "type": "string",
                        "description": "Key of a series; empty for none. Left out: as it was guessed.",
                    }
                    for modality in MODALITIES
                },
            }
        }
    },
}

blueprint = Blueprint("series", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/series")
@describe({200: schemas.Study}, errors=(401, 404, 409))
def get_series(case_id: str):
    """Return the series of the study that a case came from, and why each is used or not."""
    found = study_answer(cases.find(case_id))
    if found is None:
        raise NotReady(
            "The case is not from DICOM.", "Only DICOM studies have series.", "not_dicom"
        )
    return jsonify(found)


@blueprint.post("/api/cases/<case_id>/series")
@describe({202: schemas.Accepted}, errors=(400, 401, 403, 404, 409, 413, 422, 503, 507), body=BODY)
def confirm_series(case_id: str):
    """Confirm which series is which sequence, and queue the case."""
    case = cases.find_own(case_id)
    wanted = {key: request.form[key] for key in MODALITIES if key in request.form}
    queue_confirmed(case, wanted)
    address = url_for("cases.get_case", case_id=case_id)
    answer = schemas.Accepted(id=case_id, state="queued", url=address)
    return jsonify(answer.model_dump()), 202, {"Location": address}


@blueprint.get("/api/cases/<case_id>/series/<int:number>.png")
@describe({200: "image/png"}, errors=(401, 404))
def get_series_picture(case_id: str, number: int):
    """Return a picture of a series: the slice in its middle. Numbered as in the list, from 0."""
    path = cases.find(case_id).folder.study.picture(number)
    if not path.is_file():
        raise NotFound("There is no such picture.")
    response = send_file(path, mimetype="image/png")
    response.headers["Cache-Control"] = CACHE_FOR_A_DAY
    return response
