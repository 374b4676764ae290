"""REST: rendered slices of a case."""

from pathlib import Path

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.errors import BadRequest, NotFound
from app.reporting import rendering
from app.reporting.key_images import telling_slice
from app.store import cases, mask_versions
from app.store.models import StoredCase, StoredMask
from app.web.openapi import describe
from model.io.modalities import MODALITIES, TITLES

# A slice of a version of the mask never changes; it may stay in the browser of whoever was let in,
# for a day. Which version counts may change at any time.
SLICE_CACHE = "private, max-age=86400, immutable"
THUMBNAIL_OPACITY = 0.7
CURRENT_CACHE = "private, no-cache"
LOOK_QUERY = [
    {"name": "modality", "schema": {"type": "string", "enum": list(MODALITIES)}},
    {"name": "regions", "schema": {"type": "string"}, "description": "Keys, comma-separated."},
    {"name": "opacity", "schema": {"type": "number", "minimum": 0, "maximum": 1}},
    {"name": "outline", "schema": {"type": "integer", "enum": [0, 1]}},
    {
        "name": "confidence",
        "schema": {"type": "integer", "enum": [0, 1]},
        "description": "Show where the model was in doubt; regions are then outlined.",
    },
    {
        "name": "mask",
        "schema": {"type": "integer", "minimum": 0},
        "description": "Version of the mask; the one that counts if left out.",
    },
]

blueprint = Blueprint("slices", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/overlay/<any(axial,coronal,sagittal):plane>/<int:index>.png")
@describe({200: "image/png"}, errors=(400, 401, 404, 409), query=LOOK_QUERY)
def get_overlay(case_id: str, plane: str, index: int):
    """Render one slice with its regions, in radiological convention.

    Slices are counted from 0 towards superior (axial), anterior (coronal) and right (sagittal).
    Without `modality`, FLAIR is drawn, or T2 where the case has no FLAIR.
    """
    case = cases.find(case_id)
    look, mask = _strict_look(case), _wanted_mask(case)
    results = case.folder / mask.folder
    if look.confidence:
        require_confidence(results)
    response = Response(mimetype="image/png")
    response.headers["Cache-Control"] = SLICE_CACHE if "mask" in request.args else CURRENT_CACHE
    response.set_etag(f"{plane}-{index}-{hash_of(case, mask, look)}")
    if request.if_none_match.contains(response.get_etag()[0]):
        response.status_code = 304
        return response
    try:
        response.data = rendering.render_png(results, plane, index, look)
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
    index = telling_slice(mask.report(case.report)["measurements"]["slices"]["axial"])
    look = rendering.Look(rendering.first_modality(case.modalities), opacity=THUMBNAIL_OPACITY)
    response = Response(mimetype="image/png")
    response.headers["Cache-Control"] = SLICE_CACHE if "mask" in request.args else CURRENT_CACHE
    response.data = rendering.render_thumbnail(case.folder / mask.folder, index, look)
    return response


def parse_regions(values: list[str]) -> tuple[str, ...]:
    """Return the region keys of repeated or comma-separated values, in the order of the table."""
    wanted = {key for value in values for key in value.split(",") if key}
    if unknown := wanted - set(rendering.REGION_KEYS):
        raise BadRequest(
            f"There is no region {min(unknown)!r}.",
            f"Regions are {', '.join(rendering.REGION_KEYS)}.",
            "bad_parameter",
        )
    return tuple(key for key in rendering.REGION_KEYS if key in wanted)


def require_modality(case: StoredCase, modality: str) -> None:
    """Raise NotFound for a sequence that the case lacks."""
    if modality not in case.modalities:
        raise NotFound(
            f"The case was uploaded without {TITLES[modality]}.",
            f"It has {', '.join(TITLES[given] for given in case.modalities)}.",
            "modality_not_given",
        )


def require_confidence(results: Path) -> np.ndarray:
    """Return the model's confidence, canonical (X, Y, Z). Raises NotFound where it was not kept."""
    confidence = rendering.stored_confidence(results)
    if confidence is None:
        raise NotFound(
            "The confidence of this case was not kept.",
            "It was segmented by an earlier version; upload it again.",
            "no_confidence",
        )
    return confidence


def hash_of(case: StoredCase, mask: StoredMask, look: rendering.Look) -> str:
    """Return a text that differs whenever a rendered slice of the case would."""
    finished = case.finished_at.timestamp() if case.finished_at else 0
    shown = "".join(key[0] for key in look.regions)
    drawn = f"{look.opacity:g}-{int(look.outline)}-{int(look.confidence)}"
    return f"{finished}-{mask.number}-{look.modality}-{shown}-{drawn}"


def _strict_look(case: StoredCase) -> rendering.Look:
    """Return how a slice is to be drawn.

    Raises BadRequest for what makes no sense, NotFound for a sequence that the case lacks.
    """
    default, args = rendering.Look(), request.args
    modality = args.get("modality", rendering.first_modality(case.modalities))
    flags = {name: args.get(name, "0") for name in ("outline", "confidence")}
    try:
        opacity = float(args.get("opacity", default.opacity))
    except ValueError:
        opacity = -1.0
    regions = parse_regions(args.getlist("regions")) if "regions" in args else default.regions
    if modality not in MODALITIES:
        raise BadRequest("There is no such modality.", ", ".join(MODALITIES), "bad_parameter")
    require_modality(case, modality)
    if not 0 <= opacity <= 1:
        raise BadRequest("The opacity is a number from 0 to 1.", code="bad_parameter")
    for name, value in flags.items():
        if value not in ("0", "1"):
            raise BadRequest(f"{name} is 0 or 1.", code="bad_parameter")
    return rendering.Look(
        modality, regions, opacity, **{name: value == "1" for name, value in flags.items()}
    )


def _wanted_mask(case: StoredCase) -> StoredMask:
    """Return the version of the mask that is asked for. Raises BadRequest, NotFound, NotReady."""
    case.results()
    wanted = request.args.get("mask", str(case.mask.number))
    if not wanted.isdecimal() or len(wanted) > 9:
        raise BadRequest("mask is the number of a version.", code="bad_parameter")
    return mask_versions.find(case, int(wanted))
