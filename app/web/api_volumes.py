"""Whole sequences for the 3-D viewer, which draws them itself."""

import json
from pathlib import Path

import numpy as np
from flask import Blueprint, Flask, Response, current_app, request, url_for

from app.config import settings
from app.reporting import rendering
from app.store import cases
from app.store.models import StoredCase
from app.web.api_slices import require_confidence, require_modality
from app.web.downloads import as_download, file_stem
from app.web.openapi import describe
from model.geometry import from_canonical
from model.io.modalities import MODALITIES
from model.io.nifti import compress, encode, read_volume
from model.labels import REGIONS

# What `make run` fetches; without it pages offer the rendered slices alone.
LIBRARY = "vendor/niivue.js"
# A sequence never changes; it may stay in the browser of whoever was let in, for a day.
CACHE = "private, max-age=86400, immutable"
INT16 = np.iinfo(np.int16)

blueprint = Blueprint("volumes", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/volumes/<any(flair,t1,t1ce,t2):modality>.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_volume(case_id: str, modality: str):
    """Download one sequence on the grid of the uploaded scans.

    Written anew from voxels and affine: nothing else of the uploaded header is in it. Whole
    numbers are kept as they are where 16 bits hold them; others are rounded to 65,000 steps.
    """
    case = cases.find(case_id)
    case.results()
    require_modality(case, modality)
    name = f"{file_stem(case)}_{modality}.nii.gz"
    response = as_download(Response(mimetype="application/gzip"), name)
    response.headers["Cache-Control"] = CACHE
    response.set_etag(f"{modality}-{case.finished_at.timestamp()}")
    if request.if_none_match.contains(response.get_etag()[0]):
        response.status_code = 304
        return response
    scan = read_volume(case.scans[modality], limits=settings().limits)
    stored, scaling = compact(scan.data)
    # The file is a gzip; without Content-Encoding no browser unpacks it on the way.
    response.data = compress(encode(stored, scan.affine, scaling))
    return response


@blueprint.get("/api/cases/<case_id>/confidence.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_confidence(case_id: str):
    """Download the probability that the model gave to its own choice, on the grid of the scans.

    From 0 to 1, uncalibrated; 1 outside the brain, where the model was not asked. It is that of the
    model's mask, also where the mask was corrected since.
    """
    case = cases.find(case_id)
    confidence = require_confidence(case.results())
    name = f"{file_stem(case)}_confidence.nii.gz"
    response = as_download(Response(mimetype="application/gzip"), name)
    response.headers["Cache-Control"] = CACHE
    affine = np.array(case.report["geometry"]["affine"])
    stored = from_canonical(np.asarray(confidence), affine)
    response.data = compress(encode(stored, affine, (1 / 255, 0.0)))
    return response


def viewer_of(case: StoredCase) -> dict[str, str] | None:
    """Return what the 3-D viewer of a case is told, None where its library was not fetched."""
    if not (Path(current_app.static_folder) / LIBRARY).is_file():
        return None
    volumes = {
        modality: url_for("volumes.get_volume", case_id=case.id, modality=modality)
        for modality in MODALITIES
        if modality in case.modalities
    }
    regions = [
        {
            "key": region.key,
            "title": region.title,
            "colour": region.colour,
            "values": sorted({region.value_2021, region.value_2023}),
        }
        for region in REGIONS
    ]
    return {
        "volumes": json.dumps(volumes),
        "mask": url_for("corrections.get_mask", case_id=case.id, number=case.mask.number),
        "masks": url_for("corrections.create_mask", case_id=case.id),
        "regions": json.dumps(regions),
        "confidence": url_for("volumes.get_confidence", case_id=case.id),
        "uncertainty": json.dumps(
            {"colours": rendering.DOUBT_COLOURS, "from": rendering.DOUBT_FROM}
        ),
    }


def compact(volume: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return (X, Y, Z) float32 as uint8 or int16, and the slope and intercept that undo it."""
    low, high = float(volume.min()), float(volume.max())
    if low >= INT16.min and high <= INT16.max and (volume == np.rint(volume)).all():
        return volume.astype(np.uint8 if low >= 0 and high <= 255 else np.int16), (1.0, 0.0)
    slope = (high - low) / (int(INT16.max) - int(INT16.min)) or 1.0
    inter = low - INT16.min * slope
    steps = np.clip(np.rint((volume - inter) / slope), INT16.min, INT16.max)
    return steps.astype(np.int16), (slope, inter)
