"""Whole sequences for the 3-D viewer, which draws them itself."""

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.analysis.sequences import on_reference
from app.config import settings
from app.store import cases
from app.web.downloads import as_download, file_stem
from app.web.headers import CACHE_FOR_A_DAY
from app.web.openapi import describe
from app.web.slice_query import require_brain, require_confidence, require_modality
from model.geometry import from_canonical
from model.io.nifti import compress, encode, read_volume

INT16 = np.iinfo(np.int16)

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
    geometry = case.record.geometry
    scan = read_volume(case.scans[modality], limits=settings().limits)
    shown = on_reference(scan, modality, geometry, case.record.preparation)
    stored, scaling = compact(shown)
    # The file is a gzip; without Content-Encoding no browser unpacks it on the way.
    response.data = compress(encode(stored, geometry.affine_array, scaling))
    return response


@blueprint.get("/api/cases/<case_id>/brain.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_brain(case_id: str):
    """Download the brain mask on the grid of the reference."""
    case = cases.find(case_id)
    brain = require_brain(case.results())
    response = as_download(Response(mimetype="application/gzip"), f"{file_stem(case)}_brain.nii.gz")
    response.headers["Cache-Control"] = "no-store"
    affine = case.record.geometry.affine_array
    response.data = compress(encode(from_canonical(np.asarray(brain), affine), affine))
    return response


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
    stored = from_canonical(np.asarray(confidence), affine)
    response.data = compress(encode(stored, affine, (1 / 255, 0.0)))
    return response


def compact(volume: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return (X, Y, Z) float32 as uint8 or int16, and the slope and intercept that undo it."""
    low, high = float(volume.min()), float(volume.max())
    if low >= INT16.min and high <= INT16.max and (volume == np.rint(volume)).all():
        return volume.astype(np.uint8 if low >= 0 and high <= 255 else np.int16), (1.0, 0.0)
    slope = (high - low) / (int(INT16.max) - int(INT16.min)) or 1.0
    inter = low - INT16.min * slope
    steps = np.clip(np.rint((volume - inter) / slope), INT16.min, INT16.max)
    return steps.astype(np.int16), (slope, inter)
