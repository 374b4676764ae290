"""REST: whole sequences and the mask of an earlier case on the grid of a later one, for the viewer."""

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.analysis.sequences import on_grid
from app.config import settings
from app.memory import room
from app.web.downloads import as_download, file_stem, send, waiting_file
from app.web.headers import CACHE_AND_REVALIDATE
from app.web.openapi import describe
from app.web.registered_priors import kept, wanted_pair
from app.web.slice_query import require_modality
from app.web.volume_files import AS_IT_IS, BYTES_A_VOXEL, compact, write_volume
from model.geometry import from_canonical
from model.io.nifti import read_shape, read_volume
from model.labels import to_file_values

blueprint = Blueprint("prior_volumes", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get(
    "/api/cases/<case_id>/priors/<prior_id>/volumes/<any(flair,t1,t1ce,t2):modality>.nii.gz"
)
@describe({200: "application/gzip"}, errors=(400, 401, 404, 409))
def get_prior_volume(case_id: str, prior_id: str, modality: str):
    """Download a sequence of an earlier case on the grid of this one, to which it was registered.

    Its own intensities, interpolated linearly and once. 404 `not_registered` until that was asked for.
    """
    now, prior = wanted_pair(case_id, prior_id)
    pair = kept(now, prior)
    require_modality(prior, modality)
    response = _answer(f"{file_stem(prior)}_{modality}_registered.nii.gz", modality, pair.stamp)
    if response.status_code == 304:
        return response
    geometry, scan = now.record.geometry, prior.scans[modality]
    affine = np.array(pair.found.registered.matrix) @ geometry.affine_array
    voxels = geometry.voxels + int(np.prod(read_shape(scan)))
    with room().taken(BYTES_A_VOXEL * voxels):
        read = read_volume(scan, limits=settings().limits)
        moved = on_grid(read, modality, prior.record.preparation, geometry.shape, affine)
        # No value leaves the range of the scan, so what held its numbers holds these.
        stored = compact(read.data)
        file = waiting_file(lambda f: write_volume(f, moved, stored, geometry.affine_array))
    return send(response, file)


@blueprint.get("/api/cases/<case_id>/priors/<prior_id>/segmentation.nii.gz")
@describe({200: "application/gzip"}, errors=(400, 401, 404, 409))
def get_prior_mask(case_id: str, prior_id: str):
    """Download the mask of an earlier case on the grid of this one, with the label values of this one."""
    now, prior = wanted_pair(case_id, prior_id)
    pair = kept(now, prior)
    response = _answer(f"{file_stem(prior)}_seg_registered.nii.gz", "mask", pair.stamp)
    if response.status_code == 304:
        return response
    affine = now.record.geometry.affine_array
    values = to_file_values(np.asarray(pair.results.labels()), now.record.label_convention)
    stored = from_canonical(values, affine)
    return send(response, waiting_file(lambda f: write_volume(f, stored, AS_IT_IS, affine)))


def _answer(name: str, what: str, stamp: str) -> Response:
    """Return the answer without its file; 304 where the browser has what `stamp` stands for."""
    response = as_download(Response(mimetype="application/gzip"), name)
    response.headers["Cache-Control"] = CACHE_AND_REVALIDATE
    response.set_etag(f"{what}-{stamp}")
    if request.if_none_match.contains(response.get_etag()[0]):
        response.status_code = 304
    return response
