"""REST: the versions of a mask; corrections add to them."""

from pathlib import Path
from typing import Any

import numpy as np
from flask import Blueprint, Flask, jsonify, request, send_file, url_for

from app.errors import BadRequest, TooLarge, UnsupportedType
from app.reporting import schemas
from app.store import cases, mask_versions
from app.store.models import StoredCase, StoredMask
from app.web import quotas
from app.web.api_cases import FILE_SCHEMA
from app.web.api_slices import SLICE_CACHE
from app.web.downloads import file_stem
from app.web.openapi import describe
from app.web.uploads import reading, shown_name
from model.io.nifti_header import MAX_VOXEL_BYTES

PART = "mask"
# Room for the header and the form around a mask.
AROUND_BYTES = 2**20
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

blueprint = Blueprint("corrections", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/masks")
@describe({200: schemas.Masks}, errors=(401, 404, 409))
def list_masks(case_id: str):
    """List the versions of the mask, oldest first; the last one counts."""
    case = cases.find(case_id)
    case.results()
    listed = schemas.Masks(current=case.mask.number, masks=versions(case))
    return jsonify(listed.model_dump(mode="json"))


@blueprint.post("/api/cases/<case_id>/masks")
@describe(
    {201: schemas.MaskVersion}, errors=(400, 401, 403, 404, 408, 409, 413, 415, 422, 507), body=BODY
)
def create_mask(case_id: str):
    """Add a corrected mask as a new version, which counts from then on.

    It has the grid of the uploaded scans and the label values of the case's report. Measurements,
    report and overlays follow; every earlier version stays.
    """
    case = cases.find_own(case_id)
    mask = accept(case)
    return jsonify(_version(case, mask)), 201, {"Location": _url(case, mask)}


@blueprint.post("/api/cases/<case_id>/masks/<int:number>/restore")
@describe({201: schemas.MaskVersion}, errors=(401, 403, 404, 409, 422))
def restore_mask(case_id: str, number: int):
    """Go back to a version: adds one that is the same and counts from then on."""
    case = cases.find_own(case_id)
    mask = mask_versions.restore(case, number)
    return jsonify(_version(case, mask)), 201, {"Location": _url(case, mask)}


@blueprint.get("/api/cases/<case_id>/masks/<int:number>.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_mask(case_id: str, number: int):
    """Download a version of the mask; 0 is the model's own."""
    case = cases.find(case_id)
    mask = mask_versions.find(case, number)
    response = send_file(
        case.folder / mask.folder / mask_versions.SEGMENTATION,
        mimetype="application/gzip",
        as_attachment=True,
        download_name=f"{file_stem(case)}_seg_{f'v{number}' if number else 'model'}.nii.gz",
    )
    response.headers["Cache-Control"] = SLICE_CACHE
    return response


def accept(case: StoredCase) -> StoredMask:
    """Add the mask in the current request to a case. Raises CaseError or RequestError."""
    mask_versions.find(case, 0)
    quotas.require_room_for_body()
    if request.mimetype != "multipart/form-data":
        raise UnsupportedType(
            "A mask is sent as multipart/form-data.", f"Send one part named {PART}."
        )
    # Before the body is read: a mask is far smaller than the scans that an upload may hold.
    voxels = int(np.prod(case.report["geometry"]["shape"]))
    request.max_content_length = MAX_VOXEL_BYTES * voxels + AROUND_BYTES
    body_too_large = TooLarge(
        "The mask is larger than one on the grid of the scans can be.", "Compress it as .nii.gz."
    )
    with reading(body_too_large, f"Send one mask, as a part named {PART}."):
        file = request.files.get(PART)
    if file is None or not file.filename:
        raise BadRequest("No mask was sent.", f"Send it as a part named {PART}.", "no_files")
    file.stream.close()
    base = request.form.get("base", str(case.mask.number))
    if not base.isdecimal() or len(base) > 9:
        raise BadRequest("base is the number of a version.", code="bad_parameter")
    return mask_versions.correct(case, Path(file.stream.name), shown_name(file.filename), int(base))


def versions(case: StoredCase) -> list[dict[str, Any]]:
    """Return all versions of a finished case's mask, oldest first, as `schemas.MaskVersion`."""
    return [_version(case, mask) for mask in case.all_masks]


def _version(case: StoredCase, mask: StoredMask) -> dict[str, Any]:
    report = mask.report(case.report)
    return schemas.MaskVersion(
        **report["mask"],
        created_at=mask.created_at,
        whole_tumor_ml=report["measurements"]["volumes_ml"]["whole_tumor"],
        current=mask.number == case.mask.number,
        same_as_current=mask.folder == case.mask.folder,
        url=_url(case, mask),
    ).model_dump(mode="json")


def _url(case: StoredCase, mask: StoredMask) -> str:
    return url_for("corrections.get_mask", case_id=case.id, number=mask.number)
