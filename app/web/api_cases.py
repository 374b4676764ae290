"""REST: cases. Every error is `{"error": {"code", "message", "hint"}}`."""

from typing import get_args

from flask import Blueprint, Flask, current_app, g, jsonify, request, send_file, url_for

from app.errors import BadRequest
from app.jobs.queue_runner import queue_runner
from app.reporting import schemas
from app.reporting.schemas import CaseChange
from app.store import cases, removal, worklist
from app.web import case_changes, headers, uploads
from app.web.case_answers import case_details, case_summary
from app.web.downloads import file_stem
from app.web.openapi import FILE_SCHEMA, describe
from app.web.slice_query import require_modality
from model.io.modalities import MODALITIES
from model.preparation.plan import Mode

UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": dict.fromkeys(MODALITIES, FILE_SCHEMA)
                | {
                    "files": {"type": "array", "items": FILE_SCHEMA},
                    "name": {"type": "string", "description": "Shown in the worklist."},
                    "confirm": {
                        "type": "string",
                        "enum": ["0", "1"],
                        "description": "1: a DICOM study waits until its series have been confirmed.",
                    },
                    "prepare": {
                        "type": "string",
                        "enum": list(get_args(Mode)),
                        "description": "Register sequences and extract the brain where needed (auto), "
                        "never, or always.",
                    },
                },
            }
        }
    },
}
UPLOAD_ERRORS = (400, 401, 403, 408, 413, 415, 422, 429, 503, 507)
UNDO_QUERY = [
    {
        "name": "undo",
        "schema": {"type": "integer", "enum": [0, 1], "default": 0},
        "description": "1: the case is gone at once, but can be had back for a minute.",
    }
]
CHANGE_BODY = {
    "required": True,
    "content": {"application/json": {"schema": CaseChange.model_json_schema()}},
}
GRID_QUERY = [
    {
        "name": "grid",
        "schema": {"type": "string", "enum": list(MODALITIES)},
        "description": "The scan on whose own grid the mask is wanted.",
    }
]

blueprint = Blueprint("cases", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.post("/api/cases")
@describe({202: schemas.Accepted}, errors=UPLOAD_ERRORS, body=UPLOAD_BODY)
def create_case():
    """Upload one patient's scans.

    Four parts named by their sequence, or any number named `files` (a zip is unpacked), whose
    sequences are found from the names of files, or of the folders that they lie in. All files of a
    DICOM study, or a zip of them, are sent as `files`; its series are told apart by their headers.
    One of the four may be left out, at a cost in accuracy that the case's warnings state. Everything
    is checked before anything is kept.
    """
    case = uploads.queue_case(uploads.accept)
    address = url_for("cases.get_case", case_id=case.id)
    answer = schemas.Accepted(id=case.id, state=case.state, url=address)
    return jsonify(answer.model_dump()), 202, {"Location": address}


@blueprint.get("/api/cases/<case_id>")
@describe({200: schemas.CaseAnswer}, errors=(401, 404))
def get_case(case_id: str):
    """Return state, progress and, once it is done, the measurements of a case."""
    case = cases.find(case_id)
    g.is_unfinished = case.state in ("queued", "running")
    return jsonify(case_details(case))


@blueprint.patch("/api/cases/<case_id>")
@describe({200: schemas.CaseSummary}, errors=(400, 401, 403, 404, 413, 415), body=CHANGE_BODY)
def change_case(case_id: str):
    """Rename a case, change its note or the status of reading; what is left out stays."""
    case = cases.find_own(case_id)
    request.max_content_length = case_changes.MAX_BODY_BYTES
    case_changes.apply(case, case_changes.checked(request.get_json()))
    return jsonify(case_summary(case))


@blueprint.delete("/api/cases/<case_id>")
@describe({204: None, 200: schemas.Deleted}, errors=(400, 401, 403, 404), query=UNDO_QUERY)
def delete_case(case_id: str):
    """Delete a case: scans, results and row, at once.

    With `undo=1` the case is gone at once, too, but its files and row only after a minute; until then
    it can be restored. On a full disk they go at once; `undo_until` is then null.
    """
    case, undo = cases.find_own(case_id), request.args.get("undo", "0")
    if undo not in ("0", "1"):
        raise BadRequest("undo is 0 or 1.", code="bad_parameter")
    headers.clear_cache()
    if undo == "0":
        removal.remove(case)
        return "", 204
    return jsonify(schemas.Deleted(undo_until=removal.hide(case)).model_dump(mode="json"))


@blueprint.post("/api/cases/<case_id>/restore")
@describe({200: schemas.CaseSummary}, errors=(401, 404))
def restore_case(case_id: str):
    """Undo a deletion with `undo=1`, for a minute."""
    if not removal.restore(worklist.find_hidden(case_id)):
        raise worklist.gone()
    queue_runner(current_app).notify()
    return jsonify(case_summary(cases.find(case_id)))


@blueprint.get("/api/cases/<case_id>/segmentation.nii.gz")
@describe({200: "application/gzip"}, errors=(400, 401, 404, 409), query=GRID_QUERY)
def get_segmentation(case_id: str):
    """Download the mask that counts, on the grid of the reference (T1ce where it was given).

    `grid` names a sequence on whose own grid the mask is wanted.
    """
    case, grid = cases.find(case_id), request.args.get("grid")
    results, name = case.results(), f"{file_stem(case)}_seg"
    if grid is not None:
        if grid not in MODALITIES:
            raise BadRequest(f"grid is one of {', '.join(MODALITIES)}.", code="bad_parameter")
        require_modality(case, grid)
        name = f"{name}_{grid}"
    response = send_file(
        results.segmentation_on(grid) if grid else results.segmentation,
        mimetype="application/gzip",
        as_attachment=True,
        download_name=f"{name}.nii.gz",
    )
    response.headers["Cache-Control"] = "no-store"
    return response
