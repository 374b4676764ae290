"""REST: rendered slices of a case."""

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.config import settings
from app.errors import BadRequest, NotFound
from app.reporting import rendering
from app.reporting.key_images import KeyImage, key_slice
from app.reporting.windows import windowed
from app.store import cases, mask_versions
from app.store.models import StoredCase, StoredMask
from app.store.results import Results
from app.web.headers import CACHE_AND_REVALIDATE, CACHE_FOR_A_DAY
from app.web.openapi import describe
from app.web.slice_query import (
    LOOK_QUERY,
    WINDOW_QUERY,
    require_brain,
    require_confidence,
    strict_look,
)

THUMBNAIL_OPACITY = 0.7

blueprint = Blueprint("slices", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/overlay/<any(axial,coronal,sagittal):plane>/<int:index>.png")
@describe({200: "image/png"}, errors=(400, 401, 404, 409, 503), query=[*LOOK_QUERY, WINDOW_QUERY])
def get_overlay(case_id: str, plane: str, index: int):
    """Render one slice with its regions, in radiological convention.

    Slices are counted from 0 towards superior (axial), anterior (coronal) and right (sagittal).
    Without `modality`, FLAIR is drawn, or T2 where the case has no FLAIR.
    """
    case = cases.find(case_id)
    look, mask = strict_look(case), _wanted_mask(case)
    results = case.results(mask)
    if look.confidence:
        require_confidence(results)
    if look.brain:
        require_brain(results)
    response = Response(mimetype="image/png")
    response.headers["Cache-Control"] = _cache_control()
    response.set_etag(f"{plane}-{index}-{hash_of(case, mask, look)}")
    if request.if_none_match.contains(response.get_etag()[0]):
        response.status_code = 304
        return response
    try:
        scan = _windowed(case, plane, index, look, results)
        response.data = rendering.render_png(results, plane, index, look, scan)
    except IndexError as error:
        count = rendering.slice_count(results, plane)
        raise NotFound(f"There is no such slice; {plane} slices are 0 to {count - 1}.") from error
    return response


@blueprint.get("/api/cases/<case_id>/thumbnail.png")
@describe({200: "image/png"}, errors=(400, 401, 404, 409), query=LOOK_QUERY[-1:])
def get_thumbnail(case_id: str):
    """Render the axial slice with the most tumour as a small square."""
    case = cases.find(case_id)
    mask = _wanted_mask(case)
    index = key_slice(mask.record(case.record).measurements.slices.axial)
    look = rendering.Look(rendering.first_modality(case.modalities), opacity=THUMBNAIL_OPACITY)
    response = Response(mimetype="image/png")
    response.headers["Cache-Control"] = _cache_control()
    response.data = rendering.render_thumbnail(case.results(mask), index, look)
    return response


def hash_of(case: StoredCase, mask: StoredMask, look: rendering.Look) -> str:
    """Return a text that differs whenever a rendered slice of the case would."""
    finished = case.finished_at.timestamp() if case.finished_at else 0
    shown = "".join(key[0] for key in look.regions)
    drawn = f"{look.opacity:g}-{int(look.outline)}-{int(look.confidence)}-{int(look.brain)}"
    window = "-{}-{}".format(*look.window) if look.window else ""
    return f"{finished}-{mask.number}-{look.modality}-{shown}-{drawn}{window}"


def _windowed(
    case: StoredCase, plane: str, index: int, look: rendering.Look, results: Results
) -> np.ndarray | None:
    """Return a slice at the window of a look, None without one. Raises IndexError outside the volume."""
    if not look.window:
        return None
    count = rendering.slice_count(results, plane)
    if not 0 <= index < count:
        raise IndexError(index)
    image = KeyImage(plane, index, count, look.modality)
    return windowed(case, [image], {look.modality: look.window}, settings().limits)[image]


def _wanted_mask(case: StoredCase) -> StoredMask:
    """Return the version of the mask that is asked for. Raises BadRequest, NotFound, NotReady."""
    case.results()
    wanted = request.args.get("mask", str(case.mask.number))
    if not wanted.isdecimal() or len(wanted) > 9:
        raise BadRequest("mask is the number of a version.", code="bad_parameter")
    return mask_versions.find(case, int(wanted))


def _cache_control() -> str:
    """Return how long a slice may be kept: which version counts may change, a version never does."""
    return CACHE_FOR_A_DAY if "mask" in request.args else CACHE_AND_REVALIDATE
