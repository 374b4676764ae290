"""Whole sequences for the viewer, which draws them itself."""

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.analysis.sequences import on_reference
from app.config import settings
from app.memory import room
from app.store import cases
from app.web.downloads import as_download, file_stem, send, waiting_file
from app.web.headers import CACHE_FOR_A_DAY
from app.web.openapi import describe
from app.web.slice_query import require_brain, require_confidence, require_modality
from app.web.volume_files import AS_IT_IS, BYTES_A_VOXEL, SHARES, compact, write_volume
from model.geometry import from_canonical
from model.io.nifti import read_shape, read_volume

blueprint = Blueprint("volumes", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/volumes/<any(flair,t1,t1ce,t2):modality>.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_volume(case_id: str, modality: str):
    """Download one sequence on the grid of the reference, registered to it where it had to be.

    Written anew from voxels and affine: nothing else of the uploaded header is in it. Whole
    numbers are kept as they are where 16 bits hold them; others are rounded to 65,000 steps.
    """
    case = cases.find(case_id)
    case.results()
    require_modality(case, modality)
    name = f"{file_stem(case)}_{modality}.nii.gz"
    response = as_download(Response(mimetype="application/gzip"), name)
    response.headers["Cache-Control"] = CACHE_FOR_A_DAY
    response.set_etag(f"{modality}-{case.finished_at.timestamp()}")
    if request.if_none_match.contains(response.get_etag()[0]):
        response.status_code = 304
        return response
    geometry, scan = case.record.geometry, case.scans[modality]
    voxels = geometry.voxels + int(np.prod(read_shape(scan)))
    with room().taken(BYTES_A_VOXEL * voxels):
        read = read_volume(scan, limits=settings().limits)
        shown = on_reference(read, modality, geometry, case.record.preparation)
        file = waiting_file(
            lambda file: write_volume(file, shown, compact(shown), geometry.affine_array)
        )
    # The file is a gzip; without Content-Encoding no browser unpacks it on the way.
    return send(response, file)


@blueprint.get("/api/cases/<case_id>/brain.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_brain(case_id: str):
    """Download the brain mask on the grid of the reference."""
    case = cases.find(case_id)
    brain = require_brain(case.results())
    response = as_download(Response(mimetype="application/gzip"), f"{file_stem(case)}_brain.nii.gz")
    response.headers["Cache-Control"] = "no-store"
    affine = case.record.geometry.affine_array
    stored = from_canonical(brain, affine)
    return send(response, waiting_file(lambda file: write_volume(file, stored, AS_IT_IS, affine)))


@blueprint.get("/api/cases/<case_id>/confidence.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_confidence(case_id: str):
    """Download the probability that the model gave to its own choice, on the grid of the scans.

    From 0 to 1; 1 outside the brain, where the model was not asked. It is that of the
    model's mask, also where the mask was corrected since.
    """
    case = cases.find(case_id)
    confidence = require_confidence(case.results())
    name = f"{file_stem(case)}_confidence.nii.gz"
    response = as_download(Response(mimetype="application/gzip"), name)
    response.headers["Cache-Control"] = CACHE_FOR_A_DAY
    affine = case.record.geometry.affine_array
    stored = from_canonical(confidence, affine)
    return send(response, waiting_file(lambda file: write_volume(file, stored, SHARES, affine)))
