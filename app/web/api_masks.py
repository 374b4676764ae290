"""REST: the versions of a mask; corrections add to them."""

from flask import Blueprint, Flask, jsonify, request, send_file, url_for

from app.reporting import schemas
from app.store import cases, mask_versions
from app.web.case_answers import mask_answers, mask_url, mask_version
from app.web.downloads import file_stem
from app.web.headers import CACHE_FOR_A_DAY
from app.web.mask_uploads import PART, accept_brain, accept_mask
from app.web.openapi import FILE_SCHEMA, describe

BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [PART],
                "properties": {
                    PART: FILE_SCHEMA | {"description": "NIfTI on the grid of the scans."},
                    "base": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "Version that was drawn on; the one that counts if left out.",
                    },
                },
            }
        }
    },
}

KIND_QUERY = [
    {
        "name": "kind",
        "schema": {"type": "string", "enum": ["tumour", "brain"], "default": "tumour"},
        "description": "What the mask is of.",
    }
]

blueprint = Blueprint("masks", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/masks")
@describe({200: schemas.Masks}, errors=(401, 404, 409))
def list_masks(case_id: str):
    """List the versions of the mask, oldest first; the last one counts."""
    case = cases.find(case_id)
    case.results()
    listed = schemas.Masks(current=case.mask.number, masks=mask_answers(case))
    return jsonify(listed.model_dump(mode="json"))


@blueprint.post("/api/cases/<case_id>/masks")
@describe(
    {201: schemas.MaskVersion, 202: schemas.Accepted},
    errors=(400, 401, 403, 404, 408, 409, 413, 415, 422, 507),
    body=BODY,
    query=KIND_QUERY,
)
def create_mask(case_id: str):
    """Add a corrected mask as a new version, which counts from then on.

    It has the grid of the uploaded scans and the label values of the case's report. Measurements,
    report and overlays follow; every earlier version stays.

    With `kind=brain` it is a mask of the brain, anything but 0 inside; the case is then segmented
    again within it, and its model's mask replaced.
    """
    case = cases.find_own(case_id)
    if request.args.get("kind") == "brain":
        accept_brain(case)
        address = url_for("cases.get_case", case_id=case_id)
        answer = schemas.Accepted(id=case_id, state="queued", url=address)
        return jsonify(answer.model_dump()), 202, {"Location": address}
    mask = accept_mask(case)
    return jsonify(mask_version(case, mask)), 201, {"Location": mask_url(case, mask)}


@blueprint.post("/api/cases/<case_id>/masks/<int:number>/restore")
@describe({201: schemas.MaskVersion}, errors=(401, 403, 404, 409, 422))
def restore_mask(case_id: str, number: int):
    """Go back to a version: adds one that is the same and counts from then on."""
    case = cases.find_own(case_id)
    mask = mask_versions.restore(case, number)
    return jsonify(mask_version(case, mask)), 201, {"Location": mask_url(case, mask)}


@blueprint.get("/api/cases/<case_id>/masks/<int:number>.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_mask(case_id: str, number: int):
    """Download a version of the mask; 0 is the model's own."""
    case = cases.find(case_id)
    mask = mask_versions.find(case, number)
    response = send_file(
        case.results(mask).segmentation,
        mimetype="application/gzip",
        as_attachment=True,
        download_name=f"{file_stem(case)}_seg_{f'v{number}' if number else 'model'}.nii.gz",
    )
    response.headers["Cache-Control"] = CACHE_FOR_A_DAY
    return response
