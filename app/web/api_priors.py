"""REST: an earlier case registered to a later one, its slices, and what changed."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, jsonify, request

from app.analysis.measurements import VOLUME_KEYS
from app.errors import BadRequest, NotFound
from app.reporting import patient_schemas as schemas
from app.reporting import rendering
from app.reporting.change_rendering import render_change
from app.store.pairs import Pair
from app.web.headers import CACHE_AND_REVALIDATE, CACHE_FOR_A_DAY
from app.web.openapi import describe
from app.web.registered_priors import answer, kept, made, wanted_pair
from app.web.slice_query import LOOK_QUERY, strict_look

STAMP_QUERY = [
    {
        "name": "stamp",
        "schema": {"type": "string"},
        "description": "Of the pair; with it, pictures are kept by the browser.",
    }
]
REGION_QUERY = [{"name": "region", "schema": {"type": "string", "enum": list(VOLUME_KEYS)}}]

blueprint = Blueprint("priors", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/priors/<prior_id>")
@describe({200: schemas.RegisteredPrior}, errors=(400, 401, 404, 409))
def get_prior(case_id: str, prior_id: str):
    """Return how an earlier case was registered to this one, and what was gained and lost since.

    404 `not_registered` until that was asked for, and again once one of the masks has changed.
    """
    now, prior = wanted_pair(case_id, prior_id)
    return jsonify(answer(now, prior, kept(now, prior)).model_dump(mode="json"))


@blueprint.post("/api/cases/<case_id>/priors/<prior_id>")
@describe({200: schemas.RegisteredPrior}, errors=(400, 401, 404, 409, 422, 503, 507))
def register_prior(case_id: str, prior_id: str):
    """Register an earlier case to this one, rigidly, and subtract the masks; takes some seconds.

    Nothing is done where it was done before. The result goes with either case.
    """
    now, prior = wanted_pair(case_id, prior_id)
    return jsonify(answer(now, prior, made(now, prior)).model_dump(mode="json"))


@blueprint.get(
    "/api/cases/<case_id>/priors/<prior_id>/slices/<any(axial,coronal,sagittal):plane>/<int:index>.png"
)
@describe({200: "image/png"}, errors=(400, 401, 404, 409), query=LOOK_QUERY[:4] + STAMP_QUERY)
def get_prior_slice(case_id: str, prior_id: str, plane: str, index: int):
    """Render a slice of an earlier case on the grid of this one, with the regions marked then."""
    now, prior = wanted_pair(case_id, prior_id)
    look, pair = strict_look(prior), kept(now, prior)
    return _picture(pair, lambda: rendering.render_png(pair.results, plane, index, look))


@blueprint.get(
    "/api/cases/<case_id>/priors/<prior_id>/change/<any(axial,coronal,sagittal):plane>/<int:index>.png"
)
@describe(
    {200: "image/png"},
    errors=(400, 401, 404, 409),
    query=LOOK_QUERY[:1] + REGION_QUERY + STAMP_QUERY,
)
def get_change_slice(case_id: str, prior_id: str, plane: str, index: int):
    """Render a slice of this case with what of a region was gained, in red, and lost, in blue."""
    now, prior = wanted_pair(case_id, prior_id)
    modality, pair = strict_look(now).modality, kept(now, prior)
    region = request.args.get("region", "whole_tumor")
    if region not in VOLUME_KEYS:
        raise BadRequest("There is no such region.", ", ".join(VOLUME_KEYS), "bad_parameter")
    results = now.results()
    return _picture(
        pair, lambda: render_change(results, pair.results, plane, index, modality, region)
    )


def _picture(pair: Pair, draw: Callable[[], bytes]) -> Response:
    """Return a drawn slice. Raises NotFound for one beyond the last."""
    try:
        response = Response(draw(), mimetype="image/png")
    except IndexError as error:
        raise NotFound("There is no such slice.", "They count from 0.") from error
    lasts = request.args.get("stamp") == pair.stamp
    response.headers["Cache-Control"] = CACHE_FOR_A_DAY if lasts else CACHE_AND_REVALIDATE
    return response
