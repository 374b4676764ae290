"""REST: cases. Every error is `{"error": {"code", "message", "hint"}}`."""

from typing import get_args

from flask import Blueprint, Flask, g, jsonify, request, send_file, url_for

from app.errors import BadRequest
from app.reporting import schemas
from app.store import cases, removal
from app.web import headers, uploads
from app.web.case_answers import case_details, summary_fields
from app.web.downloads import file_stem
from app.web.openapi import FILE_SCHEMA, describe
from app.web.slice_query import require_modality
from model.io.modalities import MODALITIES
from model.preparation.plan import Mode

PER_PAGE = 20
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
PAGE_QUERY = [
    {"name": "page", "schema": {"type": "integer", "minimum": 1, "default": 1}},
    {"name": "per_page", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    {"name": "q", "schema": {"type": "string"}, "description": "Part of the name."},
]
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


@blueprint.get("/api/cases")
@describe({200: schemas.Worklist}, errors=(400, 401), query=PAGE_QUERY)
def list_cases():
    """List the cases, newest first."""
    page = _number("page", 1)
    found = cases.listing(page, min(_number("per_page", PER_PAGE), 100), request.args.get("q", ""))
    return jsonify(
        schemas.Worklist(
            cases=[summary_fields(case) for case in found.items],
            page=page,
            pages=found.pages,
            total=found.total,
        ).model_dump(mode="json")
    )


@blueprint.get("/api/cases/<case_id>")
@describe({200: schemas.CaseAnswer}, errors=(401, 404))
def get_case(case_id: str):
    """Return state, progress and, once it is done, the measurements of a case."""
    case = cases.find(case_id)
    g.is_unfinished = case.state in ("queued", "running")
    return jsonify(case_details(case))


@blueprint.delete("/api/cases/<case_id>")
@describe({204: None}, errors=(401, 403, 404))
def delete_case(case_id: str):
    """Delete a case: scans, results and row."""
    removal.remove(cases.find_own(case_id))
    headers.clear_cache()
    return "", 204


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


def _number(name: str, default: int) -> int:
    """Return a query parameter that counts from 1. Raises BadRequest."""
    text = request.args.get(name, str(default))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise BadRequest(f"{name} is a number from 1.", code="bad_parameter")
    return int(text)
