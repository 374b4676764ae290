"""REST: sending results of a case to the archives that the settings name."""

from flask import Blueprint, Flask, jsonify, url_for

from app.reporting import schemas
from app.store import cases
from app.web import sending
from app.web.openapi import describe

blueprint = Blueprint("deliveries", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/deliveries")
@describe({200: schemas.Deliveries}, errors=(401, 404))
def get_deliveries(case_id: str):
    """Return which results go to which archive, and how that ended."""
    return _listed(case_id)


@blueprint.post("/api/cases/<case_id>/deliveries")
@describe({202: schemas.Deliveries}, errors=(401, 403, 404, 409))
def send_to_archive(case_id: str):
    """Send segmentation and report of the mask that counts to each archive, also if they were sent before."""
    sending.order(cases.find_own(case_id))
    address = url_for("deliveries.get_deliveries", case_id=case_id)
    return _listed(case_id), 202, {"Location": address}


def _listed(case_id: str):
    return jsonify(deliveries=sending.delivery_answers(cases.find(case_id)))
